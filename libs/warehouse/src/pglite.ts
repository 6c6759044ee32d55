export { openPgliteDatabase, type PgliteDatabase } from './pglite-database.ts'
export { createPgliteWarehouse } from './pglite-warehouse.ts'
