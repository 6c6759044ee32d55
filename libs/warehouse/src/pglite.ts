export { openPgliteDatabase, type PgliteDatabase } from './pglite-database.ts'
export { openPgliteReader } from './pglite-reader.ts'
export { createPgliteWarehouse } from './pglite-warehouse.ts'
