import type { SqlPosition } from '@cinelake/sql'

/** A column of a query's result. */
export type EngineColumn = {
  readonly name: string
  /** DuckDB's name of the type: `BIGINT`, `DECIMAL(3,1)`, `VARCHAR[]`, `TIMESTAMP WITH TIME ZONE`. */
  readonly type: string
}

/**
 * A value as the engine hands it to JavaScript: nothing is lost on the way. Integers up to 2^53 are numbers, larger
 * ones bigints; decimals are strings; dates `yyyy-mm-dd`; instants ISO 8601 UTC with microseconds; lists arrays; blobs
 * bytes.
 */
export type EngineValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | readonly EngineValue[]
  | { readonly [key: string]: EngineValue }
export type EngineRow = Readonly<Record<string, EngineValue>>

export type AuditOptions = {
  /** Names of the tables that the query may read. */
  readonly tables: readonly string[]
  /** Default: `query`. */
  readonly as?: 'query' | 'condition'
}

/** A construct that is not allowed in a pipeline's SQL. */
export type SqlRefusal = {
  /** Of the function, the table or the clause. */
  readonly name: string
  readonly message: string
  readonly remedy: string
  readonly position: SqlPosition | undefined
  /** Names that may have been meant. */
  readonly choices?: Iterable<string>
}

export type QueryOptions = { readonly signal?: AbortSignal }

/**
 * One connection: temporary tables and variables belong to it. Statements of one session run one after another.
 *
 * @throws {SqlInvalidError} terminal: the SQL itself is wrong; with position and the engine's own words
 * @throws {SqlFailedError} terminal: a value does not convert, an overflow, a file that is no Parquet; never shows the
 * value
 * @throws {ENGINE_OUT_OF_MEMORY} {ENGINE_DISK_FULL} {ENGINE_FILE_UNUSABLE} transient
 * @throws {CancelledError} transient: the signal was aborted
 */
export interface SqlSession extends AsyncDisposable {
  /** Runs one or more statements for their effect. */
  run(sql: string, options?: QueryOptions): Promise<void>
  /** All rows of a small result. */
  rows<Row = EngineRow>(sql: string, options?: QueryOptions): Promise<Row[]>
  /**
   * The rows of one query of any size, in its order, in batches of about 2,048, at the reader's pace. Ends normally
   * only after the last row. Until it has been read or left, the session takes no other statement.
   */
  stream(sql: string, options?: QueryOptions): AsyncIterable<readonly EngineRow[]>
  /**
   * The columns of a query, without running it. @throws {SqlInvalidError} terminal: with position and the engine's own
   * words
   */
  describe(query: string): Promise<EngineColumn[]>
  /**
   * Parses texts, in their order: for each the tree of its statements, or the error, as DuckDB's `json_serialize_sql`
   * gives it. Nothing of them is run. Of a text that was parsed before it is the same tree.
   */
  parse(sqls: readonly string[]): Promise<readonly unknown[]>
  /**
   * The reasons why a text is not allowed as a pipeline's SQL: one SELECT (or one condition) that reads only the given
   * tables and is deterministic. Nothing is executed. Empty: it is allowed.
   */
  audit(sql: string, options: AuditOptions): Promise<readonly SqlRefusal[]>
  /**
   * Appends rows of text (null for NULL) to a table whose columns are all VARCHAR. Rows appended before an error stay.
   * @returns rows
   */
  append(
    table: string,
    rows: AsyncIterable<readonly (readonly (string | null)[])[]>,
    options?: QueryOptions,
  ): Promise<number>
}

/**
 * The SQL engine that a service works with: in process, bounded in memory and threads, spilling to a scratch directory.
 */
export interface SqlEngine extends AsyncDisposable {
  session(): Promise<SqlSession>
}

export type EngineLimits = {
  /** Bytes that the engine may hold in memory; beyond that it spills to disk. */
  readonly memoryBytes: number
  readonly threads: number
  /** Where it spills to; made when missing. */
  readonly scratchDirectory: string
  /**
   * Folders, with all in them, that SQL may read and write in addition to the scratch directory. Everything else on the
   * machine and the network is out of reach, whatever the SQL. Default: none.
   */
  readonly directories?: readonly string[]
  /** Bytes that it may spill; where nothing is said, nine tenths of what is free on the disk. */
  readonly spillBytes?: number
}
