import { createReadStream } from 'node:fs'
import { open } from 'node:fs/promises'
import type { JsonObject } from './json-text.ts'
import { createColumns, type ColumnRules, type Columns, type ColumnState } from './columns.ts'
import { csvCells, csvRow, TransientError } from '@cinelake/core'
import { createFlattener, type FlattenRules } from './flatten-record.ts'
import { keyOf, supersededRows, type SupersededRows } from './row-keys.ts'
import { createRowScanner, type Width } from './row-scanner.ts'

/** The file does not contain everything that was received. */
export class RowsLostError extends TransientError {
  readonly code = 'REST_ROWS_LOST'

  constructor(expected: number, actual: number) {
    super(
      `rows were lost on the way: expected ${expected} rows in the file, got ${actual}; the next attempt asks for all pages again`,
      { expected, actual },
    )
  }
}

/** How records become rows. */
export type RowRules = ColumnRules & {
  readonly flatten: FlattenRules
  /** Key columns; of several rows with one key the last is kept. */
  readonly key: readonly string[]
}

export const PLAIN_ROWS: RowRules = { known: undefined, drift: 'evolve', flatten: {}, key: [] }

/** The state of a spool apart from its rows: all that another process needs to continue it. */
export type SpoolState = {
  readonly rowCount: number
  readonly columns: readonly ColumnState[]
  readonly widths: readonly Width[]
}

/** Size of rows and keys in bytes. */
export type SpooledRows = { readonly rows: Buffer; readonly keys: Buffer }

/** Rows that are spooled before they become a CSV file: the set of columns is known only when all rows have come. */
export interface CsvSpool extends AsyncDisposable {
  readonly rowCount: number
  readonly columns: Columns
  readonly state: SpoolState
  /**
   * Adds records in order. No record is kept in memory.
   * @param first cells that are added to every record, and that no record has itself
   * @throws {RecordProblem} via `onProblem`
   */
  add(
    records: readonly JsonObject[],
    onProblem: (error: unknown, index: number) => never,
    first?: JsonObject,
  ): Promise<SpooledRows>
  /** Adds rows that another process had spooled; `state` of the last block then applies to all. */
  addSpooled(spooled: SpooledRows): Promise<void>
  /** The spooled data, by position in the two files. */
  read(rows: ByteRange, keys: ByteRange): AsyncIterable<Uint8Array>
  /** The rows that are superseded by a later row with the same key. */
  superseded(): Promise<SupersededRows>
  /** The whole file, from the start at each call: a header, then every row with a cell for every column. */
  content(superseded?: SupersededRows): AsyncIterable<Uint8Array>
}

export type ByteRange = { readonly start: number; readonly end: number }

/**
 * Columns keep the order in which they were first seen, so a row that was written early only lacks cells at its end;
 * they are added while the spool is read again.
 * @param file in a scratch directory
 * @param before state of the rows that were spooled by another process
 */
export async function openCsvSpool(file: string, rules = PLAIN_ROWS, before?: SpoolState): Promise<CsvSpool> {
  const handle = await open(file, 'wx')
  const keyFile = `${file}.keys`
  const keyHandle = await open(keyFile, 'wx')
  const columns = createColumns(rules, before?.columns)
  const cellsOf = createFlattener(columns, rules.flatten)
  const widths: Width[] = [...(before?.widths ?? [])]
  let rowCount = before?.rowCount ?? 0
  const append = async ({ rows, keys }: SpooledRows) => {
    await handle.writeFile(rows)
    if (keys.length > 0) await keyHandle.writeFile(keys)
  }
  return {
    get rowCount() {
      return rowCount
    },
    columns,
    get state() {
      return { rowCount, columns: columns.state(), widths: [...widths] }
    },
    async add(records, onProblem, first) {
      let text = ''
      const keys: Buffer[] = []
      for (const [index, record] of records.entries()) {
        try {
          const cells = cellsOf(record, first)
          text += `${csvCells(cells)}\n`
          if (rules.key.length > 0) keys.push(keyOf(cells, placesOf(rules.key, columns)))
        } catch (error) {
          onProblem(error, index)
        }
        const width = Math.max(columns.width, 1)
        if (widths.at(-1)?.width !== width) widths.push({ fromRow: rowCount, width })
        rowCount += 1
      }
      const spooled = { rows: Buffer.from(text), keys: Buffer.concat(keys) }
      await append(spooled)
      return spooled
    },
    addSpooled: append,
    async *read(rows, keys) {
      yield* bytesOf(file, rows)
      yield* bytesOf(keyFile, keys)
    },
    superseded: () => supersededRows(() => bytesOf(keyFile), rowCount),
    content: (superseded) => completeRows(file, { columns: columns.names, widths, rowCount }, superseded),
    async [Symbol.asyncDispose]() {
      await handle.close()
      await keyHandle.close()
    },
  }
}

function placesOf(key: readonly string[], { all }: Columns): number[] {
  return key.map((name) => all.get(name)?.index ?? -1)
}

async function* bytesOf(file: string, { start, end } = { start: 0, end: Infinity }): AsyncGenerator<Uint8Array> {
  if (end <= start) return
  // The end of a read stream is inclusive.
  for await (const block of createReadStream(file, { start, end: end - 1, highWaterMark: 1024 * 1024 }))
    yield block as Buffer
}

type Spooled = {
  readonly columns: readonly string[]
  readonly widths: readonly Width[]
  readonly rowCount: number
}

async function* completeRows(file: string, spooled: Spooled, superseded?: SupersededRows): AsyncGenerator<Uint8Array> {
  yield Buffer.from(`${csvRow(spooled.columns)}\n`)
  const scanner = createRowScanner(spooled.columns.length, spooled.widths, superseded)
  for await (const block of bytesOf(file)) yield scanner.complete(block as Buffer)
  if (scanner.rowCount !== spooled.rowCount) throw new RowsLostError(spooled.rowCount, scanner.rowCount)
}
