import { CancelledError } from '@cinelake/core'
import { distinct } from './distinct.ts'
import { queryError } from './postgres-errors.ts'
import type { PostgresSessions } from './postgres-session.ts'
import type { Warehouse, WarehouseRow, WarehouseValue } from './warehouse.ts'

/** Rows, when the caller names no limit. */
const DEFAULT_LIMIT = 1000

/** A cursor takes queries and nothing else: COPY, SET, INSERT and a WITH that writes are syntax errors to it. */
const CURSOR = 'DECLARE cinelake_query NO SCROLL CURSOR FOR '

/** Runs one query in a read-only transaction that is rolled back; tables of the mart need no schema in front. */
export async function queryReadOnly(
  sessions: PostgresSessions,
  sql: string,
  { limit = DEFAULT_LIMIT, signal }: { readonly limit?: number; readonly signal?: AbortSignal } = {},
): ReturnType<Warehouse['query']> {
  try {
    signal?.throwIfAborted()
    return await sessions.read(async (session) => {
      // A line break ends a comment that the query may end in.
      await session.run(`${CURSOR}${sql}\n`)
      const { columns: names, rows } = await session.run(`FETCH FORWARD ${limit + 1} FROM cinelake_query`)
      const columns = distinct(names)
      return {
        columns,
        rows: rows.slice(0, limit).map((values) => toRow(columns, values)),
        truncated: rows.length > limit,
      }
    }, signal)
  } catch (error) {
    if (signal?.aborted === true) throw new CancelledError('the query', { cause: signal.reason })
    throw queryError(error, sessions.location, CURSOR.length)
  }
}

function toRow(columns: readonly string[], values: readonly WarehouseValue[]): WarehouseRow {
  return Object.fromEntries(columns.map((column, index) => [column, values[index] ?? null]))
}
