import {
  DuckDBArrayValue,
  DuckDBBlobValue,
  DuckDBDateValue,
  DuckDBListValue,
  DuckDBMapValue,
  DuckDBStructValue,
  DuckDBTimestampTZValue,
  DuckDBTimestampValue,
  DuckDBUnionValue,
  StatementType,
  type DuckDBConnection,
  type DuckDBValue,
} from '@duckdb/node-api'
import { complaintOf, objectionsToQuery } from '@cinelake/engine'
import { martFirst } from '../adapter.ts'
import { WarehouseQueryError } from '../errors.ts'
import { DEFAULT_LIMIT, distinct, limited, withinTime } from '../query.ts'
import { MART, placeOf, type QueryOptions, type Warehouse, type WarehouseValue } from '../warehouse.ts'
import { positionIn, queryError } from './errors.ts'
import type { DuckDbFile } from './file.ts'
import { records, rowsOf, searchPath } from './load.ts'

/** Of the bookkeeping. */
const CLOSED_SCHEMAS: ReadonlySet<string> = new Set(['loader'])

/** Rows handed over at once, where all are wanted. */
const BATCH_ROWS = 2048

/** Runs one query in a transaction that cannot write; tables of the mart need no schema in front. */
export async function queryReadOnly(
  file: DuckDbFile,
  sql: string,
  { limit = DEFAULT_LIMIT, ...options }: QueryOptions & { readonly limit?: number } = {},
): ReturnType<Warehouse['query']> {
  return await reading(file, sql, options, async (connection) => {
    const { columns, batches } = await compute(connection, sql, limit + 1)
    const rows: (readonly WarehouseValue[])[] = []
    for await (const batch of batches) rows.push(...batch)
    return limited(
      columns.map(({ name }) => name),
      rows,
      limit,
    )
  })
}

export async function readAll(
  file: DuckDbFile,
  sql: string,
  take: Parameters<Warehouse['readAll']>[1],
  options: QueryOptions = {},
): Promise<void> {
  await reading(file, sql, options, async (connection) => {
    const { columns, batches } = await compute(connection, sql, undefined)
    for await (const rows of batches) await take({ columns, rows })
  })
}

async function reading<Result>(
  file: DuckDbFile,
  sql: string,
  options: QueryOptions,
  work: (connection: DuckDBConnection) => Promise<Result>,
): Promise<Result> {
  const translate = (error: unknown) => queryError(error, { location: file.location, sql })
  return await withinTime(options, translate, async ({ signal }) =>
    file.use(async (connection) => {
      await connection.run(searchPath(await schemasOf(connection)))
      await connection.run('BEGIN TRANSACTION READ ONLY')
      return await work(connection)
    }, signal),
  )
}

/** That analysts read, as `Warehouse.schemas()`, and the mart in any case. */
export async function schemasOf(connection: DuckDBConnection): Promise<string[]> {
  const found = (await records(connection)).map(({ name }) => placeOf(name).schema)
  return martFirst([MART, ...found])
}

type Computed = {
  readonly columns: readonly { readonly name: string; readonly type: string }[]
  readonly batches: AsyncIterable<readonly (readonly WarehouseValue[])[]>
}

/**
 * A temporary table spills to the disk. DuckDB ends a stream that fails half-way like a complete one, and one that
 * is not read to its end keeps the file open.
 */
async function compute(connection: DuckDBConnection, sql: string, limit: number | undefined): Promise<Computed> {
  const found = await columnNames(connection, sql)
  const places = found.map((_, index) => `c${index}`)
  await connection.run(
    `CREATE TEMP TABLE cinelake_result (${places.join(', ')}) AS FROM (${await withoutEnd(connection, sql)}\n)` +
      (limit === undefined ? '' : ` LIMIT ${limit}`),
  )
  const types = await rowsOf<{ type: string }>(
    connection,
    `SELECT data_type AS type FROM duckdb_columns() WHERE database_name = 'temp' AND table_name = 'cinelake_result' ORDER BY column_index`,
  )
  const names = distinct(found)
  const columns = names.map((name, index) => ({ name, type: types[index]?.type ?? '' }))
  return { columns, batches: batchesOf(connection, columns) }
}

async function* batchesOf(connection: DuckDBConnection, columns: Computed['columns']): Computed['batches'] {
  const [whole] = await rowsOf<{ first: bigint | null; count: bigint }>(
    connection,
    'SELECT min(rowid) AS first, count(*) AS count FROM temp.cinelake_result',
  )
  const first = whole?.first ?? 0n
  const rowCount = Number(whole?.count ?? 0)
  let delivered = 0
  do {
    const from = first + BigInt(delivered)
    const result = await connection.runAndReadAll(
      `SELECT * FROM temp.cinelake_result WHERE rowid >= ${from} AND rowid < ${from + BigInt(BATCH_ROWS)} ORDER BY rowid`,
    )
    const rows = result.getRows().map((row) => row.map((value, index) => toValue(value, columns[index]?.type)))
    delivered += rows.length
    if (rows.length === 0 && delivered < rowCount)
      throw new Error(`a result ended after ${delivered} of ${rowCount} rows`)
    yield rows
  } while (delivered < rowCount)
}

