import { createReadStream } from 'node:fs'
import { open } from 'node:fs/promises'
import { TransientError } from '@cinelake/core'
import { ChunkScanner, csvRow, EMPTY_ROW, OWN_DIALECT, RecordScanner, RowBuffer } from '@cinelake/csv'
import type { JsonObject } from './json-text.ts'
import { BrokenRecord } from './broken-record.ts'
import { createColumns, RecordReject, type ColumnRules, type Columns } from './columns.ts'
import { type Cells, createFlattener, type FlattenRules } from './flatten-record.ts'
import { keyOf, supersededRows, type SupersededRows } from './row-keys.ts'
import { objectsOf, ScannedRecords } from './scan-records.ts'
import { type PageRows, scannedRows } from './scanned-rows.ts'

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
export type Records = readonly (JsonObject | BrokenRecord)[] | ScannedRecords

/** Rows that are spooled before they become a CSV file: the set of columns is known only when all rows have come. */
export interface CsvSpool extends AsyncDisposable {
  /** With broken records. */
  readonly rowCount: number
  /** Broken records by reason. */
  readonly broken: ReadonlyMap<string, number>
  readonly columns: Columns
  /**
   * Adds records in order. No record is kept in memory. A record with a value that no row can have becomes a broken one.
   * @param first cells that are added to every record, and that no record has itself
   * @throws {RecordProblem} via `onProblem`
   */
  add(records: Records, onProblem: (error: unknown, index: number) => never, first?: JsonObject): Promise<void>
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

/**
 * Consecutive rows with the same number of cells: all of one call of `add`, unless a column was new in it. Or one broken record.
 */
type Segment = {
  readonly start: number
  readonly end: number
  readonly rowCount: number
  readonly width: number
  readonly isBroken: boolean
}

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

  const broken = new Map<string, number>()
  let brokenCount = 0

  const addSegment = (start: number, width: number, rows: number, isBroken = false) => {
    segments.push({ start, end: writtenBytes + waiting.length, rowCount: rows, width, isBroken })
    rowCount += rows
  }
  /** Fields that are ignored do not land, and a broken record may have them. */
  const isSecretive = rules.drift === 'ignore' && rules.known !== undefined
  const addBroken = (record: BrokenRecord) => {
    const start = writtenBytes + waiting.length
    for (const name of record.names) columns.of(name)
    const cells = isSecretive ? ['text left out, since fields of this dataset are ignored'] : record.cells
    waiting.add(cells)
    addSegment(start, cells.length, 1, true)
    broken.set(record.reason, (broken.get(record.reason) ?? 0) + 1)
    brokenCount += 1
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
      const endSegment = () => {
        if (rows > 0) addSegment(start, width, rows)
        rows = 0
      }
      for (let index = 0; index < records.length; index += 1) {
        const rowStart = waiting.length
        try {
          const record = isScanned ? undefined : records[index]
          if (record instanceof BrokenRecord) throw record
          rowsOfPage.read(index)
          const key = rules.key.length > 0 && keyOf(placesOf(rules.key, columns).map(rowsOfPage.cell))
          if (Math.max(columns.width, 1) !== width) {
            endSegment()
            start = writtenBytes + waiting.length
            width = Math.max(columns.width, 1)
          }
          rowsOfPage.writeTo(waiting)
          if (key !== false) keys.push(key)
          rows += 1
        } catch (error) {
          waiting.truncate(rowStart)
          const record = brokenBy(error, records, index) ?? onProblem(error, index)
          endSegment()
          addBroken(record)
          start = writtenBytes + waiting.length
          width = Math.max(columns.width, 1)
          if (rules.key.length > 0) keys.push(keyOf([null]))
        }
      }
      endSegment()
      if (isScanned) records.release()
      if (keys.length > 0) await keyHandle.writeFile(Buffer.concat(keys))
      if (waiting.length >= BLOCK_BYTES) await flush()
    },
    broken,
    async superseded() {
      const found = await supersededRows(() => bytesOf(keyFile), rowCount)
      return { ...found, keylessCount: found.keylessCount - brokenCount }
    },
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

/** The broken record that an error of a record makes of it; undefined where the error is not about this record alone. */
function brokenBy(error: unknown, records: Records, index: number): BrokenRecord | undefined {
  if (error instanceof BrokenRecord) return error
  if (!(error instanceof RecordReject)) return undefined
  return new BrokenRecord([JSON.stringify(objectsOf(records)[index])], `expected ${error.expected}, got ${error.got}`)
}

function recordRows(
  records: readonly (JsonObject | BrokenRecord)[],
  cellsOf: ReturnType<typeof createFlattener>,
  first: JsonObject | undefined,
): PageRows {
  let cells: Cells = []
  return {
    read(index) {
      const record = records[index]
      cells = cellsOf(record === undefined || record instanceof BrokenRecord ? {} : record, first)
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
    if (segment.isBroken) {
      if (copied !== undefined) yield* exactly(file, copied)
      copied = undefined
      yield* brokenRow(file, segment, columns.length)
    } else if (isWhole && !hasAny(superseded, row, segment.rowCount)) {
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

/** With a number of cells that no row has. */
async function* brokenRow(file: string, { start, end, width }: Segment, columnCount: number) {
  yield* exactly(file, { start, end: end - 1 })
  // The header has a cell even without columns.
  yield Buffer.from(width === Math.max(columnCount, 1) ? ',\n' : '\n')
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
