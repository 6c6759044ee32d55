import { warehouseIn } from './based.ts'
import type { PostgresConnections } from '@cinelake/database/postgres'
import { serverSessions } from './server-session.ts'
import type { Warehouse, WarehouseOptions } from '../warehouse.ts'

/** The warehouse on a PostgreSQL server. The database stays the caller's: disposing the warehouse does not close it. */
export async function createPostgresWarehouse(
  database: PostgresConnections,
  options: WarehouseOptions & {
    /** As `SWAP_WAITS_MS`. */
    readonly swapWaitsMs?: readonly number[]
  } = {},
): Promise<Warehouse> {
  return await warehouseIn(serverSessions(database), options)
}
