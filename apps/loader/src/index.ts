export { createLoaderHandlers } from './handlers.ts'
export { createLoad, type LoadDeps } from './load-table.ts'
export { servedErrors } from './served-table.ts'
