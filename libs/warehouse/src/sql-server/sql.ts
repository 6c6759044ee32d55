import { isJsonType } from '../adapter.ts'
import { unknownTypeError, WarehouseRefusedError } from '../errors.ts'
import { MART, schemaOf, type TablePlace, type WarehouseColumn, type WarehouseTable } from '../warehouse.ts'

/** The schema of the bookkeeping and of staging tables. */
export const LOADER = 'loader'
/** Queries through the service run as this user, who may read the mart and nothing else. */
export const READER = 'cinelake_reader'

/** Characters. Source: `sysname`, learn.microsoft.com/sql/relational-databases/databases/database-identifiers */
const MAX_IDENTIFIER = 128

function quoted(name: string): string {
  return `[${name.replaceAll(']', ']]')}]`
}

function national(value: string): string {
  return `N'${value.replaceAll("'", "''")}'`
}

export function martTable(table: TablePlace): string {
  return `${quoted(schemaOf(table))}.${quoted(table.name)}`
}

export function stagingTable(name: string): string {
  return `${quoted(LOADER)}.${quoted(name)}`
}

const LOADED_TABLES_TABLE = `${quoted(LOADER)}.[loaded_tables]`

/** The bookkeeping's id: null where nothing was set up. */
export const LOADED_TABLES_ID = `SELECT OBJECT_ID(N'${LOADED_TABLES_TABLE}', N'U') AS [id]`

/** Makes the two schemas and the bookkeeping; each does nothing where it is done. */
export const SET_UP: readonly string[] = [
  ...[MART, LOADER].map((schema) => `IF SCHEMA_ID(N'${schema}') IS NULL EXEC(N'CREATE SCHEMA [${schema}]')`),
  `IF OBJECT_ID(N'${LOADED_TABLES_TABLE}', N'U') IS NULL CREATE TABLE ${LOADED_TABLES_TABLE} (
  [table_name] nvarchar(128) NOT NULL PRIMARY KEY,
  [version] bigint NOT NULL,
  [shape] nvarchar(max) NOT NULL,
  [task] nvarchar(1000) NOT NULL,
  [row_count] bigint NOT NULL,
  [loaded_at] datetime2(3) NOT NULL
)`,
  `IF COL_LENGTH(N'${LOADED_TABLES_TABLE}', N'table_id') IS NULL ALTER TABLE ${LOADED_TABLES_TABLE} ADD [table_id] nvarchar(200) NULL`,
]

/** The user that queries run as, by default in the schema `mart`. @param schemas in addition to `mart` */
export function setUpReader(schemas: readonly string[]): string[] {
  return [
    `IF USER_ID(N'${READER}') IS NULL CREATE USER [${READER}] WITHOUT LOGIN WITH DEFAULT_SCHEMA = [${MART}]`,
    ...[MART, ...schemas.filter((schema) => schema !== MART)].map((schema) => grantSelect(schema, READER)),
  ]
}

export function grantSelect(schema: string, principal: string): string {
  return grant(`SELECT ON SCHEMA::${quoted(schema)}`, principal)
}

/** @param right as SQL, with what it is on */
export function grant(right: string, principal: string): string {
  return `GRANT ${right} TO ${quoted(principal)}`
}

/** Who may read the schema `mart`. */
export const READERS = `SELECT USER_NAME(p.[grantee_principal_id]) AS [name] FROM sys.database_permissions AS p WHERE p.[class] = 3 AND p.[major_id] = SCHEMA_ID(N'${MART}') AND p.[permission_name] = N'SELECT' AND p.[state] IN (N'G', N'W')`

/** Whether a schema (`@1`) is there. */
export const HAS_SCHEMA = 'SELECT SCHEMA_ID(@1) AS [id]'

export function addSchema(schema: string): string {
  return `IF SCHEMA_ID(${national(schema)}) IS NULL EXEC(${national(`CREATE SCHEMA ${quoted(schema)}`)})`
}

/** Tables that are being filled, or were when a process was killed. */
export const STAGING_TABLES = `SELECT t.[name] AS [name] FROM sys.tables AS t WHERE t.[schema_id] = SCHEMA_ID(N'${LOADER}') AND t.[name] LIKE N'staging[_]%'`

