export { limitRules, type LimitRule, type WarehouseLimits } from './limits.ts'
export { limitsOf } from './limits-of.ts'
export { requireOwner } from './load-decision.ts'
export {
  MART,
  QUERY_TIMEOUT_MS,
  shapeOf,
  warehouseEnv,
  warehouseSettings,
  type WarehouseSettings,
} from './warehouse.ts'
export { warehouseErrors, WarehouseQueryError, WarehouseRefusedError, WarehouseUnavailableError } from './errors.ts'
export type {
  Changes,
  ListedTable,
  LoadedTable,
  LoadOptions,
  LoadOutcome,
  MartDescription,
  QueryBatch,
  QueryOptions,
  TablePlace,
  Warehouse,
  WarehouseColumn,
  WarehouseRow,
  WarehouseRows,
  WarehouseTable,
  WarehouseValue,
} from './warehouse.ts'
