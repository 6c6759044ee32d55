import { faultOf, releaseLock, requireLock, type MssqlPool, type MssqlSession } from '@cinelake/database/sql-server'
import { loadedTable } from '../adapter.ts'
import { WarehouseRefusedError } from '../errors.ts'
import {
  alreadyLoaded,
  isBase,
  requireBase,
  requireCount,
  requireFree,
  stopWhenAborted,
  versionOf,
} from '../load-decision.ts'
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
import { fillStaging } from './staging.ts'
import * as mssql from './sql.ts'

export async function replaceTable(
  pool: MssqlPool,
  table: WarehouseTable,
  rows: WarehouseRows,
  options: LoadOptions,
): Promise<LoadOutcome> {
  return await load(pool, table, options, async (session, before) => {
    const done = alreadyLoaded(before, table, options)
    if (done !== undefined) return done
    const basedOn = options.basedOn ?? versionOf(before)
    requireBase(pool.location, table, basedOn, before)
    await using staging = await fillStaging({ session, pool }, table, { columns: table.columns, rows }, options)
    if (table.primaryKey.length > 0) await session.run(mssql.addPrimaryKey(staging.name, table.primaryKey))
    for (const statement of mssql.describe(staging.name, table)) await session.run(statement)
    const rowCount = await countRows(session, mssql.stagingTable(staging.name))
    requireCount(table, options.rowCount ?? staging.sent, rowCount)
    stopWhenAborted(table, options)
    return await patiently(
      async () =>
        await publish(session, pool, table, options, async (now) => {
          const done = alreadyLoaded(now, table, options)
          if (done !== undefined) return done
          requireBase(pool.location, table, basedOn, now)
          const isReshaped = now !== undefined && now.shape !== shapeOf(table)
          const views = isReshaped
            ? (await session.run<{ name: string }>(VIEWS_UPON, [mssql.martTable(table)])).rows
            : []
          for (const statement of mssql.swap(staging.name, table)) await session.run(statement)
          await refreshViews(session, table, views)
          await record(session, table, options, rowCount)
          return { outcome: 'replaced', rowCount, sentRowCount: staging.sent }
        }),
    )
  })
}

export async function changeTable(
  pool: MssqlPool,
  table: WarehouseTable,
  changes: Parameters<Warehouse['applyChanges']>[1],
  options: LoadOptions,
): Promise<LoadOutcome | 'stale'> {
  return await load(pool, table, options, async (session, before) => {
    const done = alreadyLoaded(before, table, options)
    if (done !== undefined) return done
    if (!isBase(before, table, changes.since, options) || table.primaryKey.length === 0) return 'stale'
    const key = table.columns.filter(({ name }) => table.primaryKey.includes(name))
    const on = { session, pool }
    await using deletes = await fillStaging(on, table, { columns: key, rows: changes.deletes }, options)
    await using upserts = await fillStaging(on, table, { columns: table.columns, rows: changes.upserts }, options)
    await session.run(mssql.addPrimaryKey(upserts.name, table.primaryKey))
    stopWhenAborted(table, options)
    const apply = async (now: LoadedTable | undefined): Promise<LoadOutcome | 'stale'> => {
      if (!isBase(now, table, changes.since, options)) return 'stale'
      await session.run(mssql.keepReadersOut(table))
      await session.run(mssql.deleteStaged(deletes.name, table))
      for (const statement of mssql.applyStaged(upserts.name, table)) await session.run(statement)
      const rowCount = await countRows(session, mssql.martTable(table))
      if (rowCount !== (options.rowCount ?? rowCount)) return 'stale'
      await record(session, table, options, rowCount)
      return { outcome: 'changed', rowCount, sentRowCount: deletes.sent + upserts.sent }
    }
    return await patiently(async () => await publish(session, pool, table, options, apply))
  })
}

export async function loaded(session: MssqlSession, table: TablePlace): Promise<LoadedTable | undefined> {
  type Row = {
    readonly version: string
    readonly shape: string
    readonly task: string
    readonly row_count: string
    readonly table_id: string | null
  }
  const { rows } = await session.run<Row>(mssql.LOADED, [recordName(table), mssql.martTable(table)])
  const [row] = rows
  if (row === undefined) return undefined
  const { version, shape, row_count: rowCount, table_id: tableId, task } = row
  return loadedTable({ version: Number(version), shape, rowCount: Number(rowCount), tableId, task })
}

/** The loaded state of a table that this pipeline may load. @throws {WAREHOUSE_TABLE_TAKEN} terminal */
async function loadedFree(
  session: MssqlSession,
  table: WarehouseTable,
  options: LoadOptions,
): Promise<LoadedTable | undefined> {
  const now = await loaded(session, table)
  const { rows } = await session.run<{ id: number | null }>(mssql.EXISTS, [mssql.martTable(table)])
  requireFree(table, options, { now, exists: rows[0]?.id != null })
  return now
}

