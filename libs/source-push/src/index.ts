export { servePush } from './http/serve-push.ts'
export { lastPushed, type LastPushed } from './preview.ts'
export { createPushTasks, type PushTasksDeps } from './push-tasks.ts'
