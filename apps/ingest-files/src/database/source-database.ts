import type { TableName } from '@cinelake/contracts'
import type { DatabasePlace } from './errors.ts'

/** A column of a source's table, with what becomes of it. */
export type SourceColumn = {
  readonly name: string
  /** The type in the database's own words: `numeric(10,2)`. For people. */
  readonly sourceType: string
  /** The engine's type in which it lands: `DECIMAL(10,2)`. */
  readonly type: string
  /** The engine's SQL that makes a value of `type` out of a text column, given as an SQL expression. */
  readonly fromText: (text: string) => string
}

export type SourceTable = {
  readonly table: TableName
  /** In the table's order; at least one. */
  readonly columns: readonly SourceColumn[]
  /** Columns in key order; empty without a primary key. */
  readonly primaryKey: readonly string[]
}

/** The rows whose column lies in `[since, until)`. */
export type CursorRange = {
  readonly column: string
  /** UTC instant, inclusive; null for no lower bound. */
  readonly since: string | null
  /** UTC instant, exclusive. */
  readonly until: string
  /** The zone in whose midnight a date begins (IANA name). */
  readonly timeZone: string
}

/** One value per column, as text; null for NULL. Text, so that no number passes through a JavaScript double. */
export type SourceRow = readonly (string | null)[]

/**
 * A database that tables are copied from. Never written to. One statement at a time.
 *
 * @throws {DatabaseUnavailableError} transient
 * @throws {DatabaseLoginRefusedError} terminal, as are the missing database, the missing permission and the refused TLS
 */
export interface SourceDatabase extends AsyncDisposable {
  readonly place: DatabasePlace
  /** The tables that hold rows of their own, in order of name. Not views, not the system's. */
  tables(): Promise<TableName[]>
  /** @throws {TableMissingError} terminal @throws {TableUnusableError} terminal */
  describe(table: TableName): Promise<SourceTable>
  /**
   * The rows of a table as of one moment, in order of the primary key where there is one, in batches of a few MiB at the
   * reader's pace.
   * @throws {CursorUnusableError} terminal: the range's column is no time, or has rows without a value
   */
  read(table: SourceTable, range?: CursorRange): AsyncIterable<readonly SourceRow[]>
}

export type OpenDatabase = (options: {
  readonly source: string
  /** With every placeholder filled in. */
  readonly url: string
  /** Ends every statement under way and refuses new ones. */
  readonly signal: AbortSignal
}) => SourceDatabase
