import { loadedTable } from '../adapter.ts'
import {
  alreadyLoaded,
  isBase,
  requireBase,
  requireCount,
  requireFree,
  stopWhenAborted,
  versionOf,
} from '../load-decision.ts'
import * as place from './place.ts'
import type { LoadSession, PostgresSessions, Queries } from './session.ts'
import * as postgres from './sql.ts'
import { grantNewSchema, grantNewTable } from './reader.ts'
import { fillStaging } from './staging.ts'
import {
  recordName,
  schemaOf,
  shapeOf,
  type LoadedTable,
  type LoadOptions,
  type LoadOutcome,
  type TablePlace,
  type Warehouse,
  type WarehouseRows,
  type WarehouseTable,
} from '../warehouse.ts'

export type Loading = { readonly sessions: PostgresSessions; readonly swapWaitsMs: readonly number[] }

export async function replaceTable(
  { sessions, swapWaitsMs }: Loading,
  table: WarehouseTable,
  rows: WarehouseRows,
  options: LoadOptions,
): Promise<LoadOutcome> {
  const { location, pieceCharacters } = sessions
  await addSchema(sessions, table)
  return await sessions.load(
    schemaOf(table),
    async (session) => {
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
        const now = await beginPublish(transaction, table, options)
        const done = alreadyLoaded(now, table, options)
        if (done !== undefined) return done
        requireBase(location, table, basedOn, now)
        await record(transaction, table, options, staged.rowCount)
        const isSameShape = now?.shape === shapeOf(table)
        await place.placeStaged(transaction, { table, staged, isSameShape, location, swapWaitsMs })
        await grantNewTable(transaction, postgres.martTable(table))
        return { outcome: 'replaced', rowCount: staged.rowCount, sentRowCount: staged.sent }
      })
    },
    options.signal,
  )
}

export async function changeTable(
  { sessions }: Loading,
  table: WarehouseTable,
  changes: Parameters<Warehouse['applyChanges']>[1],
  options: LoadOptions,
): Promise<LoadOutcome | 'stale'> {
  const { pieceCharacters } = sessions
  const outcome = await sessions.load(
    schemaOf(table),
    async (session) => {
      const before = await beginLoad(session, table, options)
      const done = alreadyLoaded(before, table, options)
      if (done !== undefined) return done
      if (!isBase(before, table, changes.since, options) || table.primaryKey.length === 0) return 'stale'
      const key = table.columns.filter(({ name }) => table.primaryKey.includes(name))
      const deletes = await fillStaging(session, table, key, changes.deletes, { ...options, pieceCharacters })
      const upserts = await fillStaging(session, table, table.columns, changes.upserts, { ...options, pieceCharacters })
      await session.exec(place.addPrimaryKey(upserts, table.primaryKey))
      stopWhenAborted(table, options)
      return await session.publish(async (transaction): Promise<LoadOutcome | 'stale'> => {
        if (!isBase(await beginPublish(transaction, table, options), table, changes.since, options)) return 'stale'
        await transaction.exec('SAVEPOINT changes')
        await transaction.exec(place.deleteStaged(deletes, table))
        await transaction.exec(place.mergeStaged(upserts, table))
        const [counted] = await transaction.query<{ count: number }>(place.countRows(table))
        const rowCount = counted?.count ?? 0
        if (rowCount !== (options.rowCount ?? rowCount)) {
          await transaction.exec('ROLLBACK TO SAVEPOINT changes')
          return 'stale'
        }
        await transaction.exec(postgres.comments(postgres.martTable(table), table))
        await record(transaction, table, options, rowCount)
        return { outcome: 'changed', rowCount, sentRowCount: deletes.sent + upserts.sent }
      })
    },
    options.signal,
  )
  if (outcome !== 'stale' && outcome.outcome === 'changed') await sessions.tidy(postgres.martTable(table))
  return outcome
}

export async function loaded(queries: Queries, table: TablePlace): Promise<LoadedTable | undefined> {
  return (await look(queries, table)).now
}

type Found = Omit<LoadedTable, 'pipeline'> & { readonly exists: boolean; readonly task: string | null }

async function look(queries: Queries, table: TablePlace) {
  const [found] = await queries.query<Found>(postgres.LOADED, [postgres.martTable(table), recordName(table)])
  if (found === undefined || found.task === null) return { exists: found?.exists === true, now: undefined }
  const { exists, task, ...facts } = found
  return { exists, now: loadedTable({ ...facts, task }) }
}

/** Made before the load begins, whose transaction would keep other loads from it. */
async function addSchema({ queries }: PostgresSessions, table: WarehouseTable): Promise<void> {
  const schema = schemaOf(table)
  const [found] = await queries.query<{ ready: boolean }>(postgres.HAS_SCHEMA, [schema])
  if (found?.ready === true) return
  await queries.exec([postgres.LOCK_SET_UP, postgres.addSchema(schema), grantNewSchema(schema)].join(';\n'))
}

/** Of two loads of one version at once the second waits for the first, and then finds everything done. */
async function beginLoad(session: LoadSession, table: WarehouseTable, options: LoadOptions) {
  await session.query(postgres.LOCK, [`cinelake load ${recordName(table)}@${options.version}`])
  const found = await look(session, table)
  requireFree(table, options, found)
  return found.now
}

/** One load at a time decides how a table is changed. */
async function beginPublish(transaction: Queries, table: WarehouseTable, options: LoadOptions) {
  await transaction.query(postgres.LOCK, [`cinelake publish ${recordName(table)}`])
  const found = await look(transaction, table)
  requireFree(table, options, found)
  return found.now
}

/** All slow steps run before the table is visible. Statistics stay with it: its first readers get good plans. */
async function finishStaged(session: LoadSession, table: WarehouseTable, staged: place.StagedTable): Promise<void> {
  if (table.primaryKey.length > 0) await session.exec(place.addPrimaryKey(staged, table.primaryKey))
  await session.exec(`ANALYZE ${staged.sql}`)
  await session.exec(postgres.comments(staged.sql, table))
}

async function record(transaction: Queries, table: WarehouseTable, options: LoadOptions, rowCount: number) {
  const { version, task, tableId = null } = options
  const values = [recordName(table), version, shapeOf(table), task, rowCount, tableId]
  await transaction.query(postgres.RECORD_LOADED, values)
}
