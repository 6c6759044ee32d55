export { openPostgresDatabase, type PostgresDatabase } from './database.ts'
export { createPostgresWarehouse } from './warehouse.ts'
