import { releaseLock, requireLock, type MssqlPool, type MssqlSession } from '@cinelake/database/sql-server'
import { inOrder, RECORDS, translated, warehouseOf, type LoadedRecord } from '../adapter.ts'
import { placeOf, type Warehouse, type WarehouseOptions } from '../warehouse.ts'
import { loadError } from './errors.ts'
import { changeTable, loaded, replaceTable } from './load.ts'
import { requireLoaderRights } from './loader-rights.ts'
import { queryReadOnly, readAll } from './query.ts'
import * as mssql from './sql.ts'
import { dropLeftStaging } from './staging.ts'

const SET_UP_LOCK = 'cinelake set-up'
const SET_UP_PATIENCE_MS = 60_000

/**
 * Rows are first loaded into a table of their own; then one short transaction puts it in place, so that readers see the
 * old rows or the new ones and wait for neither. The database stays the caller's.
 */
export async function createMssqlWarehouse(
  { pool }: { readonly pool: MssqlPool },
  { isReadOnly = false }: WarehouseOptions = {},
): Promise<Warehouse> {
  const { location } = pool
  const setUpError = (error: unknown) => loadError(error, { table: RECORDS, location })
  if (!isReadOnly)
    await translated(setUpError, async () => await pool.use(async (session) => await setUp(session, location)))
  return warehouseOf({
    location,
    loadError,
    loaded: async (table) => await pool.use(async (session) => await loaded(session, table)),
    replace: async (table, rows, options) => await replaceTable(pool, table, rows, options),
    applyChanges: async (table, changes, options) => await changeTable(pool, table, changes, options),
    query: async (sql, options) => await queryReadOnly(pool, sql, options),
    readAll: async (sql, take, options) => await readAll(pool, sql, take, options),
    records: async () => await pool.use(loadedRecords),
    describe: async () => await pool.use(describedTables),
  })
}

/** Replicas may start at once. */
async function setUp(session: MssqlSession, location: string): Promise<void> {
  try {
    await requireLock(session, location, SET_UP_LOCK, 'Session', SET_UP_PATIENCE_MS)
    await requireLoaderRights(session, location)
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

async function loadedRecords(session: MssqlSession): Promise<LoadedRecord[]> {
  const { rows: found } = await session.run<{ id: number | null }>(mssql.LOADED_TABLES_ID)
  if (found[0]?.id == null) return []
  const { rows } = await session.run<LoadedRow>(mssql.LOADED_TABLES)
  return rows.map(({ name, task, version, row_count, loaded_at }) => ({
    record: name,
    task,
    version: Number(version),
    rowCount: Number(row_count),
    loadedAt: loaded_at.toISOString(),
  }))
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
