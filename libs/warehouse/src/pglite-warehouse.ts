import type { PgliteDatabase } from './pglite-database.ts'
import { pgliteSessions, removeLeftovers } from './pglite-session.ts'
import { requireReader } from './postgres-reader.ts'
import { warehouseIn } from './postgres-based.ts'
import type { Warehouse } from './warehouse.ts'

/** The embedded warehouse. The database stays the caller's: disposing the warehouse does not close it. */
export async function createPgliteWarehouse(
  database: Pick<PgliteDatabase<unknown>, 'pglite' | 'location'>,
): Promise<Warehouse> {
  await removeLeftovers(database.pglite)
  const sessions = pgliteSessions(database)
  const warehouse = await warehouseIn(sessions)
  // Other processes that read beside this one cannot make it.
  await requireReader(sessions)
  return warehouse
}
