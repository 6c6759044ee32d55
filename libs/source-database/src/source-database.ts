import type { TableName } from '@cinelake/contracts'
import type { AzureCredential } from '@cinelake/warehouse'
import type { DatabasePlace } from './errors.ts'

/** A column of a source's table, with what becomes of it. */
export type SourceColumn = {
  readonly name: string
  /** The type in the database's own words: `numeric(10,2)`. For people. */
  readonly sourceType: string
  /** The engine's type in which it lands: `DECIMAL(10,2)`. */
  readonly type: string
  /** False: the database lets no row be without a value. */
  readonly nullable: boolean
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

/** The rows of which one of the columns lies in `[since, until)`. */
export type TimeRange = {
  readonly kind: 'time'
  readonly columns: readonly string[]
  /** UTC instant, inclusive; null for no lower bound. */
  readonly since: string | null
  /** UTC instant, exclusive. */
  readonly until: string
  /** The zone in whose midnight a date begins (IANA name). */
  readonly timeZone: string
}

/** The rows whose column lies in `(since, until]`; numbers in decimal digits. */
export type NumberRange = {
  readonly kind: 'number'
  readonly column: string
  readonly since: string | null
  readonly until: string
}

/** The rows written or deleted after a version of the database's own change tracking. */
export type ChangeRange = { readonly kind: 'changes'; readonly since: string }

export type RowRange = TimeRange | NumberRange | ChangeRange

/** The rows whose column lies in `[from, to)`, values in the database's own text; null for no bound. */
export type KeyRange = { readonly column: string; readonly from: string | null; readonly to: string | null }

/** Which rows of a table are meant; all of them where nothing is said. */
export type Selection = {
  readonly range?: RowRange | undefined
  readonly keys?: KeyRange | undefined
  /** Has the database send a digest of each row, and compares. */
  readonly digests?: boolean
}

/** One value per column, as text; null for NULL. Text, so that no number passes through a JavaScript double. */
export type SourceRow = readonly (string | null)[]

/** How far change tracking has come, and whether it still knows what came after a version. */
export type ChangeVersions = { readonly current: string; readonly oldest: string }

/**
 * The database as of one moment, as far as it can do that: what is read through it belongs together. One thing at a time.
 */
export interface Snapshot extends AsyncDisposable {
  /**
   * With what this gives another connection sees the same moment, for as long as this one is open. Undefined where the
   * database has no such thing.
   */
  share(): Promise<string | undefined>
  /**
   * The rows of a table, in order of the primary key where there is one, in batches of a few MiB at the reader's pace.
   * What {@link ChangeRange} gives has one more column at the end: `t` for a row that is gone.
   */
  rows(table: SourceTable, selection?: Selection): AsyncIterable<readonly SourceRow[]>
  /** How many rows there are, counted by the database itself. */
  count(table: SourceTable, selection?: Selection): Promise<number>
  /** @throws {CursorUnusableError} terminal: a column is not there, is no time or number, or has rows without a value */
  checkRange(table: SourceTable, columns: readonly string[]): Promise<'time' | 'number'>
  /**
   * The highest number up to which no row will be written any more, as far as the database can tell; null without rows.
   */
  highest(table: SourceTable, column: string): Promise<string | null>
  /** @throws {CursorUnusableError} terminal: changes of this table are not tracked */
  changeVersions(table: SourceTable): Promise<ChangeVersions>
  /** About how many rows there are, without counting them. */
  estimate(table: SourceTable): Promise<number>
  /** Values that part a table's rows into about so many ranges of the same size, ascending. From a sample. */
  boundaries(table: SourceTable, column: string, ranges: number): Promise<readonly string[]>
}

export type SnapshotOptions = {
  /** Of another connection's snapshot, to see the same moment. */
  readonly shared?: string | undefined
  /** That is to be read: it stays as it is, as far as the database can see to that. */
  readonly table?: SourceTable | undefined
}

/**
 * A database that tables are copied from. Never written to. One statement at a time.
 *
 * @throws {DatabaseUnavailableError} transient
 * @throws {DatabaseLoginRefusedError} terminal, as are the missing database, the missing permission and the refused TLS
 */
export interface SourceDatabase extends AsyncDisposable {
  readonly place: DatabasePlace
  /** The tables that hold rows of their own, in order of name; views where asked. Not the system's. */
  tables(options: { readonly views: boolean }): Promise<TableName[]>
  /** @throws {TableMissingError} terminal @throws {TableUnusableError} terminal */
  describe(table: TableName): Promise<SourceTable>
  /** @throws {SnapshotUnfitError} transient: the moment of another connection cannot be seen any more */
  snapshot(options?: SnapshotOptions): Promise<Snapshot>
}

export type OpenDatabase = (options: {
  readonly source: string
  /** With every placeholder filled in. */
  readonly url: string
  /** As it stands in the pipeline's text, to say what of it is to be corrected. */
  readonly template?: string | undefined
  /** Milliseconds. The longest that the database may take for the next piece of an answer. */
  readonly timeoutMs: number
  /** For databases of Azure that are opened without a password. */
  readonly credential?: AzureCredential | undefined
  /** Ends every statement under way and refuses new ones. */
  readonly signal: AbortSignal
}) => SourceDatabase
