export { deliveryErrors } from './deliver/errors.ts'
export type { PlaceSettings } from './deliver/deliver-tables.ts'
export { createLoaderHandlers } from './handlers.ts'
export { servedErrors } from './served-table.ts'