/** What is loaded and still there: `@1` is the record, `@2` the table as SQL. */
export const LOADED = `SELECT l.[version] AS [version], l.[shape] AS [shape], l.[task] AS [task], l.[row_count] AS [row_count], l.[table_id] AS [table_id] FROM ${LOADED_TABLES_TABLE} AS l WHERE l.[table_name] = @1 AND OBJECT_ID(@2, N'U') IS NOT NULL`

/** Whether a table (`@1`, as SQL), or anything else of its name, is there. */
export const EXISTS = 'SELECT OBJECT_ID(@1) AS [id]'

export const LOADED_TABLES = `SELECT l.[table_name] AS [name], l.[version] AS [version], l.[shape] AS [shape], l.[task] AS [task], l.[row_count] AS [row_count], l.[loaded_at] AS [loaded_at]
FROM sys.tables AS t INNER JOIN sys.schemas AS s ON s.[schema_id] = t.[schema_id] INNER JOIN ${LOADED_TABLES_TABLE} AS l
  ON l.[table_name] = (CASE s.[name] WHEN N'${MART}' THEN t.[name] ELSE s.[name] + N'.' + t.[name] END) COLLATE DATABASE_DEFAULT`

/** `@1` to `@6`: `recordName`, version, shape, task, row count, Delta table id. `insert` where `update` found none. */
export const RECORD_LOADED = {
  update: `UPDATE ${LOADED_TABLES_TABLE} SET [version] = @2, [shape] = @3, [task] = @4, [row_count] = @5, [table_id] = @6, [loaded_at] = SYSUTCDATETIME() WHERE [table_name] = @1`,
  insert: `INSERT INTO ${LOADED_TABLES_TABLE} ([table_name], [version], [shape], [task], [row_count], [table_id], [loaded_at]) VALUES (@1, @2, @3, @4, @5, @6, SYSUTCDATETIME())`,
}

/** A column of a staging table with its type. */
export type TypedColumn = WarehouseColumn & { readonly mssql: MssqlType; readonly mustHaveValue: boolean }

/** @throws {WarehouseRefusedError} for a type that SQL Server has no equivalent of, and for names that are too long */
export function typedColumns(table: WarehouseTable, columns = table.columns): TypedColumn[] {
  for (const name of [table.name, ...columns.map((column) => column.name)]) refuseLongName(table.name, name)
  return columns.map((column) => {
    const isKey = table.primaryKey.includes(column.name)
    const known = mssqlType(column.type, isKey)
    if (known === undefined) throw unknownTypeError(table.name, column)
    return { ...column, mssql: known, mustHaveValue: column.required || isKey }
  })
}

export function createTable(staging: string, columns: readonly TypedColumn[]): string {
  const lines = columns.map(
    ({ name, mssql, mustHaveValue }) => `  ${quoted(name)} ${mssql.sql} ${mustHaveValue ? 'NOT NULL' : 'NULL'}`,
  )
  return `CREATE TABLE ${stagingTable(staging)} (\n${lines.join(',\n')}\n)`
}

/** Named after the staging table: the name of the table it replaces is still taken. */
export function addPrimaryKey(staging: string, key: readonly string[]): string {
  return `ALTER TABLE ${stagingTable(staging)} ADD CONSTRAINT ${quoted(`${staging}_pk`)} PRIMARY KEY CLUSTERED (${key.map(quoted).join(', ')})`
}

export function dropStaging(staging: string): string {
  return `IF OBJECT_ID(${national(stagingTable(staging))}, N'U') IS NOT NULL DROP TABLE ${stagingTable(staging)}`
}

/**
 * Bytes that the value of an extended property may have. Source:
 * learn.microsoft.com/sql/relational-databases/system-stored-procedures/sp-addextendedproperty-transact-sql
 */
const MAX_DESCRIPTION = 7500 / 2

/** Statements that store the descriptions of the table and its columns. They are dropped with the table. */
export function describe(staging: string, table: WarehouseTable): string[] {
  const property = (description: string | undefined, column?: string) =>
    description === undefined || description === ''
      ? []
      : [
          `EXEC sys.sp_addextendedproperty @name = N'MS_Description', @value = ${national(description.slice(0, MAX_DESCRIPTION))}, ` +
            `@level0type = N'SCHEMA', @level0name = N'${LOADER}', @level1type = N'TABLE', @level1name = ${national(staging)}` +
            (column === undefined ? '' : `, @level2type = N'COLUMN', @level2name = ${national(column)}`),
        ]
  return [
    property(table.description),
    ...table.columns.map(({ name, description }) => property(description, name)),
  ].flat()
}

