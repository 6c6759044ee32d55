import { CancelledError } from '@cinelake/core'
import { loadError } from './errors.ts'
import { changeTable, loaded, replaceTable } from './load.ts'
import {
  connectionError,
  releaseLock,
  requireLock,
  type MssqlPool,
  type MssqlSession,
} from '@cinelake/database/sql-server'
import { queryReadOnly, readAll } from './query.ts'
import * as mssql from './sql.ts'
import { dropLeftStaging } from './staging.ts'
import {
  inOrder,
  listed,
  martFirst,
  placeOf,
  type LoadOptions,
  type Warehouse,
  type WarehouseOptions,
  type WarehouseTable,
} from '../warehouse.ts'

const SET_UP_LOCK = 'cinelake set-up'
const SET_UP_PATIENCE_MS = 60_000

/**
 * The warehouse in SQL Server or Azure SQL. Rows are first loaded into a table of their own; then one short transaction
 * puts it in place, so that readers see the old rows or the new ones and wait for neither.
 *
 * The database stays the caller's: disposing the warehouse does not close it.
 */
export async function createMssqlWarehouse(
  { pool }: { readonly pool: MssqlPool },
  { isReadOnly = false }: WarehouseOptions = {},
): Promise<Warehouse> {
  const { location } = pool
  const general = async <Result>(work: (session: MssqlSession) => Promise<Result>) =>
    await translated(
      (error) => connectionError(error, location),
      async () => await pool.use(work),
    )
  const loading = async <Result>(table: WarehouseTable, { signal }: LoadOptions, work: () => Promise<Result>) =>
    await translated((error) => {
      if (signal?.aborted === true) return new CancelledError(`the load of ${table.name}`, { cause: signal.reason })
      return loadError(error, { table: table.name, location })
    }, work)
  if (!isReadOnly) await general(async (session) => await setUp(session, location))

  return {
    location,
    loaded: async (table) => await general(async (session) => await loaded(session, table)),
    replace: async (table, rows, options) =>
      await loading(table, options, async () => await replaceTable(pool, table, rows, options)),
    applyChanges: async (table, changes, options) =>
      await loading(table, options, async () => await changeTable(pool, table, changes, options)),
    query: async (sql, options) => await queryReadOnly(pool, sql, options),
    readAll: async (sql, take, options) => await readAll(pool, sql, take, options),
    tables: async () => await general(loadedTables),
    schemas: async () => martFirst((await general(loadedTables)).map(({ schema }) => schema)),
    describe: async () => await general(describedTables),
    async [Symbol.asyncDispose]() {},
  }
}

/** Replicas may start at once. */
async function setUp(session: MssqlSession, location: string): Promise<void> {
  try {
    await requireLock(session, location, SET_UP_LOCK, 'Session', SET_UP_PATIENCE_MS)
    for (const statement of mssql.SET_UP) await session.run(statement)
    await dropLeftStaging(session)
    await releaseLock(session, SET_UP_LOCK)
  } catch (error) {
    session.discard()
    throw error
  }
}

type LoadedRow = {
  readonly name: string
  readonly task: string
  readonly version: string
  readonly row_count: string
  readonly loaded_at: Date
}

async function loadedTables(session: MssqlSession): ReturnType<Warehouse['tables']> {
  const { rows: found } = await session.run<{ id: number | null }>(mssql.LOADED_TABLES_ID)
  if (found[0]?.id == null) return []
  const { rows } = await session.run<LoadedRow>(mssql.LOADED_TABLES)
  return listed(
    rows.map(({ name, task, version, row_count, loaded_at }) => ({
      record: name,
      task,
      version: Number(version),
      rowCount: Number(row_count),
      loadedAt: loaded_at.toISOString(),
    })),
  )
}

/** By the shapes that tables were loaded with: their types are those of contracts. */
async function describedTables(session: MssqlSession): ReturnType<Warehouse['describe']> {
  const { rows } = await session.run<{ name: string; shape: string }>(mssql.LOADED_TABLES)
  const described = rows.map(({ name, shape }) => {
    const [columns, key] = JSON.parse(shape) as [[name: string, type: string, required: boolean][], string[]]
    return {
      ...placeOf(name),
      description: undefined,
      columns: columns.map(([column, type, required]) => ({
        name: column,
        type,
        required,
        isKey: key.includes(column),
        description: undefined,
      })),
    }
  })
  return inOrder(described)
}

async function translated<Result>(
  translate: (error: unknown) => unknown,
  work: () => Promise<Result>,
): Promise<Result> {
  try {
    return await work()
  } catch (error) {
    throw translate(error)
  }
}
