import { openByScheme } from '@cinelake/core'
import type { DatabaseSettings } from '@cinelake/database'
import { z } from 'zod'

/** A column of a served table, in the vocabulary of contracts; the adapter turns it into its own type. */
export type WarehouseColumn = {
  readonly name: string
  /**
   * `BOOLEAN`, `INTEGER`, `BIGINT`, `DOUBLE`, `DECIMAL(p,s)`, `VARCHAR`, `VARCHAR(n)`, `DATE`, `TIME`, `TIMESTAMP WITH
   * TIME ZONE`, `BLOB`, or any of them with `[]` (stored as JSON text).
   */
  readonly type: string
  readonly required: boolean
  /** Names that the column had before, the latest first. */
  readonly renamedFrom?: readonly string[]
  readonly description?: string
}

/** The location of a table: names are unique within a schema. */
export type TablePlace = {
  /** One of the schemas that analysts read. Default: `mart`. */
  readonly schema?: string
  readonly name: string
}

export type WarehouseTable = TablePlace & {
  readonly columns: readonly WarehouseColumn[]
  readonly primaryKey: readonly string[]
  readonly description?: string
}

export type WarehouseValue = null | boolean | number | bigint | string | Uint8Array | readonly unknown[] | object
export type WarehouseRow = Readonly<Record<string, WarehouseValue>>
/** Batches of rows, pulled at the database's pace. */
export type WarehouseRows = AsyncIterable<readonly WarehouseRow[]>

export type LoadOptions = {
  /** Idempotency key: run + task + generation, `<pipeline>@<window>/…`: the table is that pipeline's from then on. */
  readonly task: string
  /** Another pipeline, apart from the task's own, that may be the table's present owner. */
  readonly takesOverFrom?: string
  /** The Delta version that the rows are of. */
  readonly version: number
  /** The identity of the Delta table that it is a version of. */
  readonly tableId?: string
  /** Rows in the table afterwards. With another number `replace` refuses, `applyChanges` returns `stale`. */
  readonly rowCount?: number
  /**
   * The version that the table held when the caller decided to load, -1 for none. When another load came in between,
   * `replace` throws WarehouseUnavailableError.
   */
  readonly basedOn?: number
  readonly signal?: AbortSignal
}

export type LoadOutcome = {
  readonly outcome: 'replaced' | 'changed' | 'already-loaded'
  readonly rowCount: number
  /** Rows sent to the database. */
  readonly sentRowCount: number
}

/** The last load of a table of the mart. */
export type LoadedTable = {
  readonly version: number
  readonly shape: string
  readonly rowCount: number
  /** The pipeline that loaded it; undefined where its task key names none. */
  readonly pipeline?: string
  /** The identity of the Delta table; null for one that was loaded before identities were noted. */
  readonly tableId: string | null
}

export type Changes = {
  /** Rows that are new or differ, by primary key. */
  readonly upserts: WarehouseRows
  /** Primary keys that are gone; only the key columns are read. */
  readonly deletes: WarehouseRows
  /** The version that the changes are relative to. With another, or another shape, `stale` is returned. */
  readonly since: number
}

/** Milliseconds that a query of an analyst may take, by default. A slower query should be a model. */
export const QUERY_TIMEOUT_MS = 5 * 60_000

export type QueryOptions = {
  /** Milliseconds that the query may take. Default: five minutes. */
  readonly timeoutMs?: number
  readonly signal?: AbortSignal
}

/** Rows of a query, values in the order of the columns. */
export type QueryBatch = {
  /** With the database's own name of each type. */
  readonly columns: readonly { readonly name: string; readonly type: string }[]
  readonly rows: readonly (readonly WarehouseValue[])[]
}

export type ListedTable = {
  readonly schema: string
  readonly name: string
  /** As in `LoadedTable`. */
  readonly pipeline?: string
  readonly rowCount: number
  /** Of the refined table that it holds. */
  readonly version: number
  /** ISO 8601 UTC. */
  readonly loadedAt: string
}

/** A table or view of the mart, as the database knows it. */
export type MartDescription = {
  readonly schema: string
  readonly name: string
  readonly description: string | undefined
  readonly columns: readonly {
    readonly name: string
    /** The database's own name. */
    readonly type: string
    readonly required: boolean
    readonly isKey: boolean
    readonly description: string | undefined
  }[]
}

/**
 * The SQL database that analysts read. Readers see the old rows or the new ones, never a mixture, and a version that is
 * loaded already is not loaded again.
 * @throws {WarehouseUnavailableError} transient: connection, deadlock, timeout
 * @throws {WarehouseRefusedError} terminal: a value does not fit, a key is not unique, a row count is wrong, no right
 * @throws {WAREHOUSE_TABLE_TAKEN} terminal: the table is another pipeline's, or no pipeline made it; nothing is changed
 */
