export { createLoaderHandlers, type LoadDeps } from './load-table.ts'
export { servedErrors } from './served-table.ts'
