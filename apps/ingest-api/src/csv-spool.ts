import { createReadStream } from 'node:fs'
import { open } from 'node:fs/promises'
import { csvRow } from './csv-text.ts'
import { RowsLostError } from './errors.ts'
import { flattenRecord, type Columns } from './flatten-record.ts'
import type { JsonObject } from './json-text.ts'

const COMMA = 0x2c
const LINE_FEED = 0x0a
const QUOTE = 0x22

/** Rows of a CSV file on the way to becoming one: which columns there are is known only when all have come. */
export interface CsvSpool extends AsyncDisposable {
  readonly rowCount: number
  readonly columnCount: number
  /** Adds records in order. Nothing of them is kept in memory. @throws {RecordProblem} via `onProblem` */
  add(records: readonly JsonObject[], onProblem: (error: unknown, index: number) => never): Promise<void>
  /** The whole file, from the start each time: a header, then every row with a cell for every column. */
  content(): AsyncIterable<Uint8Array>
}

/**
 * Columns keep the order in which they were first seen, so a row that was written early only lacks cells at its end:
 * they are put in while the file is read again.
 * @param file in a scratch directory
 */
export async function openCsvSpool(file: string): Promise<CsvSpool> {
  const handle = await open(file, 'wx')
  const columns: Columns = new Map()
  /** From which row on rows have how many cells. */
  const widths: { readonly fromRow: number; readonly width: number }[] = []
  let rowCount = 0
  return {
    get rowCount() {
      return rowCount
    },
    get columnCount() {
      return columns.size
    },
    async add(records, onProblem) {
      const lines: string[] = []
      for (const [index, record] of records.entries()) {
        try {
          lines.push(`${csvRow(flattenRecord(record, columns))}\n`)
        } catch (error) {
          onProblem(error, index)
        }
        const width = Math.max(columns.size, 1)
        if (widths.at(-1)?.width !== width) widths.push({ fromRow: rowCount, width })
        rowCount += 1
      }
      await handle.writeFile(lines.join(''))
    },
    content: () => completeRows(file, { columns: [...columns.keys()], widths, rowCount }),
    [Symbol.asyncDispose]: () => handle.close(),
  }
}

type Spooled = {
  readonly columns: readonly string[]
  readonly widths: readonly { readonly fromRow: number; readonly width: number }[]
  readonly rowCount: number
}

async function* completeRows(file: string, spooled: Spooled): AsyncGenerator<Uint8Array> {
  yield Buffer.from(`${csvRow(spooled.columns)}\n`)
  const rows = rowCounter(spooled)
  for await (const block of createReadStream(file, { highWaterMark: 256 * 1024 })) yield rows.complete(block as Buffer)
  if (rows.count !== spooled.rowCount) throw new RowsLostError(spooled.rowCount, rows.count)
}

/** Finds the ends of rows in blocks of bytes, counts them, and puts in the commas of cells that came later. */
function rowCounter({ columns, widths }: Spooled) {
  const commasFor = (width: number) => Buffer.alloc(columns.length - width, COMMA)
  let isQuoted = false
  let span = 0
  const rows = {
    count: 0,
    complete(block: Buffer): Buffer {
      const parts: Buffer[] = []
      let from = 0
      for (let at = 0; at < block.length; at += 1) {
        const byte = block[at]
        // A quote within quotes is doubled: it leaves and comes back.
        if (byte === QUOTE) isQuoted = !isQuoted
        if (byte !== LINE_FEED || isQuoted) continue
        while ((widths[span + 1]?.fromRow ?? Infinity) <= rows.count) span += 1
        rows.count += 1
        const width = widths[span]?.width ?? columns.length
        if (width === columns.length) continue
        parts.push(block.subarray(from, at), commasFor(width))
        from = at
      }
      return parts.length === 0 ? block : Buffer.concat([...parts, block.subarray(from)])
    },
  }
  return rows
}
