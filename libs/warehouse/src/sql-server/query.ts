import { CancelledError, ConfigError } from '@cinelake/core'
import { distinct } from '../distinct.ts'
import { WarehouseQueryError } from '../errors.ts'
import { queryError } from './errors.ts'
import { connectionError, faultOf, type MssqlPool, type MssqlSession } from '@cinelake/database/sql-server'
import { findWrite } from './query-guard.ts'
import { readRow, resultSet, type DescribedColumn, type ResultRow } from './query-values.ts'
import * as mssql from './sql.ts'
import { isJsonType } from './types.ts'
import { martFirst, placeOf, QUERY_TIMEOUT_MS, type QueryOptions, type Warehouse } from '../warehouse.ts'

/** Rows, when the caller names no limit. */
const DEFAULT_LIMIT = 1000

/**
 * Runs one query as a user who may read the mart and nothing else, in a transaction that is rolled back. Its default
 * schema is the mart, so tables need no schema in front.
 */
export async function queryReadOnly(
  pool: MssqlPool,
  sql: string,
  { limit = DEFAULT_LIMIT, ...options }: QueryOptions & { readonly limit?: number } = {},
): ReturnType<Warehouse['query']> {
  return await reading(pool, sql, options, async (session, given) => await fetchRows(session, sql, limit, given))
}

/** All rows of one query, in batches. */
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
      try {
        await requireReader(session)
        await session.begin()
        const result = await work(session, { timeoutMs, ...(signal === undefined ? {} : { signal }) })
        await session.rollback()
        return result
      } catch (error) {
        // After an error, the state and user of the connection are unknown: it is not reused.
        session.discard()
        throw error
      }
    })
  } catch (error) {
    if (signal?.aborted === true) throw new CancelledError('the query', { cause: signal.reason })
    if (faultOf(error)?.code === 'ETIMEOUT') throw WarehouseQueryError.tooLong(timeoutMs, { cause: error })
    throw queryError(error, pool.location, sql)
  }
}

/** "User, group, or role already exists in the current database": not everyone may see it. */
const USER_EXISTS = 15023

/** @throws {ConfigError} terminal: there is no such user, and the service may not make one */
async function requireReader(session: MssqlSession): Promise<void> {
  const { rows } = await session.run<{ id: number | null }>(`SELECT USER_ID(N'${mssql.READER}') AS [id]`)
  if (rows[0]?.id != null) return
  const { rows: loaded } = await session.run<{ name: string }>(mssql.LOADED_TABLES)
  const statements = mssql.setUpReader(martFirst(loaded.map(({ name }) => placeOf(name).schema)))
  try {
    for (const statement of statements) await session.run(statement)
  } catch (error) {
    if (faultOf(error)?.number === USER_EXISTS) return
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
  return {
    columns: names,
    rows: rows.slice(0, limit).map((row) => {
      const values = readRow(columns, row)
      return Object.fromEntries(names.map((name, index) => [name, values[index] ?? null]))
    }),
    truncated: rows.length > limit,
  }
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
