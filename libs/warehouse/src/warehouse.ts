/** A column of a served table, in the vocabulary of contracts; the adapter turns it into its own type. */
export type WarehouseColumn = {
  readonly name: string
  /** `BOOLEAN`, `INTEGER`, `BIGINT`, `DOUBLE`, `DECIMAL(p,s)`, `VARCHAR`, `VARCHAR(n)`, `DATE`, `TIME`, `TIMESTAMP WITH TIME ZONE`, `BLOB`, or any of them with `[]` (stored as JSON text). */
  readonly type: string
  readonly required: boolean
  readonly description?: string
}

export type WarehouseTable = {
  /** Name in the mart schema. */
  readonly name: string
  readonly columns: readonly WarehouseColumn[]
  readonly primaryKey: readonly string[]
  readonly description?: string
}

export type WarehouseValue = null | boolean | number | bigint | string | Uint8Array | readonly unknown[] | object
export type WarehouseRow = Readonly<Record<string, WarehouseValue>>
/** Batches of rows, pulled at the database's pace. */
export type WarehouseRows = AsyncIterable<readonly WarehouseRow[]>

export type LoadOptions = {
  /** Idempotency key: run + task + generation. */
  readonly task: string
  /** The Delta version that the rows are of. */
  readonly version: number
  /**
   * How many rows the table holds afterwards. When another number comes out nothing is published: `replace` refuses,
   * `applyChanges` returns `stale`.
   */
  readonly rowCount?: number
  /**
   * The version that the table held when the caller decided to load, -1 where there was no table. When another load came
   * in between, `replace` changes nothing and throws WarehouseUnavailableError, so that the decision is taken again.
   */
  readonly basedOn?: number
  readonly signal?: AbortSignal
}

export type LoadOutcome = {
  readonly outcome: 'replaced' | 'changed' | 'already-loaded'
  /** Rows in the table now. */
  readonly rowCount: number
  /** Rows sent to the database. */
  readonly sentRowCount: number
}

/** What a table of the mart was loaded with last. */
export type LoadedTable = { readonly version: number; readonly shape: string; readonly rowCount: number }

export type Changes = {
  /** Rows that are new or differ, by primary key. */
  readonly upserts: WarehouseRows
  /** Primary keys that are gone; only the key columns are read. */
  readonly deletes: WarehouseRows
  /** The version that the changes are relative to. When the table holds another, or has another shape, nothing is changed and `stale` is returned. */
  readonly since: number
}

/** Milliseconds that a query of an analyst may take, where nothing is said. What takes longer had better be a model. */
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

/** A table of the mart that was loaded. */
export type MartTable = {
  readonly name: string
  readonly rowCount: number
  /** Of the refined table that it holds. */
  readonly version: number
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
 * The SQL database that analysts read (`mart` schema). Readers see the old rows or the new ones, never a mixture, and a
 * version that is loaded already is not loaded again.
 *
 * @throws {WarehouseUnavailableError} transient: connection, deadlock, timeout
 * @throws {WarehouseRefusedError} terminal: a value does not fit, a key is not unique, a row count is wrong, a permission is missing
 */
export interface Warehouse extends AsyncDisposable {
  readonly location: string
  /** The version last loaded and the shape it was loaded with; undefined when there is no such table. */
  loaded(table: string): Promise<LoadedTable | undefined>
  replace(table: WarehouseTable, rows: WarehouseRows, options: LoadOptions): Promise<LoadOutcome>
  applyChanges(table: WarehouseTable, changes: Changes, options: LoadOptions): Promise<LoadOutcome | 'stale'>
  /**
   * Runs one read-only query, at most `limit` rows (default 1,000), as a role that may read the mart and nothing else.
   * Anything that writes is refused. Instants come as ISO 8601 UTC, dates as `yyyy-mm-dd`, decimals as strings, lists and
   * objects as they are.
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
  tables(): Promise<readonly MartTable[]>
  /** Tables and views that analysts can read, with their columns in order. */
  describe(): Promise<readonly MartDescription[]>
}

/** The text by which a loaded table's shape is compared with the one wanted: a change means DDL, hence a full replace. */
export function shapeOf(table: WarehouseTable): string {
  return JSON.stringify([table.columns.map(({ name, type, required }) => [name, type, required]), table.primaryKey])
}
