export { servePush } from './http/serve-push.ts'
export { previewPush, type PushPreviewDeps } from './preview.ts'
export { createPushTasks, type PushTasksDeps } from './push-tasks.ts'
