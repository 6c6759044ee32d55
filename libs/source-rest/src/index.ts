export type { RestPreviewDeps } from './preview/preview-rest.ts'
export { restKind } from './rest-kind.ts'
export type { RestTasksDeps } from './rest-kind.ts'
