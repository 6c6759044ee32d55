export { databaseKind, type DatabasePreviewDeps } from './database-kind.ts'
export type { DatabaseTasksDeps } from './database-tasks.ts'
