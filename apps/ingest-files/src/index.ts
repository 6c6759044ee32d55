export { checkAgent, hasBroker, type CheckAgentDeps } from './check/check-agent.ts'
export type { Finding } from './check/check-agent.ts'
export { IngestFilesEnv, type IngestFilesConfig } from './config.ts'
export { createIngestFilesHandlers, type IngestFilesDeps } from './handlers.ts'
