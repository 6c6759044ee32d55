import type { TableName } from '@cinelake/contracts'
import type { DatabaseLocation } from './errors.ts'

export type SourceColumn = {
  readonly name: string
  /** The type as the database names it: `numeric(10,2)`. For people. */
  readonly sourceType: string
  /** The engine's type in which it lands: `DECIMAL(10,2)`. */
  readonly type: string
  /** False: the column is NOT NULL. */
  readonly nullable: boolean
  /** The engine's SQL that converts a text column, given as an SQL expression, to `type`. Fails for a text that does not fit. */
  readonly fromText: (text: string) => string
  /** The engine's SQL for such a text as people know it; if absent, it is as the database sends it. */
  readonly unfitText?: (text: string) => string
  /** A text that the database sends as people know it; if absent, it is as it is sent. */
  readonly shown?: (text: string) => string
  /** Like `fromText`, where digits of a second beyond microseconds may be cut off; absent where there can be none. */
  readonly cutFromText?: (text: string) => string
}

export type SourceTable = {
  readonly table: TableName
  /** In the table's order; at least one. */
  readonly columns: readonly SourceColumn[]
  readonly primaryKey: readonly string[]
  /** The tables that inherit from it, at any depth; its partitions are not among them. Absent where there are none. */
  readonly heirs?: readonly TableName[]
  /** Whether its rows are read together with those of its heirs; else without them. */
  readonly withHeirs?: boolean
}

/** The rows of which one of the columns lies in `[since, until)`. */
export type TimeRange = {
  readonly kind: 'time'
  readonly columns: readonly string[]
  /** UTC instant, inclusive; null for no lower bound. */
  readonly since: string | null
  /** UTC instant, exclusive. */
  readonly until: string
  /** The time zone (IANA name) at whose midnight a date begins. */
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

/** Selects rows of a table; all of them if empty. */
export type Selection = {
  readonly range?: RowRange | undefined
  readonly keys?: KeyRange | undefined
  /** Whether the database sends a digest of each row, which is then verified. */
  readonly digests?: boolean
}

/** One value per column, as text; null for NULL. Text, so that no number passes through a JavaScript double. */
export type SourceRow = readonly (string | null)[]

/** The current version of change tracking, and whether the changes since a version are still available. */
export type ChangeVersions = { readonly current: string; readonly oldest: string }

/** A snapshot of the database, as consistent as the database supports. One operation at a time. */
export interface Snapshot extends AsyncDisposable {
  /** With it another connection uses the same snapshot, while this one is open; undefined where that cannot be. */
  share(): Promise<string | undefined>
  /**
   * The rows of a table, in order of the primary key if there is one, in batches of a few MiB at the reader's pace.
   * With {@link ChangeRange}, rows have one more column at the end: `t` for a deleted row.
   */
  rows(table: SourceTable, selection?: Selection): AsyncIterable<readonly SourceRow[]>
  count(table: SourceTable, selection?: Selection): Promise<number>
  /** @throws {DATABASE_CURSOR_UNUSABLE} terminal: a column does not exist, is not a time or number, or has rows without a value */
  checkRange(table: SourceTable, columns: readonly string[]): Promise<'time' | 'number'>
  /**
   * The highest value up to which no further row will be written, as far as the database can tell; null without rows.
   */
  highest(table: SourceTable, column: string): Promise<string | null>
  /** @throws {DATABASE_CURSOR_UNUSABLE} terminal: changes of this table are not tracked */
  changeVersions(table: SourceTable): Promise<ChangeVersions>
  estimate(table: SourceTable): Promise<number>
  /** Boundaries that split a table's rows into about so many ranges of equal size, ascending. From a sample. */
  boundaries(table: SourceTable, column: string, ranges: number): Promise<readonly string[]>
}

export type SnapshotOptions = {
  /** Token of another connection's snapshot, to use the same. */
  readonly shared?: string | undefined
  /** The table to be read: it is protected from changes, as far as the database supports that. */
  readonly table?: SourceTable | undefined
}

/**
 * A database that tables are copied from. Never written to. One statement at a time.
 * @throws {DATABASE_UNAVAILABLE} transient @throws {DatabaseLoginRefusedError} terminal, and others
 */
export interface SourceDatabase extends AsyncDisposable {
  readonly place: DatabaseLocation
  /** The tables that have rows of their own, in order of name; views if requested. No system tables. */
  tables(options: { readonly views: boolean }): Promise<TableName[]>
  /** @throws {DATABASE_TABLE_MISSING} terminal @throws {DATABASE_TABLE_UNUSABLE} terminal */
  describe(table: TableName): Promise<SourceTable>
  /** @throws {SnapshotUnfitError} transient: the snapshot of another connection is no longer available */
  snapshot(options?: SnapshotOptions): Promise<Snapshot>
}