/** @throws {WarehouseQueryError} terminal: it is not one query */
async function columnNames(connection: DuckDBConnection, sql: string): Promise<string[]> {
  if (/^[\s;]*$/.test(sql)) throw WarehouseQueryError.notAQuery()
  const statements = await connection.extractStatements(sql)
  if (statements.count !== 1)
    throw new WarehouseQueryError(
      `expected one statement, got ${statements.count === 0 ? 'none' : 'several'}`,
      undefined,
    )
  await refuseForeign(connection, sql)
  const prepared = await statements.prepare(0)
  try {
    if (prepared.statementType !== StatementType.SELECT) throw WarehouseQueryError.notAQuery()
    return Array.from({ length: prepared.columnCount }, (_, index) => prepared.columnName(index))
  } finally {
    // As long as it is there, the file is open.
    prepared.destroySync()
  }
}

/**
 * What the engine refuses in models as well, before DuckDB binds it: some functions take effect then.
 * @throws {WarehouseQueryError} terminal: it is no query, or one of more than the mart
 */
async function refuseForeign(connection: DuckDBConnection, sql: string): Promise<void> {
  const [row] = await rowsOf<{ tree: string }>(connection, 'SELECT json_serialize_sql($1::VARCHAR)::VARCHAR AS tree', [
    sql,
  ])
  const tree: unknown = JSON.parse(row?.tree ?? '{}')
  if (complaintOf(tree) !== undefined) throw WarehouseQueryError.notAQuery()
  const [objection] = objectionsToQuery(tree, CLOSED_SCHEMAS)
  if (objection === undefined) return
  const { message, remedy, offset } = objection
  throw new WarehouseQueryError(`${message}; ${remedy}`, positionIn(sql, offset))
}

/** A query within another has no semicolon behind it. */
async function withoutEnd(connection: DuckDBConnection, sql: string): Promise<string> {
  const shorter = sql.replace(/;\s*(?:(?:--[^\n]*(?:\n|$)|\/\*[^]*?\*\/|;)\s*)*$/, '')
  // What looks like the end of the statement may be the end of a text in it.
  const isWhole = await connection.extractStatements(shorter).then(
    ({ count }) => count === 1,
    () => false,
  )
  return isWhole ? shorter : sql
}

function toValue(value: DuckDBValue | undefined, type?: string): WarehouseValue {
  if (value === null || value === undefined) return null
  if (typeof value === 'bigint') return isSafe(value) ? Number(value) : value
  if (typeof value === 'string') return type === 'JSON' ? (JSON.parse(value) as WarehouseValue) : value
  if (typeof value !== 'object') return value
  if (value instanceof DuckDBTimestampTZValue)
    return `${timestampText(new DuckDBTimestampValue(value.micros))}${isFinite(value.micros) ? 'Z' : ''}`
  if (value instanceof DuckDBTimestampValue) return timestampText(value)
  if (value instanceof DuckDBDateValue)
    // The client writes infinity as a day beyond the last.
    return value.isFinite ? String(value) : value.days > 0 ? 'infinity' : '-infinity'
  if (value instanceof DuckDBListValue || value instanceof DuckDBArrayValue)
    return value.items.map((item) => toValue(item))
  if (value instanceof DuckDBStructValue) return objectOf(value.entries)
  if (value instanceof DuckDBMapValue)
    return value.entries.map(({ key, value: item }) => ({ key: toValue(key), value: toValue(item) }))
  if (value instanceof DuckDBUnionValue) return { tag: value.tag, value: toValue(value.value) }
  // The bytes are a view of memory that ends with the result.
  if (value instanceof DuckDBBlobValue) return new Uint8Array(value.bytes)
  return String(value)
}

/** `2026-03-01T10:00:00`, and `0044-03-15 (BC) 10:00:00`. */
function timestampText(value: DuckDBTimestampValue): string {
  const text = String(value)
  return text.includes(' (BC)') ? text : text.replace(' ', 'T')
}

function objectOf(entries: Readonly<Record<string, DuckDBValue>>): WarehouseValue {
  return Object.fromEntries(Object.entries(entries).map(([name, value]) => [name, toValue(value)]))
}

/** `infinity` and `-infinity` are the greatest and the least whole numbers. */
function isFinite(micros: bigint): boolean {
  return micros < 9223372036854775807n && micros > -9223372036854775807n
}

function isSafe(value: bigint): boolean {
  return value >= BigInt(Number.MIN_SAFE_INTEGER) && value <= BigInt(Number.MAX_SAFE_INTEGER)
}
