export { requireOwner } from './load-decision.ts'
export { MART, QUERY_TIMEOUT_MS, shapeOf } from './warehouse.ts'
export { warehouseErrors, WarehouseQueryError, WarehouseRefusedError, WarehouseUnavailableError } from './errors.ts'
export { warehouseEnv, warehouseSettings, type WarehouseSettings } from './settings.ts'
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
