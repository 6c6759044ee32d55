import type { PgliteDatabase } from '@cinelake/database/pglite'
import { pgliteSessions, removeLeftovers } from './pglite-session.ts'
import { martSchemas, requireReader } from './reader.ts'
import { hasMart, warehouseIn } from './based.ts'
import type { Warehouse, WarehouseOptions } from '../warehouse.ts'

/**
 * In a session of the mart server the database would permit a change of role, through this function only: the other
 * statements that change it are not forwarded.
 */
const KEEP_ROLE = 'REVOKE EXECUTE ON FUNCTION pg_catalog.set_config(text, text, boolean) FROM PUBLIC'

/** The embedded warehouse. The database stays the caller's: disposing the warehouse does not close it. */
export async function createPgliteWarehouse(
  database: Pick<PgliteDatabase<unknown>, 'pglite' | 'location'>,
  { isReadOnly }: WarehouseOptions = {},
): Promise<Warehouse> {
  const sessions = pgliteSessions(database)
  if (isReadOnly === true && !(await hasMart(sessions))) return await warehouseIn(sessions, { isReadOnly })
  // What reading needs is made, where there is a mart: one process has the directory.
  if (isReadOnly !== true) await removeLeftovers(database.pglite)
  const warehouse = await warehouseIn(sessions)
  // Other processes that read beside this one cannot make it.
  await requireReader(sessions, await martSchemas(sessions.queries))
  await database.pglite.exec(KEEP_ROLE)
  return warehouse
}
