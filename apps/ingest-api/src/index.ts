export { createIngestApiHandlers, type IngestApiDeps } from './handlers.ts'
export { servePush } from './push/serve-push.ts'
export { firstPages, type FirstPages } from './try/first-pages.ts'
export { lastPushed, type LastPushed } from './try/last-pushed.ts'
