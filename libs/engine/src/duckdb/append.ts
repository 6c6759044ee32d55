import { DuckDBDataChunk, VARCHAR, type DuckDBAppender, type DuckDBConnection } from '@duckdb/node-api'

/** Rows. DuckDB's vector size: one chunk. Source: duckdb.org/docs/stable/internals/vector */
const CHUNK_ROW_COUNT = 2048
/** Characters. Rows that are wide go in chunks of fewer: a chunk is copied several times before it is in the table. */
const CHUNK_CHARACTERS = 2 * 1024 * 1024
/**
 * Characters that the appender may hold for itself, where the memory limit does not count them, before they go into the
 * table.
 */
const HELD_CHARACTERS = 8 * 1024 * 1024

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
  let [rowCount, pendingCharacters, held] = [0, 0, 0]
  let pending: Row[] = []
  const send = async () => {
    const full = pending
    held += pendingCharacters
    ;[pending, pendingCharacters] = [[], 0]
    rowCount += await step(() => appendChunk(appender, chunk, full))
    if (held < HELD_CHARACTERS) return
    held = 0
    await step(() => appender.flushSync())
  }
  try {
    for await (const batch of rows) {
      for (const row of batch) {
        pending.push(row)
        for (const value of row) pendingCharacters += value?.length ?? 0
        if (pending.length === CHUNK_ROW_COUNT || pendingCharacters >= CHUNK_CHARACTERS) await send()
      }
    }
    if (pending.length > 0) await send()
    await step(() => appender.flushSync())
    return rowCount
  } finally {
    // Closing flushes; the rest after an error is discarded.
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
