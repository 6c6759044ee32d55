export { shapeOf } from './warehouse.ts'
export {
  WarehouseDirectoryError,
  WarehouseInUseError,
  WarehouseQueryError,
  WarehouseRefusedError,
  WarehouseUnavailableError,
} from './errors.ts'
export type { Database } from './database.ts'
export type {
  Changes,
  LoadedTable,
  LoadOptions,
  LoadOutcome,
  Warehouse,
  WarehouseColumn,
  WarehouseRow,
  WarehouseRows,
  WarehouseTable,
  WarehouseValue,
} from './warehouse.ts'
