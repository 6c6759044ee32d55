import { CancelledError, ConfigError } from '@cinelake/core'
import { type MssqlPool, type MssqlSession, connectionError, faultOf } from '@cinelake/database/sql-server'
import { isJsonType, martFirst } from '../adapter.ts'
import { WarehouseQueryError } from '../errors.ts'
import { DEFAULT_LIMIT, distinct, endOfComment, limited } from '../query.ts'
import { placeOf, QUERY_TIMEOUT_MS, type QueryOptions, type Warehouse, type WarehouseValue } from '../warehouse.ts'
import { queryError } from './errors.ts'
import * as mssql from './sql.ts'
import { parseDayTime } from './values.ts'

/** Runs one query as a user who may read the mart and nothing else; tables of the mart need no schema in front. */
export async function queryReadOnly(
  pool: MssqlPool,
  sql: string,
  { limit = DEFAULT_LIMIT, ...options }: QueryOptions & { readonly limit?: number } = {},
): ReturnType<Warehouse['query']> {
  return await reading(pool, sql, options, async (session, given) => await fetchRows(session, sql, limit, given))
}

export async function readAll(
  pool: MssqlPool,
  sql: string,
  take: Parameters<Warehouse['readAll']>[1],
  options: QueryOptions = {},
): Promise<void> {
  await reading(pool, sql, options, async (session, given) => {
    const described = await describeResult(session, sql)
    const names = distinct(described.map(({ name }) => name ?? 'column'))
    const columns = described.map(({ type }, index) => ({ name: names[index] ?? '', type }))
    const handOver = async (rows: readonly ResultRow[]) =>
      await take({ columns, rows: rows.map((row) => readRow(described, row)) })
    const { rows } = await session.run<ResultRow>(asReader(execute(described, ALL_ROWS)), [sql], {
      ...given,
      take: handOver,
    })
    await handOver(rows)
  })
}

type Limits = { readonly timeoutMs: number; readonly signal?: AbortSignal }

async function reading<Result>(
  pool: MssqlPool,
  sql: string,
  { signal, timeoutMs = QUERY_TIMEOUT_MS }: QueryOptions,
  work: (session: MssqlSession, limits: Limits) => Promise<Result>,
): Promise<Result> {
  const refused = findWrite(sql)
  if (refused !== undefined) throw new WarehouseQueryError(refused.problem, refused.position)
  try {
    signal?.throwIfAborted()
    return await pool.use(async (session) => {
      let service = ''
      try {
        service = await requireReader(session)
        await session.begin()
        const result = await work(session, { timeoutMs, ...(signal === undefined ? {} : { signal }) })
        await session.rollback()
        return result
      } catch (error) {
        // After an error, the state and user of the connection are unknown: it is not reused.
        session.discard()
        throw faultOf(error)?.number === NO_IMPERSONATION ? mayNotBeReader(service, error) : error
      }
    })
  } catch (error) {
    if (signal?.aborted === true) throw new CancelledError('the query', { cause: signal.reason })
    if (faultOf(error)?.code === 'ETIMEOUT') throw WarehouseQueryError.tooLong(timeoutMs, { cause: error })
    throw queryError(error, pool.location, sql)
  }
}

/** "Cannot execute as the database principal because the principal does not exist, … or you do not have permission." */
const NO_IMPERSONATION = 15517

function mayNotBeReader(service: string, cause: unknown): ConfigError {
  const statement = mssql.grant(`IMPERSONATE ON USER::[${mssql.READER}]`, service)
  return new ConfigError(
    'queries cannot be answered',
    [
      `expected the right to query as the database user ${mssql.READER}, got ${service}, which lacks it; an owner of the database runs: ${statement}`,
    ],
    { cause },
  )
}

/** "User, group, or role already exists in the current database": not everyone may see it. */
const USER_EXISTS = 15023

/**
 * @returns the database user of the service
 * @throws {ConfigError} terminal: there is no such user, and the service may not make one
 */
async function requireReader(session: MssqlSession): Promise<string> {
  const { rows } = await session.run<{ id: number | null; service: string }>(
    `SELECT USER_ID(N'${mssql.READER}') AS [id], USER_NAME() AS [service]`,
  )
  const { id, service = '' } = rows[0] ?? {}
  if (id != null) return service
  const { rows: loaded } = await session.run<{ name: string }>(mssql.LOADED_TABLES)
  const statements = mssql.setUpReader(martFirst(loaded.map(({ name }) => placeOf(name).schema)))
  try {
    for (const statement of statements) await session.run(statement)
    return service
  } catch (error) {
    if (faultOf(error)?.number === USER_EXISTS) return service
    if (connectionError(error, '') !== error) throw error
    throw new ConfigError(
      'queries cannot be answered',
      [`expected the database user ${mssql.READER}, got none; an owner of the database runs: ${statements.join('; ')}`],
      { cause: error },
    )
  }
}