export interface Warehouse extends AsyncDisposable {
  readonly location: string
  /** The version last loaded and the shape it was loaded with; undefined when there is no such table. */
  loaded(table: TablePlace): Promise<LoadedTable | undefined>
  replace(table: WarehouseTable, rows: WarehouseRows, options: LoadOptions): Promise<LoadOutcome>
  applyChanges(table: WarehouseTable, changes: Changes, options: LoadOptions): Promise<LoadOutcome | 'stale'>
  /**
   * Runs one read-only query, at most `limit` rows (default 1,000), as a role that may read the mart and nothing else.
   * Anything that writes is refused. Instants come as ISO 8601 UTC, dates as `yyyy-mm-dd`, decimals as strings, lists
   * and objects as they are.
   * @throws {WarehouseQueryError} terminal: the query does not run; has the database's own words and the position
   * @throws {ConfigError} terminal: that role is not there, and the service may not make it
   */
  query(
    sql: string,
    options?: QueryOptions & { readonly limit?: number },
  ): Promise<{
    readonly columns: readonly string[]
    readonly rows: readonly WarehouseRow[]
    readonly truncated: boolean
  }>
  /** As `query`, but all rows: batch by batch, at least one, at the taker's pace. */
  readAll(sql: string, take: (batch: QueryBatch) => Promise<void>, options?: QueryOptions): Promise<void>
  /** All loaded tables, by schema and name. */
  tables(): Promise<readonly ListedTable[]>
  /** The schemas that have loaded tables: `mart` first, the others by name. */
  schemas(): Promise<readonly string[]>
  /** Tables and views that analysts can read, by schema as `tables` and by name, with their columns in order. */
  describe(): Promise<readonly MartDescription[]>
}

/** The schema of tables that name none. */
export const MART = 'mart'

export function schemaOf({ schema = MART }: TablePlace): string {
  return schema
}

/** The name by which a table is recorded and locked; tables of `mart` by their name alone. No name has a dot in it. */
export function recordName(table: TablePlace): string {
  return schemaOf(table) === MART ? table.name : `${schemaOf(table)}.${table.name}`
}

export function placeOf(recorded: string): Required<TablePlace> {
  const dot = recorded.indexOf('.')
  return dot < 0 ? { schema: MART, name: recorded } : { schema: recorded.slice(0, dot), name: recorded.slice(dot + 1) }
}

/** The table as people write it: `mart.orders`. */
export function qualifiedName(table: TablePlace): string {
  return `${schemaOf(table)}.${table.name}`
}

export function pipelineOf(task: string): string | undefined {
  const at = task.indexOf('@')
  return at <= 0 ? undefined : task.slice(0, at)
}

export type WarehouseOptions = {
  /** Read-only: nothing missing is created, and no leftovers of other processes are removed. */
  readonly isReadOnly?: boolean
}

/**
 * The text by which a loaded table's shape is compared with the one wanted: a change means DDL, hence a full replace.
 */
export function shapeOf(table: WarehouseTable): string {
  return JSON.stringify([table.columns.map(({ name, type, required }) => [name, type, required]), table.primaryKey])
}

/** Which warehouse, and how to log in; the scheme of its address chooses the adapter. */
export type WarehouseSettings = Pick<DatabaseSettings, 'url' | 'password'> & {
  /** MiB that a warehouse within the process may keep in memory: a DuckDB file. */
  readonly memoryMib?: number
}

export const warehouseEnv = {
  CINELAKE_WAREHOUSE: z.string().default('pglite:.cinelake/warehouse'),
  CINELAKE_WAREHOUSE_PASSWORD: z.string().optional(),
  /** MiB that a DuckDB file may take in memory, beside the engine; beyond it, DuckDB spills to `FILE.tmp`. */
  CINELAKE_WAREHOUSE_MEMORY_MIB: z.coerce.number().int().min(64).default(1024),
}

/** Schemes of addresses of warehouses. */
export const WAREHOUSE_SCHEMES = ['pglite', 'postgres', 'postgresql', 'mssql', 'duckdb'] as const

/** @throws {ConfigError} terminal: an address with another scheme; lists the known ones */
export function warehouseSettings(env: {
  readonly CINELAKE_WAREHOUSE: string
  readonly CINELAKE_WAREHOUSE_PASSWORD?: string | undefined
  readonly CINELAKE_WAREHOUSE_MEMORY_MIB: number
}): WarehouseSettings {
  const { CINELAKE_WAREHOUSE: url, CINELAKE_WAREHOUSE_PASSWORD: password } = env
  openByScheme(url, Object.fromEntries(WAREHOUSE_SCHEMES.map((name) => [name, () => name])), 'CINELAKE_WAREHOUSE')
  return { url, memoryMib: env.CINELAKE_WAREHOUSE_MEMORY_MIB, ...(password === undefined ? {} : { password }) }
}
