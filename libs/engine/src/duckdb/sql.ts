import type { DuckDBDataChunk } from '@duckdb/node-api'

/** SQL as it is run. `given` is the caller's part of it, from byte `start` on: errors speak of that. */
export type Sql = {
  readonly text: string
  readonly given: string
  readonly start: number
  /** It stands for a call of the engine's own API, whose errors are about the call. */
  readonly isCall?: boolean
}

export function asGiven(sql: string): Sql {
  return { text: sql, given: sql, start: 0 }
}

export function describing(query: string): Sql {
  return wrapped('DESCRIBE ', query, '')
}

/** A condition over columns as a query. The end is on a line of its own: a comment may stand last in it. */
export function asCondition(condition: string): Sql {
  return wrapped('SELECT (', condition, '\n)')
}

/**
 * A query with one more column, and one more row at its end in which that column is true. DuckDB ends a stream that
 * fails half-way like one that is complete; only the mark tells them apart. Insertion order is kept, so it comes last.
 */
export function withEndMark(query: string): Sql {
  return wrapped('SELECT * FROM (', query, '\n) UNION ALL BY NAME SELECT true AS "cinelake.end"')
}

/** Takes the row with the end mark off a chunk that has it. */
export function takeEndMark(chunk: DuckDBDataChunk): boolean {
  const marked = chunk.getColumnVector(chunk.columnCount - 1).getItem(chunk.rowCount - 1) === true
  if (marked) chunk.rowCount -= 1
  return marked
}

/** Computes every value of a query and keeps none. */
export function computing(sql: Sql): Sql {
  const before = 'SELECT bit_xor(hash(COLUMNS(*))) FROM ('
  return { text: `${before}${sql.text}\n)`, given: sql.given, start: sql.start + before.length }
}

function wrapped(before: string, query: string, after: string): Sql {
  return { text: `${before}${query.replace(/;\s*$/, '')}${after}`, given: query, start: before.length }
}
