export { createIngestFilesHandlers, type IngestFilesDeps } from './handlers.ts'
