export { checkDatabase } from './check-database.ts'
export { createDatabaseTasks, type DatabaseTasks, type DatabaseTasksDeps } from './database-tasks.ts'
export { previewDatabase, type DatabasePreviewDeps } from './preview.ts'
