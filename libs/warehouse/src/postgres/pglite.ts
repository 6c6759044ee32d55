export { createPgliteWarehouse } from './pglite-warehouse.ts'
export { MART_DATABASE, MART_USER, startMartServer, type MartServer } from './mart-server.ts'
