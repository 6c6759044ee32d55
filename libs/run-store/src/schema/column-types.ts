import { MssqlAdapter, sql, type Kysely, type RawBuilder } from 'kysely'

type ColumnType = RawBuilder<unknown>

/** Column types that databases spell differently. Everything else in the `ops` schema is standard SQL. */
export type ColumnTypes = {
  /** UTC, to the millisecond. */
  readonly instant: ColumnType
  /** Of any length. */
  readonly text: ColumnType
  readonly double: ColumnType
  /** A run's name, part of keys. */
  readonly run: ColumnType
  /** A task's name, part of keys. */
  readonly task: ColumnType
  readonly word: (length: number) => ColumnType
}

/**
 * Characters of a task's name. The longest is `refine SOURCE_SCHEMA_TABLE_HASH`, of a table that no dataset declares:
 * 7 + 63 + 1 + 128 + 1 + 128 + 9 = 337. A name of SQL Server has 128 (`sysname`), one of PostgreSQL 63, one of a pipeline 63.
 */
export const MAX_TASK_NAME = 340

const POSTGRES: ColumnTypes = {
  instant: sql`timestamp(3) with time zone`,
  text: sql`text`,
  double: sql`double precision`,
  run: sql`varchar(200)`,
  // As it was at first: a later step makes it as long as it must be.
  task: sql`varchar(300)`,
  word: (length) => sql.raw(`varchar(${length})`),
}

/** Names differ in SQL Server where they differ in the lake: by code point. */
const nvarchar = (length: number | 'max') => sql.raw(`nvarchar(${length}) collate Latin1_General_100_BIN2`)

const MSSQL: ColumnTypes = {
  // Without an offset: what the service writes is UTC, and what it reads the driver takes for UTC.
  instant: sql`datetime2(3)`,
  text: nvarchar('max'),
  double: sql`float(53)`,
  // A key has at most 900 bytes: 2 × (104 + 340) and three numbers of 4. A run is `pipeline@window`, 63 + 1 + 40 characters.
  run: nvarchar(104),
  task: nvarchar(MAX_TASK_NAME),
  word: nvarchar,
}

export function columnTypes<Schema>(db: Kysely<Schema>): ColumnTypes {
  return isMssql(db) ? MSSQL : POSTGRES
}

export function isMssql<Schema>(db: Kysely<Schema>): boolean {
  return db.getExecutor().adapter instanceof MssqlAdapter
}
