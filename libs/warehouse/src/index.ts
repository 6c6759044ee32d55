export { requireOwner } from './load-decision.ts'
export { MART, QUERY_TIMEOUT_MS, shapeOf } from './warehouse.ts'
export {
  WarehouseDirectoryError,
  WarehouseInUseError,
  WarehouseLoginError,
  WarehouseQueryError,
  WarehouseRefusedError,
  WarehouseTableTakenError,
  WarehouseUnavailableError,
} from './errors.ts'
export type { Database } from './database.ts'
export { faultOf as mssqlFaultOf, isTransient as isTransientMssqlFault, type MssqlFault } from './sql-server/faults.ts'
export { warehouseEnv, warehouseSettings, type AzureCredential, type WarehouseSettings } from './warehouse-settings.ts'
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
