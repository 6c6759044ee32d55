import { sql, type RawBuilder, type Transaction } from 'kysely'
import type { SourceRow } from './source-database.ts'

/** Characters of values per batch. Enough to make the way to a distant server and back matter little. */
const BATCH_CHARACTERS = 4 * 1024 * 1024
const FIRST_BATCH_ROWS = 64
const MAX_BATCH_ROWS = 10_000
/** How much larger than the batch before a batch may be asked for: the rows to come may be wider. */
const MAX_GROWTH = 8

/**
 * The rows of a query through a cursor, in batches sized by what the rows before them weighed. While a batch is worked
 * on, the server already makes the next one.
 */
export async function* readBatches(
  trx: Transaction<unknown>,
  query: RawBuilder<unknown>,
  columnCount: number,
): AsyncGenerator<readonly SourceRow[]> {
  const names = Array.from({ length: columnCount }, (_, index) => `c${index}`)
  await sql`DECLARE cinelake_rows NO SCROLL CURSOR FOR ${query}`.execute(trx)
  let asked = FIRST_BATCH_ROWS
  let next = fetchRows(trx, asked, names)
  try {
    for (;;) {
      const rows = await next
      if (rows.length === 0) return
      asked = nextRowCount(asked, rows)
      next = fetchRows(trx, asked, names)
      yield rows
    }
  } finally {
    // A reader who leaves early does not want the batch under way, but the connection is busy until it is there.
    await next.catch(() => {})
  }
}

/** How many rows to ask for after a batch. */
export function nextRowCount(asked: number, rows: readonly SourceRow[]): number {
  let characters = 0
  for (const row of rows) for (const value of row) characters += value?.length ?? 0
  const wanted = Math.floor((BATCH_CHARACTERS * rows.length) / Math.max(characters, 1))
  return Math.max(1, Math.min(wanted, asked * MAX_GROWTH, MAX_BATCH_ROWS))
}

async function fetchRows(trx: Transaction<unknown>, rowCount: number, names: readonly string[]): Promise<SourceRow[]> {
  const fetch = sql<Record<string, string | null>>`FETCH FORWARD ${sql.lit(rowCount)} FROM cinelake_rows`
  const { rows } = await fetch.execute(trx)
  return rows.map((row) => names.map((name) => row[name] ?? null))
}
