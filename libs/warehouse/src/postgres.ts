export { openPostgresDatabase, type PostgresDatabase } from './postgres-database.ts'
export { createPostgresWarehouse } from './postgres-warehouse.ts'
