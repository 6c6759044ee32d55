export { QUERY_TIMEOUT_MS, shapeOf } from './warehouse.ts'
export {
  WarehouseDirectoryError,
  WarehouseInUseError,
  WarehouseLoginError,
  WarehouseQueryError,
  WarehouseRefusedError,
  WarehouseUnavailableError,
} from './errors.ts'
export type { Database } from './database.ts'
export { faultOf as mssqlFaultOf, isTransient as isTransientMssqlFault, type MssqlFault } from './mssql-faults.ts'
export { warehouseEnv, warehouseSettings, type AzureCredential, type WarehouseSettings } from './warehouse-settings.ts'
export type {
  Changes,
  LoadedTable,
  LoadOptions,
  LoadOutcome,
  MartDescription,
  MartTable,
  QueryBatch,
  QueryOptions,
  Warehouse,
  WarehouseColumn,
  WarehouseRow,
  WarehouseRows,
  WarehouseTable,
  WarehouseValue,
} from './warehouse.ts'