async function fetchRows(
  session: MssqlSession,
  sql: string,
  limit: number,
  limits: Limits,
): ReturnType<Warehouse['query']> {
  const columns = await describeResult(session, sql)
  const names = distinct(columns.map(({ name }) => name ?? 'column'))
  const { rows } = await session.run<ResultRow>(asReader(execute(columns, limit + 1)), [sql], limits)
  return limited(
    names,
    rows.map((row) => readRow(columns, row)),
    limit,
  )
}

/** Within one statement for the server, which ends the part of the reader with it. */
function asReader(statement: string): string {
  return `EXECUTE AS USER = N'${mssql.READER}'; ${statement}; REVERT`
}

/** More rows than a result has. */
const ALL_ROWS = 2 ** 31 - 1

/** More than one result would be an error. */
function execute(columns: readonly DescribedColumn[], rowLimit: number): string {
  return `SET ROWCOUNT ${rowLimit}; EXEC sys.sp_executesql @1 WITH RESULT SETS ((${resultSet(columns)}))`
}

/** Says which columns come, from which tables. Nothing runs. */
const DESCRIBE = `EXEC sys.sp_describe_first_result_set @tsql = @1, @params = NULL, @browse_information_mode = 1`

type Description = {
  readonly is_hidden: boolean
  readonly name: string | null
  readonly system_type_name: string
  readonly source_schema: string | null
  readonly source_table: string | null
  readonly source_column: string | null
}

async function describeResult(session: MssqlSession, sql: string): Promise<DescribedColumn[]> {
  const { rows } = await session.run<Description>(asReader(DESCRIBE), [sql])
  // Keys that the query does not name are described as well.
  const shown = rows.filter(({ is_hidden }) => !is_hidden)
  if (shown.length === 0) throw new WarehouseQueryError('expected a query, got a statement without a result', undefined)
  const isJson = shown.some(isLongText) ? await jsonColumns(session) : () => false
  return shown.map((column) => ({ name: column.name, type: column.system_type_name, isJson: isJson(column) }))
}

function isLongText({ source_table, system_type_name }: Description): boolean {
  return source_table !== null && system_type_name === 'nvarchar(max)'
}

/** SQL Server before 2025 has no type for lists and objects: the shape that a table was loaded with tells. */
async function jsonColumns(session: MssqlSession): Promise<(column: Description) => boolean> {
  const { rows } = await session.run<{ name: string; shape: string }>(mssql.LOADED_TABLES)
  const known = new Set(
    rows.flatMap(({ name, shape }) => {
      const [columns] = JSON.parse(shape) as [[name: string, type: string][]]
      const { schema, name: table } = placeOf(name)
      return columns.filter(([, type]) => isJsonType(type)).map(([column]) => JSON.stringify([schema, table, column]))
    }),
  )
  return (column) =>
    isLongText(column) && known.has(JSON.stringify([column.source_schema, column.source_table, column.source_column]))
}

/** Why a text is not one query, and where: characters from 1. */
type NotAQuery = { readonly problem: string; readonly position: number | undefined }

/**
 * Reserved words that begin a statement that is not a query, or make a query write: as names they would be quoted.
 * Source: learn.microsoft.com/sql/t-sql/language-elements/reserved-keywords-transact-sql
 */
const FORBIDDEN: ReadonlySet<string> = new Set(
  `ALTER BACKUP BEGIN BULK CHECKPOINT CLOSE COMMIT CREATE DBCC DEALLOCATE DECLARE DELETE DENY DROP DUMP EXEC EXECUTE
  GOTO GRANT IF INSERT INTO KILL LOAD MERGE OPEN OPENDATASOURCE OPENQUERY OPENROWSET PRINT RAISERROR READTEXT RECONFIGURE
  RESTORE RETURN REVERT REVOKE ROLLBACK SAVE SET SETUSER SHUTDOWN TRUNCATE UPDATE UPDATETEXT USE WAITFOR WHILE WRITETEXT`.split(
    /\s+/,
  ),
)

/** Strings, quoted names and comments as wholes; words; the end of a statement; anything else, character by character. */
const TOKEN = /'(?:[^']|'')*'|\[(?:[^\]]|\]\])*\]|"(?:[^"]|"")*"|--[^\n]*|\/\*|[\p{L}_@#$][\p{L}\p{N}_@#$]*|;|\S/gu

type Token = { readonly text: string; readonly position: number }

/**
 * Judged by its words: T-SQL needs nothing between two statements. The database enforces the same by the rights of its
 * user; this gives the better message, and keeps a query in its transaction. Exported for tests. @returns undefined for a query
 */
