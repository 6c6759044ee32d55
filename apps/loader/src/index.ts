export { createLoaderHandlers } from './handlers.ts'
export { createLoad, type LoadDeps } from './load-table.ts'
export { RefinedTableMissingError, TableNotServedError } from './served-table.ts'
