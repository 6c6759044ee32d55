export { databaseKind } from './database-kind.ts'
export type { DatabaseTasksDeps } from './database-tasks.ts'
export type { DatabasePreviewDeps } from './preview.ts'
