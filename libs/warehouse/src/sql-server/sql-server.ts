export { openMssqlDatabase, type MssqlDatabase } from './database.ts'
export { createMssqlWarehouse } from './warehouse.ts'