export function findWrite(sql: string): NotAQuery | undefined {
  const tokens = tokensOf(sql)
  const [first] = tokens
  if (first === undefined || !/^(SELECT|WITH|\()$/i.test(first.text)) {
    return {
      problem: `expected a query (SELECT or WITH … SELECT), got ${first === undefined ? 'nothing' : 'something else'}`,
      position: first?.position,
    }
  }
  const forbidden = tokens.find(({ text }) => FORBIDDEN.has(text.toUpperCase()))
  if (forbidden !== undefined) {
    const word = forbidden.text.toUpperCase()
    return {
      problem: `only queries are allowed here (SELECT, WITH … SELECT), got ${word}`,
      position: forbidden.position,
    }
  }
  const end = tokens.findIndex(({ text }) => text === ';')
  const second = end < 0 ? undefined : tokens.slice(end).find(({ text }) => text !== ';')
  return second && { problem: 'expected one statement, got several', position: second.position }
}

/** Without comments; those in C style nest in T-SQL. */
function tokensOf(sql: string): Token[] {
  const tokens: Token[] = []
  const scan = new RegExp(TOKEN)
  for (let match = scan.exec(sql); match !== null; match = scan.exec(sql)) {
    const [text] = match
    if (text === '/*') scan.lastIndex = endOfComment(sql, match.index)
    else if (!text.startsWith('--')) tokens.push({ text, position: match.index + 1 })
  }
  return tokens
}

type DescribedColumn = {
  readonly name: string | null
  /** `decimal(18,2)`, `nvarchar(max)`, … */
  readonly type: string
  readonly isJson: boolean
}

type Reading = { readonly as?: string; readonly read: (value: unknown) => WarehouseValue }

const asIs = (value: unknown) => value as WarehouseValue

/**
 * The driver reads decimals as doubles and times without their last digits; the server is asked for these as text. Its
 * text of a date or time is ISO 8601 with a blank. Source: learn.microsoft.com/sql/t-sql/functions/cast-and-convert-transact-sql (style 121)
 */
const READINGS: Readonly<Record<string, Reading>> = {
  decimal: { as: 'varchar(64)', read: asIs },
  numeric: { as: 'varchar(64)', read: asIs },
  money: { as: 'decimal(19,4)', read: (value) => (typeof value === 'number' ? value.toFixed(4) : asIs(value)) },
  smallmoney: { as: 'decimal(10,4)', read: (value) => (typeof value === 'number' ? value.toFixed(4) : asIs(value)) },
  bigint: { read: (value) => (typeof value === 'string' ? toWholeNumber(value) : asIs(value)) },
  date: { as: 'varchar(10)', read: asIs },
  time: { as: 'varchar(16)', read: (value) => withoutZeros(String(value)) },
  datetime2: { as: 'varchar(27)', read: (value) => withoutZeros(String(value)).replace(' ', 'T') },
  datetimeoffset: { as: 'varchar(34)', read: (value) => toInstant(String(value)) },
  datetime: { as: 'datetime2(3)', read: toLocal },
  smalldatetime: { as: 'datetime2(0)', read: toLocal },
  uniqueidentifier: { read: (value) => String(value).toLowerCase() },
}

/** `c1 varchar(64) NULL`, …: what the server converts the result to. Exported for tests. */
export function resultSet(columns: readonly DescribedColumn[]): string {
  return columns.map(({ type }, index) => `[${placeName(index)}] ${readingOf(type).as ?? type} NULL`).join(', ')
}

type ResultRow = Readonly<Record<string, unknown>>

/** The values of a row, in the order of the columns, as the port describes them. Exported for tests. */
export function readRow(columns: readonly DescribedColumn[], row: ResultRow): WarehouseValue[] {
  return columns.map(({ type, isJson }, index) => {
    const value = row[placeName(index)]
    if (value === null || value === undefined) return null
    if (isJson && typeof value === 'string') return JSON.parse(value) as WarehouseValue
    return readingOf(type).read(value)
  })
}

function placeName(index: number): string {
  return `c${index + 1}`
}

function readingOf(type: string): Reading {
  return READINGS[/^\w+/.exec(type)?.[0] ?? ''] ?? { read: asIs }
}

function toWholeNumber(text: string): number | bigint {
  const number = Number(text)
  return Number.isSafeInteger(number) ? number : BigInt(text)
}

function withoutZeros(text: string): string {
  return text.replace(/(\.\d*?)0+(?=$|\s|Z)/, '$1').replace(/\.(?=$|\s|Z)/, '')
}

function toInstant(text: string): string {
  const [, date, clock, offset] = /^(\S+) (\S+) ([+-]\d\d:\d\d)$/.exec(text) ?? []
  if (date === undefined || clock === undefined || offset === undefined) return text
  if (offset === '+00:00') return `${date}T${withoutZeros(clock)}Z`
  const utc = parseDayTime(`${date}T${clock}${offset}`)
  if (utc === undefined) return text
  const whole = new Date(Date.parse('0001-01-01T00:00:00Z') + utc.day * 86_400_000 + Math.floor(utc.micros / 1000))
  return withoutZeros(whole.toISOString().replace('Z', `${String(utc.micros % 1000).padStart(3, '0')}Z`))
}

function toLocal(value: unknown): WarehouseValue {
  return value instanceof Date ? withoutZeros(value.toISOString()).replace('Z', '') : asIs(value)
}