/** Milliseconds for which a swap, or changes, wait for readers: those that come after it wait behind it. */
const SWAP_PATIENCE_MS = 5000

/** In one transaction with `RECORD_LOADED`. Grants on the schema and views that name the table stay valid. */
export function swap(staging: string, table: WarehouseTable): string[] {
  const keyName = national(`${table.name.slice(0, MAX_IDENTIFIER - 3)}_pk`)
  const schema = schemaOf(table)
  const rename = (from: string, to: string) =>
    `EXEC sys.sp_rename ${national(martTable({ schema, name: from }))}, ${to}, N'OBJECT'`
  return [
    `IF OBJECT_ID(${national(martTable(table))}, N'U') IS NOT NULL DROP TABLE ${martTable(table)}`,
    `ALTER SCHEMA ${quoted(schema)} TRANSFER OBJECT::${stagingTable(staging)}`,
    ...(table.primaryKey.length > 0 ? [rename(`${staging}_pk`, keyName)] : []),
    rename(staging, national(table.name)),
  ].map(patient)
}

function patient(statement: string): string {
  return `SET LOCK_TIMEOUT ${SWAP_PATIENCE_MS}; SET DEADLOCK_PRIORITY LOW; ${statement}`
}

/**
 * Has the table for the changes alone until the transaction ends. A reader that waits for writers (without
 * READ_COMMITTED_SNAPSHOT) would else read the first rows before the changes and the others after them; with it, no
 * reader is held up. Source: learn.microsoft.com/sql/t-sql/queries/hints-transact-sql-table (TABLOCKX, HOLDLOCK)
 */
export function keepReadersOut(table: WarehouseTable): string {
  return patient(`SELECT TOP (1) 1 AS [held] FROM ${martTable(table)} WITH (TABLOCKX, HOLDLOCK)`)
}

export function deleteStaged(staging: string, table: WarehouseTable): string {
  return `DELETE t FROM ${martTable(table)} AS t INNER JOIN ${stagingTable(staging)} AS s ON ${sameKey(table)}`
}

/**
 * Replaces rows by key, then adds those that are new. Not MERGE, whose faults under concurrency are many.
 * Source: learn.microsoft.com/sql/t-sql/statements/merge-transact-sql (concurrency considerations)
 */
export function applyStaged(staging: string, table: WarehouseTable): string[] {
  const names = table.columns.map(({ name }) => quoted(name))
  const others = table.columns.filter(({ name }) => !table.primaryKey.includes(name)).map(({ name }) => quoted(name))
  const update =
    `UPDATE t SET ${others.map((name) => `t.${name} = s.${name}`).join(', ')} ` +
    `FROM ${martTable(table)} AS t INNER JOIN ${stagingTable(staging)} AS s ON ${sameKey(table)}`
  const insert =
    `INSERT INTO ${martTable(table)} (${names.join(', ')}) SELECT ${names.map((name) => `s.${name}`).join(', ')} ` +
    `FROM ${stagingTable(staging)} AS s WHERE NOT EXISTS (SELECT 1 FROM ${martTable(table)} AS t WHERE ${sameKey(table)})`
  return others.length === 0 ? [insert] : [update, insert]
}

export function countRows(table: string): string {
  return `SELECT COUNT_BIG(*) AS [row_count] FROM ${table}`
}

function sameKey(table: WarehouseTable): string {
  return table.primaryKey.map((name) => `t.${quoted(name)} = s.${quoted(name)}`).join(' AND ')
}

function refuseLongName(table: string, name: string): void {
  if (name.length <= MAX_IDENTIFIER && name.length > 0) return
  throw new WarehouseRefusedError(
    table,
    `the name ${name} has ${name.length} characters: expected 1 to ${MAX_IDENTIFIER}`,
    'give it another name in the pipeline (`as` for a table, the model or contract for a column)',
    { name, characters: name.length },
  )
}

export type MssqlType = {
  /** As in `CREATE TABLE`, without NULL or NOT NULL. */
  readonly sql: string
  readonly form:
    | 'bit'
    | 'integer'
    | 'decimal'
    | 'real'
    | 'double'
    | 'text'
    /** Lists and objects, kept as JSON text. */
    | 'json'
    | 'bytes'
    | 'uuid'
    | 'date'
    | 'time'
    | 'timestamp'
    | 'instant'
  /** Of whole numbers: 16, 32 or 64. */
  readonly bits?: number
  readonly precision?: number
  readonly scale?: number
  /** UTF-16 units that fit, of `text`; undefined where there is no limit. */
  readonly length?: number
  /** Characters that the contract allows, of `text`. */
  readonly characters?: number
}

