export { createMssqlWarehouse } from './warehouse.ts'
