import type { WarehouseValue } from '../warehouse.ts'

/** Statements on one connection. Errors are the database's own; a lost connection is WarehouseUnavailableError. */
export interface Queries {
  /** One or several statements whose results are ignored. */
  exec(sql: string): Promise<void>
  query<Row>(sql: string, values?: readonly unknown[]): Promise<Row[]>
}

export interface LoadSession extends Queries {
  /** Where staging tables are made. */
  readonly stagingSchema: string
  /**
   * A free name for a table; the table is gone when the load ends, however it ends, unless it got another name by then.
   */
  newStaging(): string
  /** @returns rows that the database took */
  copy(table: string, columns: string, text: AsyncIterable<string>): Promise<number>
  /** Runs the step that becomes visible to readers atomically. At most once in a load, last. */
  publish<Result>(work: (transaction: Queries) => Promise<Result>): Promise<Result>
}

export interface ReadSession {
  /** The rows of exactly one statement, values as the port describes them. */
  run(sql: string): Promise<readonly (readonly WarehouseValue[])[]>
  /**
   * The columns of exactly one statement, with the numbers of their types; none of one without a result. Nothing runs.
   */
  describe(sql: string): Promise<readonly { readonly name: string; readonly typeId: number }[]>
}

export type ReadOptions = {
  /** As SQL: where names without a schema are looked for. */
  readonly searchPath: string
  /** Milliseconds that a statement may take. Where the database cannot count them, the caller's signal has to. */
  readonly timeoutMs: number
  readonly signal: AbortSignal
}

/** A PostgreSQL as the warehouse needs it: embedded in this process, or a server. */
export interface PostgresSessions {
  readonly location: string
  /** Characters of COPY text that are sent at once. */
  readonly pieceCharacters: number
  readonly queries: Queries
  /** Runs a load, on its own connection where there are several. @param schema of the loaded table */
  load<Result>(schema: string, work: (session: LoadSession) => Promise<Result>, signal?: AbortSignal): Promise<Result>
  /** Runs queries in a transaction that cannot write and leaves nothing behind. */
  read<Result>(work: (session: ReadSession) => Promise<Result>, options: ReadOptions): Promise<Result>
  /** Called after rows of a table were replaced one by one. */
  tidy(table: string): Promise<void>
}
