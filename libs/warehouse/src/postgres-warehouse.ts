import { warehouseIn } from './postgres-based.ts'
import type { PostgresConnections } from './postgres-database.ts'
import { serverSessions } from './postgres-server-session.ts'
import type { Warehouse, WarehouseOptions } from './warehouse.ts'

/** Milliseconds that a query of an analyst may take. */
const QUERY_TIMEOUT_MS = 5 * 60_000

/** The warehouse on a PostgreSQL server. The database stays the caller's: disposing the warehouse does not close it. */
export async function createPostgresWarehouse(
  database: PostgresConnections,
  options: WarehouseOptions & {
    readonly queryTimeoutMs?: number
    /** As `SWAP_WAITS_MS`. */
    readonly swapWaitsMs?: readonly number[]
  } = {},
): Promise<Warehouse> {
  return await warehouseIn(serverSessions(database, options.queryTimeoutMs ?? QUERY_TIMEOUT_MS), options)
}
