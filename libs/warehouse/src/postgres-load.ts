import { alreadyLoaded, isBase, requireBase, requireCount, stopWhenAborted, versionOf } from './load-decision.ts'
import { placeStaged } from './postgres-place.ts'
import * as place from './postgres-place-sql.ts'
import type { LoadSession, PostgresSessions, Queries } from './postgres-session.ts'
import * as postgres from './postgres-sql.ts'
import { grantNewTable } from './postgres-reader.ts'
import { fillStaging } from './postgres-staging.ts'
import {
  shapeOf,
  type LoadedTable,
  type LoadOptions,
  type LoadOutcome,
  type Warehouse,
  type WarehouseRows,
  type WarehouseTable,
} from './warehouse.ts'

/** Where loads are done, and how long they wait for readers. */
export type Loading = { readonly sessions: PostgresSessions; readonly swapWaitsMs: readonly number[] }

export async function replaceTable(
  { sessions, swapWaitsMs }: Loading,
  table: WarehouseTable,
  rows: WarehouseRows,
  options: LoadOptions,
): Promise<LoadOutcome> {
  const { location, pieceCharacters } = sessions
  return await sessions.load(async (session) => {
    const before = await beginLoad(session, table, options)
    const done = alreadyLoaded(before, table, options)
    if (done !== undefined) return done
    const basedOn = options.basedOn ?? versionOf(before)
    requireBase(location, table, basedOn, before)
    const staged = await fillStaging(session, table, table.columns, rows, { ...options, pieceCharacters })
    requireCount(table, options.rowCount ?? staged.sent, staged.rowCount)
    await finishStaged(session, table, staged)
    stopWhenAborted(table, options)
    return await session.publish(async (transaction) => {
      const now = await beginPublish(transaction, table)
      const done = alreadyLoaded(now, table, options)
      if (done !== undefined) return done
      requireBase(location, table, basedOn, now)
      await record(transaction, table, options, staged.rowCount)
      const isSameShape = now?.shape === shapeOf(table)
      await placeStaged(transaction, { table, staged, isSameShape, location, swapWaitsMs })
      await grantNewTable(transaction, postgres.martTable(table.name))
      return { outcome: 'replaced', rowCount: staged.rowCount, sentRowCount: staged.sent }
    })
  }, options.signal)
}

export async function changeTable(
  { sessions }: Loading,
  table: WarehouseTable,
  changes: Parameters<Warehouse['applyChanges']>[1],
  options: LoadOptions,
): Promise<LoadOutcome | 'stale'> {
  const { pieceCharacters } = sessions
  const outcome = await sessions.load(async (session) => {
    const before = await beginLoad(session, table, options)
    const done = alreadyLoaded(before, table, options)
    if (done !== undefined) return done
    if (!isBase(before, table, changes.since) || table.primaryKey.length === 0) return 'stale'
    const key = table.columns.filter(({ name }) => table.primaryKey.includes(name))
    const deletes = await fillStaging(session, table, key, changes.deletes, { ...options, pieceCharacters })
    const upserts = await fillStaging(session, table, table.columns, changes.upserts, { ...options, pieceCharacters })
    await session.exec(place.addPrimaryKey(upserts, table.primaryKey))
    stopWhenAborted(table, options)
    return await session.publish(async (transaction): Promise<LoadOutcome | 'stale'> => {
      if (!isBase(await beginPublish(transaction, table), table, changes.since)) return 'stale'
      await transaction.exec('SAVEPOINT changes')
      await transaction.exec(place.deleteStaged(deletes, table))
      await transaction.exec(place.mergeStaged(upserts, table))
      const [counted] = await transaction.query<{ count: number }>(place.countRows(table))
      const rowCount = counted?.count ?? 0
      if (rowCount !== (options.rowCount ?? rowCount)) {
        await transaction.exec('ROLLBACK TO SAVEPOINT changes')
        return 'stale'
      }
      await transaction.exec(postgres.comments(postgres.martTable(table.name), table))
      await record(transaction, table, options, rowCount)
      return { outcome: 'changed', rowCount, sentRowCount: deletes.sent + upserts.sent }
    })
  }, options.signal)
  if (outcome !== 'stale' && outcome.outcome === 'changed') await sessions.tidy(postgres.martTable(table.name))
  return outcome
}

export async function loaded(queries: Queries, table: string): Promise<LoadedTable | undefined> {
  const [found] = await queries.query<LoadedTable>(postgres.LOADED, [table])
  return found
}

/** Of two loads of one version at once the second waits for the first, and then finds everything done. */
async function beginLoad(session: LoadSession, table: WarehouseTable, { version }: LoadOptions) {
  await session.query(postgres.LOCK, [`cinelake load ${table.name}@${version}`])
  return await loaded(session, table.name)
}

/** One load at a time decides what becomes of a table. */
async function beginPublish(transaction: Queries, table: WarehouseTable) {
  await transaction.query(postgres.LOCK, [`cinelake publish ${table.name}`])
  return await loaded(transaction, table.name)
}

/** All that takes time is done while nobody sees the table. Statistics stay with it: its first readers get good plans. */
async function finishStaged(session: LoadSession, table: WarehouseTable, staged: place.StagedTable): Promise<void> {
  if (table.primaryKey.length > 0) await session.exec(place.addPrimaryKey(staged, table.primaryKey))
  await session.exec(`ANALYZE ${staged.sql}`)
  await session.exec(postgres.comments(staged.sql, table))
}

async function record(transaction: Queries, table: WarehouseTable, options: LoadOptions, rowCount: number) {
  await transaction.query(postgres.RECORD_LOADED, [table.name, options.version, shapeOf(table), options.task, rowCount])
}
