export { createPostgresWarehouse } from './warehouse.ts'
