import type { PostgresConnections } from '@cinelake/database/postgres'
import type { Warehouse, WarehouseOptions } from '../warehouse.ts'
import { serverSessions } from './server-session.ts'
import { warehouseIn } from './warehouse.ts'

/** The warehouse on a PostgreSQL server. The database stays the caller's: disposing the warehouse does not close it. */
export async function createPostgresWarehouse(
  database: PostgresConnections,
  options: WarehouseOptions & {
    readonly swapWaitsMs?: readonly number[]
  } = {},
): Promise<Warehouse> {
  return await warehouseIn(serverSessions(database), options)
}