/**
 * Texts compare by code point, as they do in the lake and in PostgreSQL: under SQL Server's usual collations `a` and `A`
 * would be one key. All texts have the same one, so that any two columns can be joined.
 */
const COLLATION = 'COLLATE Latin1_General_100_BIN2'

/** UTF-16 units; longer ones are `nvarchar(max)`. Source: learn.microsoft.com/sql/t-sql/data-types/nchar-and-nvarchar-transact-sql */
const MAX_NVARCHAR = 4000
/** UTF-16 units: the 900 bytes of a clustered key. Source: learn.microsoft.com/sql/sql-server/maximum-capacity-specifications-for-sql-server */
const MAX_KEY_NVARCHAR = 450
/** Digits. Source: learn.microsoft.com/sql/t-sql/data-types/decimal-and-numeric-transact-sql */
const MAX_PRECISION = 38

const PLAIN: Readonly<Record<string, MssqlType>> = {
  BOOLEAN: { sql: 'bit', form: 'bit' },
  // SQL Server's own tinyint has no negative numbers.
  TINYINT: { sql: 'smallint', form: 'integer', bits: 16 },
  SMALLINT: { sql: 'smallint', form: 'integer', bits: 16 },
  INTEGER: { sql: 'int', form: 'integer', bits: 32 },
  BIGINT: { sql: 'bigint', form: 'integer', bits: 64 },
  HUGEINT: decimal(MAX_PRECISION, 0),
  UTINYINT: { sql: 'smallint', form: 'integer', bits: 16 },
  USMALLINT: { sql: 'int', form: 'integer', bits: 32 },
  UINTEGER: { sql: 'bigint', form: 'integer', bits: 64 },
  UBIGINT: decimal(20, 0),
  FLOAT: { sql: 'real', form: 'real' },
  DOUBLE: { sql: 'float(53)', form: 'double' },
  UUID: { sql: 'uniqueidentifier', form: 'uuid' },
  DATE: { sql: 'date', form: 'date' },
  TIME: { sql: 'time(6)', form: 'time', scale: 6 },
  TIMESTAMP: { sql: 'datetime2(6)', form: 'timestamp', scale: 6 },
  // With its offset (always +00:00) an instant cannot be taken for a local time; Power BI reads it as Date/Time/Timezone.
  'TIMESTAMP WITH TIME ZONE': { sql: 'datetimeoffset(6)', form: 'instant', scale: 6 },
}

/**
 * @param isKey texts of a primary key are at most 450 long, so that they can be indexed
 * @returns undefined for a type that the warehouse does not know
 */
export function mssqlType(type: string, isKey: boolean): MssqlType | undefined {
  const name = type.trim().toUpperCase()
  if (isJsonType(name)) return { sql: `nvarchar(max) ${COLLATION}`, form: 'json' }
  if (name === 'BLOB') return { sql: 'varbinary(max)', form: 'bytes' }
  const plain = PLAIN[name]
  if (plain !== undefined) return plain
  const [, precision, scale] = /^DECIMAL\((\d+),\s*(\d+)\)$/.exec(name) ?? []
  if (precision !== undefined) return decimal(Number(precision), Number(scale))
  if (name === 'VARCHAR') return text(undefined, isKey)
  const [, characters] = /^VARCHAR\((\d+)\)$/.exec(name) ?? []
  return characters === undefined ? undefined : text(Number(characters), isKey)
}

function decimal(precision: number, scale: number): MssqlType {
  return { sql: `decimal(${precision},${scale})`, form: 'decimal', precision, scale }
}

/** A contract counts characters, SQL Server UTF-16 units, of which a character such as 🎬 takes two. */
function text(characters: number | undefined, isKey: boolean): MssqlType {
  const limit = isKey ? MAX_KEY_NVARCHAR : MAX_NVARCHAR
  const units = characters === undefined ? undefined : characters * 2
  const length = units !== undefined && units <= limit ? units : isKey ? limit : undefined
  return {
    sql: `nvarchar(${length ?? 'max'}) ${COLLATION}`,
    form: 'text',
    ...(length === undefined ? {} : { length }),
    ...(characters === undefined ? {} : { characters }),
  }
}
