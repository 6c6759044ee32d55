import { types, type Transaction } from '@electric-sql/pglite'
import { queryError } from './postgres-errors.ts'
import { MART } from './postgres-sql.ts'
import type { PgliteDatabase } from './pglite-database.ts'
import type { Warehouse, WarehouseRow, WarehouseValue } from './warehouse.ts'

/** Rows, when the caller names no limit. */
const DEFAULT_LIMIT = 1000

/** A cursor takes queries and nothing else: COPY, SET, INSERT and a WITH that writes are syntax errors to it. */
const CURSOR = 'DECLARE cinelake_query NO SCROLL CURSOR FOR '

/** Times as text: a JavaScript date has neither microseconds nor years beyond 275760. */
const PARSERS = {
  [types.DATE]: (value: string) => value,
  [types.TIMESTAMP]: (value: string) => value.replace(' ', 'T'),
  [types.TIMESTAMPTZ]: (value: string) => value.replace(' ', 'T').replace(/\+00(:00)?$/, 'Z'),
}

/** Runs one query in a read-only transaction that is rolled back; tables of the mart need no schema in front. */
export async function queryReadOnly(
  { pglite, location }: Pick<PgliteDatabase<unknown>, 'pglite' | 'location'>,
  sql: string,
  { limit = DEFAULT_LIMIT, signal }: { readonly limit?: number; readonly signal?: AbortSignal } = {},
): ReturnType<Warehouse['query']> {
  signal?.throwIfAborted()
  try {
    return await pglite.transaction(async (tx) => {
      await tx.exec(`SET TRANSACTION READ ONLY; SET LOCAL search_path = ${MART}, pg_catalog`)
      const result = await fetch(tx, sql, limit)
      await tx.rollback()
      return result
    })
  } catch (error) {
    throw queryError(error, location, CURSOR.length)
  }
}

async function fetch(tx: Transaction, sql: string, limit: number): ReturnType<Warehouse['query']> {
  // A line break ends a comment that the query may end in.
  await tx.query(`${CURSOR}${sql}\n`)
  const { rows, fields } = await tx.query<WarehouseValue[]>(`FETCH FORWARD ${limit + 1} FROM cinelake_query`, [], {
    rowMode: 'array',
    parsers: PARSERS,
  })
  const columns = distinct(fields.map(({ name }) => name))
  return {
    columns,
    rows: rows.slice(0, limit).map((values) => toRow(columns, values)),
    truncated: rows.length > limit,
  }
}

/** `id, id` → `id, id_2`: a row is an object. */
function distinct(names: readonly string[]): string[] {
  const taken = new Set<string>()
  return names.map((name) => {
    let free = name
    for (let count = 2; taken.has(free); count += 1) free = `${name}_${count}`
    taken.add(free)
    return free
  })
}

function toRow(columns: readonly string[], values: readonly WarehouseValue[]): WarehouseRow {
  return Object.fromEntries(columns.map((column, index) => [column, values[index] ?? null]))
}
