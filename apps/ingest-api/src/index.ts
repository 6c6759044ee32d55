export { createIngestApiHandlers, type IngestApiDeps } from './handlers.ts'
