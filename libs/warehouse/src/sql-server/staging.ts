import { randomUUID } from 'node:crypto'
import { stopWhenAborted } from '../load-decision.ts'
import { bulkLoad } from './bulk.ts'
import { releaseLock, requireLock, tryLock, type MssqlPool, type MssqlSession } from '@cinelake/database/sql-server'
import * as mssql from './sql.ts'
import type { LoadOptions, WarehouseColumn, WarehouseRows, WarehouseTable } from '../warehouse.ts'

/** A staging table, not yet visible to readers. */
export type Staging = AsyncDisposable & {
  readonly name: string
  /** Rows that were sent. */
  readonly sent: number
}

/** Held by a loader for as long as it lives: a staging table without it belongs to one that was killed. */
const lockOf = (staging: string) => `cinelake ${staging}`

/**
 * Loads rows into a new table. Disposing it drops the table, unless it has been put in place.
 * @param pool where another connection is had, should the session's end before the table is dropped
 */
export async function fillStaging(
  { session, pool }: { readonly session: MssqlSession; readonly pool: MssqlPool },
  table: WarehouseTable,
  { columns, rows }: { readonly columns: readonly WarehouseColumn[]; readonly rows: WarehouseRows },
  options: LoadOptions,
): Promise<Staging> {
  const typed = mssql.typedColumns(table, columns)
  const name = `staging_${randomUUID().replaceAll('-', '')}`
  await using dropping = new AsyncDisposableStack()
  await requireLock(session, pool.location, lockOf(name), 'Session', 0)
  dropping.defer(async () => await drop(session, pool, name))
  await session.run(mssql.createTable(name, typed))
  const target = { into: mssql.stagingTable(name), table: table.name, columns: typed }
  const sent = await bulkLoad(session, target, untilAborted(table, rows, options))
  const owned = dropping.move()
  return { name, sent, [Symbol.asyncDispose]: async () => await owned.disposeAsync() }
}

/** Drops the staging tables whose loaders were killed; those of living ones stay. */
export async function dropLeftStaging(session: MssqlSession): Promise<void> {
  const { rows } = await session.run<{ name: string }>(mssql.STAGING_TABLES)
  for (const { name } of rows) {
    if (!(await tryLock(session, lockOf(name), 'Session', 0))) continue
    await session.run(mssql.dropStaging(name))
    await releaseLock(session, lockOf(name))
  }
}

async function* untilAborted(table: WarehouseTable, rows: WarehouseRows, options: LoadOptions): WarehouseRows {
  for await (const batch of rows) {
    stopWhenAborted(table, options)
    yield batch
  }
  stopWhenAborted(table, options)
}

/** Does not throw: a load that has failed has an error of its own to tell, and the next start drops what is left. */
async function drop(session: MssqlSession, pool: MssqlPool, name: string): Promise<void> {
  try {
    if (session.usable) {
      await session.run(mssql.dropStaging(name))
      await releaseLock(session, lockOf(name))
    } else {
      await pool.use(async (other) => await other.run(mssql.dropStaging(name)))
    }
  } catch {
    session.discard()
  }
}
