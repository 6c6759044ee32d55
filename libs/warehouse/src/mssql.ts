export { openMssqlDatabase, type MssqlDatabase } from './mssql-database.ts'
export { createMssqlWarehouse } from './mssql-warehouse.ts'