/** Makes the schema of a table where there is none: who may read `mart` may read it as well. */
async function addSchema(session: MssqlSession, location: string, table: WarehouseTable): Promise<void> {
  const schema = schemaOf(table)
  const { rows } = await session.run<{ id: number | null }>(mssql.HAS_SCHEMA, [schema])
  if (rows[0]?.id != null) return
  // The first loads of a pipeline may come at once.
  const lock = `cinelake schema ${schema}`
  await requireLock(session, location, lock, 'Session', PUBLISH_PATIENCE_MS)
  await session.run(mssql.addSchema(schema))
  const readers = await session.run<{ name: string }>(mssql.READERS)
  for (const { name } of readers.rows) await session.run(mssql.grantSelect(schema, name))
  await releaseLock(session, lock)
}

/** Of two loads of one version the second waits for the first. A connection is not used after an error. */
async function load<Result>(
  pool: MssqlPool,
  table: WarehouseTable,
  options: LoadOptions,
  work: (session: MssqlSession, before: LoadedTable | undefined) => Promise<Result>,
): Promise<Result> {
  return await pool.use(async (session) => {
    try {
      const lock = `cinelake load ${recordName(table)}@${options.version}`
      await requireLock(session, pool.location, lock, 'Session', LOAD_PATIENCE_MS)
      const before = await loadedFree(session, table, options)
      await addSchema(session, pool.location, table)
      const result = await work(session, before)
      await releaseLock(session, lock)
      return result
    } catch (error) {
      session.discard()
      throw error
    }
  })
}

/** For another load of the same version: then the bus is asked to try again later. */
const LOAD_PATIENCE_MS = 10 * 60_000
/** For another load's swap, which is short. */
const PUBLISH_PATIENCE_MS = 60_000

/** The step that becomes visible to readers atomically. One load at a time decides how a table is changed. */
async function publish<Result extends LoadOutcome | 'stale'>(
  session: MssqlSession,
  { location }: MssqlPool,
  table: WarehouseTable,
  options: LoadOptions,
  work: (now: LoadedTable | undefined) => Promise<Result>,
): Promise<Result> {
  await session.begin()
  try {
    await requireLock(session, location, `cinelake publish ${recordName(table)}`, 'Transaction', PUBLISH_PATIENCE_MS)
    const outcome = await work(await loadedFree(session, table, options))
    await (outcome === 'stale' ? session.rollback() : session.commit())
    return outcome
  } catch (error) {
    await session.rollback().catch(() => session.discard())
    throw error
  }
}

/** Tries of a swap or of changes, each of some seconds: readers that come between two are let in. */
const SWAP_TRIES = 24
/** "Lock request time out period exceeded", and the loser of a deadlock. */
const IN_THE_WAY = [1222, 1205]

/** The rows are loaded already: a reader that takes minutes is no reason to send them again. */
async function patiently<Result>(publishing: () => Promise<Result>): Promise<Result> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await publishing()
    } catch (error) {
      if (tries >= SWAP_TRIES || !IN_THE_WAY.includes(faultOf(error)?.number ?? 0)) throw error
    }
  }
}

async function countRows(session: MssqlSession, table: string): Promise<number> {
  const { rows } = await session.run<{ row_count: string }>(mssql.countRows(table))
  return Number(rows[0]?.row_count ?? 0)
}

async function record(session: MssqlSession, table: WarehouseTable, options: LoadOptions, rowCount: number) {
  const values = [recordName(table), options.version, shapeOf(table), options.task, rowCount, options.tableId ?? null]
  const { rowCount: updated } = await session.run(mssql.RECORD_LOADED.update, values)
  if (updated === 0) await session.run(mssql.RECORD_LOADED.insert, values)
}

/**
 * The views that read a table (`@1`), as SQL. Source:
 * learn.microsoft.com/sql/relational-databases/system-catalog-views/sys-sql-expression-dependencies-transact-sql
 */
const VIEWS_UPON =
  "SELECT DISTINCT QUOTENAME(s.[name]) + N'.' + QUOTENAME(v.[name]) AS [name] FROM sys.sql_expression_dependencies AS d " +
  'INNER JOIN sys.views AS v ON v.[object_id] = d.[referencing_id] INNER JOIN sys.schemas AS s ON s.[schema_id] = v.[schema_id] ' +
  "WHERE d.[referenced_id] = OBJECT_ID(@1, N'U') ORDER BY [name]"

/** A name that is not there: invalid object name, invalid column name, binding errors. */
const BROKEN = [207, 208, 4413]

/**
 * SQL Server binds a view when it is read: without this, `SELECT *` would still return the former columns.
 * @throws {WarehouseRefusedError} terminal: names the view that reads what is to go
 */
async function refreshViews(
  session: MssqlSession,
  table: WarehouseTable,
  views: readonly { readonly name: string }[],
): Promise<void> {
  for (const { name: view } of views) {
    try {
      await session.run(`EXEC sys.sp_refreshview N'${view.replaceAll("'", "''")}'`)
    } catch (error) {
      if (!BROKEN.includes(faultOf(error)?.number ?? 0)) throw error
      throw new WarehouseRefusedError(
        table.name,
        `it is to get other columns, but the view ${view} reads one that is to go`,
        'drop the view and make it again after the load',
        { view },
        { cause: error },
      )
    }
  }
}
