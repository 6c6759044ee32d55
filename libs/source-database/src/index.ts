export { checkDatabase } from './check-database.ts'
export { createDatabaseTasks, type DatabaseTasks, type DatabaseTasksDeps } from './database-tasks.ts'
export { firstRows, type FirstRows } from './preview.ts'
