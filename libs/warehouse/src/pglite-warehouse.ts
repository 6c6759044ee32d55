import type { PgliteDatabase } from './pglite-database.ts'
import { pgliteSessions, removeLeftovers } from './pglite-session.ts'
import { warehouseIn } from './postgres-based.ts'
import type { Warehouse, WarehouseOptions } from './warehouse.ts'

/** The embedded warehouse. The database stays the caller's: disposing the warehouse does not close it. */
export async function createPgliteWarehouse(
  database: Pick<PgliteDatabase<unknown>, 'pglite' | 'location'>,
  options: WarehouseOptions = {},
): Promise<Warehouse> {
  if (options.isReadOnly !== true) await removeLeftovers(database.pglite)
  return await warehouseIn(pgliteSessions(database), options)
}
