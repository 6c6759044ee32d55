import { DuckDBDataChunk, VARCHAR, type DuckDBAppender, type DuckDBConnection } from '@duckdb/node-api'

/** Rows. DuckDB's vector size: one chunk. Source: duckdb.org/docs/stable/internals/vector */
const CHUNK_ROW_COUNT = 2048

type Row = readonly (string | null)[]
/** Runs one step under the session's turn, with its signal and its translation of errors. */
type Step = <Result>(step: () => Promise<Result> | Result) => Promise<Result>

/**
 * Appends rows of text in chunks. What was appended before an error stays.
 * @returns rows appended
 */
export async function appendText(
  connection: DuckDBConnection,
  table: string,
  rows: AsyncIterable<readonly Row[]>,
  step: Step,
): Promise<number> {
  const appender = await step(async () => await connection.createAppender(table))
  // Used again for all rows: a chunk's memory goes back only when JavaScript's collector comes by.
  const chunk = DuckDBDataChunk.create(Array.from({ length: appender.columnCount }, () => VARCHAR))
  let rowCount = 0
  let pending: Row[] = []
  try {
    for await (const batch of rows) {
      pending = pending.length === 0 ? [...batch] : [...pending, ...batch]
      while (pending.length >= CHUNK_ROW_COUNT) {
        const full = pending.slice(0, CHUNK_ROW_COUNT)
        pending = pending.slice(CHUNK_ROW_COUNT)
        rowCount += await step(() => appendChunk(appender, chunk, full))
      }
    }
    if (pending.length > 0) rowCount += await step(() => appendChunk(appender, chunk, pending))
    await step(() => appender.flushSync())
    return rowCount
  } finally {
    // Closing flushes; what is left after an error is not wanted.
    appender.clear()
    appender.closeSync()
  }
}

function appendChunk(appender: DuckDBAppender, chunk: DuckDBDataChunk, rows: readonly Row[]): number {
  const { columnCount } = appender
  const ragged = rows.find((row) => row.length !== columnCount)
  if (ragged !== undefined)
    throw new Error(`a row to append has ${ragged.length} values, the table ${columnCount} columns`)
  chunk.reset()
  chunk.rowCount = rows.length
  chunk.setColumns(Array.from({ length: columnCount }, (_, column) => rows.map((row) => row[column] ?? null)))
  appender.appendDataChunk(chunk)
  return rows.length
}
