import { createReadStream } from 'node:fs'
import { open } from 'node:fs/promises'
import { TransientError } from '@cinelake/core'
import { ChunkScanner, csvRow, EMPTY_ROW, OWN_DIALECT, RecordScanner, RowBuffer } from '@cinelake/csv'
import type { JsonObject } from './json-text.ts'
import { createColumns, type ColumnRules, type Columns } from './columns.ts'
import { type Cells, createFlattener, type FlattenRules } from './flatten-record.ts'
import { keyOf, supersededRows, type SupersededRows } from './row-keys.ts'
import { ScannedRecords } from './scan-records.ts'
import { scannedRows } from './scanned-rows.ts'

/** The file does not contain everything that was received. */
export class RowsLostError extends TransientError {
  readonly code = 'REST_ROWS_LOST'

  constructor(expected: number, actual: number, unit: 'rows' | 'bytes' = 'rows') {
    super(
      `rows were lost on the way: expected ${expected} ${unit} in the file, got ${actual}; the next attempt asks for all pages again`,
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

/** The records of a page, as objects or as places in its bytes. */
export type Records = readonly JsonObject[] | ScannedRecords

/** Rows that are spooled before they become a CSV file: the set of columns is known only when all rows have come. */
export interface CsvSpool extends AsyncDisposable {
  readonly rowCount: number
  readonly columns: Columns
  /**
   * Adds records in order. No record is kept in memory.
   * @param first cells that are added to every record, and that no record has itself
   * @throws {RecordProblem} via `onProblem`
   */
  add(
    records: Records,
    onProblem: (error: unknown, index: number) => never,
    first?: JsonObject,
  ): Promise<void>
  /** The rows that are superseded by a later row with the same key. */
  superseded(): Promise<SupersededRows>
  /**
   * The whole file, from the start at each call: a header, then every row with a cell for every column.
   * @throws {RowsLostError} transient
   */
  content(superseded?: SupersededRows): AsyncIterable<Uint8Array>
}

/** Bytes that are written or read at once. */
const BLOCK_BYTES = 1024 * 1024

/** Consecutive rows with the same number of cells: all of one call of `add`, unless a column was new in it. */
type Segment = { readonly start: number; readonly end: number; readonly rowCount: number; readonly width: number }

/**
 * Columns keep the order in which they were first seen, so a row that was written early only lacks cells at its end;
 * they are added while the spool is read again. Rows that lack none are copied without being looked at.
 * @param file in a scratch directory
 */
export async function openCsvSpool(file: string, rules = PLAIN_ROWS): Promise<CsvSpool> {
  const handle = await open(file, 'wx')
  const keyFile = `${file}.keys`
  const keyHandle = await open(keyFile, 'wx')
  const columns = createColumns(rules)
  const cellsOf = createFlattener(columns, rules.flatten)
  const segments: Segment[] = []
  const waiting = new RowBuffer(2 * BLOCK_BYTES)
  let rowCount = 0
  let writtenBytes = 0

  const addSegment = (start: number, width: number, rows: number) => {
    segments.push({ start, end: writtenBytes + waiting.length, rowCount: rows, width })
    rowCount += rows
  }
  const flush = async () => {
    const { bytes } = waiting
    await handle.writeFile(bytes)
    writtenBytes += bytes.length
    waiting.clear()
  }
  return {
    get rowCount() {
      return rowCount
    },
    columns,
    async add(records, onProblem, first) {
      const isScanned = records instanceof ScannedRecords
      const rowsOfPage = isScanned ? scannedRows(records, columns) : recordRows(records, cellsOf, first)
      const keys: Buffer[] = []
      let start = writtenBytes + waiting.length
      let rows = 0
      let width = Math.max(columns.width, 1)
      for (let index = 0; index < records.length; index += 1) {
        try {
          rowsOfPage.read(index)
          if (rules.key.length > 0) keys.push(keyOf(placesOf(rules.key, columns).map(rowsOfPage.cell)))
          const before = width
          width = Math.max(columns.width, 1)
          if (width !== before && rows > 0) {
            addSegment(start, before, rows)
            start = writtenBytes + waiting.length
            rows = 0
          }
          rowsOfPage.writeTo(waiting)
          rows += 1
        } catch (error) {
          waiting.truncate(start - writtenBytes)
          onProblem(error, index)
        }
      }
      if (isScanned) records.release()
      if (rows > 0) addSegment(start, width, rows)
      if (keys.length > 0) await keyHandle.writeFile(Buffer.concat(keys))
      if (waiting.length >= BLOCK_BYTES) await flush()
    },
    superseded: () => supersededRows(() => bytesOf(keyFile), rowCount),
    async *content(superseded) {
      await flush()
      yield* wholeFile(file, columns.names, segments, superseded)
    },
    async [Symbol.asyncDispose]() {
      await handle.close()
      await keyHandle.close()
    },
  }
}

/** The records of a page one after the other, as rows. */
export type PageRows = {
  /** Makes a record the current row. @throws {RecordProblem} */
  read(index: number): void
  /** A cell of the current row. */
  readonly cell: (column: number) => string | null | undefined
  writeTo(buffer: RowBuffer): void
}

function recordRows(
  records: readonly JsonObject[],
  cellsOf: ReturnType<typeof createFlattener>,
  first: JsonObject | undefined,
): PageRows {
  let cells: Cells = []
  return {
    read(index) {
      cells = cellsOf(records[index] ?? {}, first)
    },
    cell: (column) => cells[column],
    writeTo: (buffer) => buffer.add(cells),
  }
}

function placesOf(key: readonly string[], { all }: Columns): number[] {
  return key.map((name) => all.get(name)?.index ?? -1)
}

async function* bytesOf(file: string, start = 0, end = Infinity): AsyncGenerator<Buffer> {
  // The end of a read stream is inclusive.
  for await (const block of createReadStream(file, { start, end: end - 1, highWaterMark: BLOCK_BYTES }))
    yield block as Buffer
}

async function* wholeFile(
  file: string,
  columns: readonly string[],
  segments: readonly Segment[],
  superseded: SupersededRows | undefined,
): AsyncGenerator<Uint8Array> {
  yield Buffer.from(`${csvRow(columns)}\n`)
  let row = 0
  let copied: { readonly start: number; readonly end: number } | undefined
  for (const segment of segments) {
    // A row without a value is an empty line as long as there is one column.
    const isWhole = segment.width === columns.length && columns.length > 1
    if (isWhole && !hasAny(superseded, row, segment.rowCount)) {
      copied = { start: copied?.start ?? segment.start, end: segment.end }
    } else {
      if (copied !== undefined) yield* exactly(file, copied)
      copied = undefined
      yield* completed(file, segment, columns.length, (index) => superseded?.has(row + index) === true)
    }
    row += segment.rowCount
  }
  if (copied !== undefined) yield* exactly(file, copied)
}

function hasAny(superseded: SupersededRows | undefined, from: number, count: number): boolean {
  if (superseded === undefined || superseded.count === 0) return false
  for (let row = from; row < from + count; row += 1) if (superseded.has(row)) return true
  return false
}

async function* exactly(file: string, { start, end }: { readonly start: number; readonly end: number }) {
  let at = start
  for await (const block of bytesOf(file, start, end)) {
    at += block.length
    yield block
  }
  if (at !== end) throw new RowsLostError(end, at, 'bytes')
}

/** The rows of a segment with the cells that they lack, without those that are left out. */
async function* completed(
  file: string,
  { start, end, width, rowCount }: Segment,
  columnCount: number,
  isLeftOut: (index: number) => boolean,
): AsyncGenerator<Uint8Array> {
  let parts: Buffer[] = []
  let index = 0
  const missing = Buffer.from(`${','.repeat(Math.max(columnCount - width, 0))}\n`)
  const empty = Buffer.from(`${EMPTY_ROW}\n`)
  const scanner = new RecordScanner({
    dialect: OWN_DIALECT,
    fieldCount: width,
    maxRecordBytes: Infinity,
    sink: (_, bytes, from, to) => {
      if (isLeftOut((index += 1) - 1)) return
      // The bytes are valid during the call only.
      if (from === to && columnCount <= 1) parts.push(empty)
      else parts.push(Buffer.from(bytes.subarray(from, to)), missing)
    },
  })
  const window = new ChunkScanner(scanner, 0)
  for await (const block of bytesOf(file, start, end)) {
    window.push(block)
    yield Buffer.concat(parts)
    parts = []
  }
  window.end()
  yield Buffer.concat(parts)
  if (index !== rowCount) throw new RowsLostError(rowCount, index)
}
