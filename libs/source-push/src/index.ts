export { servePush } from './http/push-api.ts'
export type { PushPreviewDeps } from './preview.ts'
export { pushKind } from './push-kind.ts'
