export { servePush } from './http/serve-push.ts'
export type { PushPreviewDeps } from './preview.ts'
export { pushKind } from './push-kind.ts'
