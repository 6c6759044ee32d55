import { CancelledError } from '@cinelake/core'
import { WarehouseQueryError } from './errors.ts'
import {
  QUERY_TIMEOUT_MS,
  type QueryOptions,
  type Warehouse,
  type WarehouseRow,
  type WarehouseValue,
} from './warehouse.ts'

export const DEFAULT_LIMIT = 1000

type Stop = {
  /** Aborted by the caller, or when the time is over. */
  readonly signal: AbortSignal
  readonly timeoutMs: number
}

/** Runs a query of an analyst for no longer than it may take. */
export async function withinTime<Result>(
  { signal, timeoutMs = QUERY_TIMEOUT_MS }: QueryOptions,
  translate: (error: unknown, timeoutMs: number) => unknown,
  work: (stop: Stop) => Promise<Result>,
): Promise<Result> {
  const timeout = AbortSignal.timeout(timeoutMs)
  try {
    signal?.throwIfAborted()
    return await work({ signal: signal === undefined ? timeout : AbortSignal.any([signal, timeout]), timeoutMs })
  } catch (error) {
    if (signal?.aborted === true) throw new CancelledError('the query', { cause: signal.reason })
    if (timeout.aborted) throw WarehouseQueryError.tooLong(timeoutMs, { cause: error })
    throw translate(error, timeoutMs)
  }
}

/** The result of `query`. @param rows at most one more than the limit */
export function limited(
  columns: readonly string[],
  rows: readonly (readonly WarehouseValue[])[],
  limit: number,
): Awaited<ReturnType<Warehouse['query']>> {
  const toRow = (values: readonly WarehouseValue[]): WarehouseRow =>
    Object.fromEntries(columns.map((column, index) => [column, values[index] ?? null]))
  return { columns, rows: rows.slice(0, limit).map(toRow), truncated: rows.length > limit }
}

/** Names of a result's columns, told apart: `id, id` → `id, id_2`. A row is an object. */
export function distinct(names: readonly string[]): string[] {
  const taken = new Set<string>()
  return names.map((name) => {
    let free = name
    for (let count = 2; taken.has(free); count += 1) free = `${name}_${count}`
    taken.add(free)
    return free
  })
}

/** Where a comment in C style ends that begins at an offset: they nest in PostgreSQL and in T-SQL. The end of the text if it is open. */
export function endOfComment(sql: string, start: number): number {
  let depth = 0
  for (let at = start; at < sql.length; at += 1) {
    if (sql.startsWith('/*', at)) depth += 1
    else if (sql.startsWith('*/', at)) depth -= 1
    else continue
    at += 1
    if (depth === 0) return at + 1
  }
  return sql.length
}
