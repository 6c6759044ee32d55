import { csvRow, MAX_RECORD_BYTES } from '@cinelake/csv'
import { createColumns, createFlattener, PLAIN_ROWS, RecordProblem, type JsonObject } from '@cinelake/json-rows'
import { PushBodyError, PushTooLargeError } from '../errors.ts'
import { createArrayCheck } from './array-check.ts'
import {
  MarkSkipper,
  RecordBytes,
  type BodyCheck,
  type BodyReader,
  type ContractColumns,
  type OnRecord,
  type RowShape,
} from './body-check.ts'
import type { PushFormat } from './body-form.ts'
import { createCsvCheck } from './csv-check.ts'
import { headerProblem } from './header-problem.ts'
import { parseRecord, utf8Of } from './parse-record.ts'

/**
 * Checks a body of this format with the code that lands it and the code that reads it when it is refined, so that every
 * accepted body can be landed.
 */
export function createBodyCheck(format: PushFormat, contract: ContractColumns): BodyCheck {
  if (format === 'csv') return createCsvCheck(contract)
  const shape = createRecordShape(contract)
  const reader = createRecordReader(format, (text, where) => shape.add(parseRecord(text, where), text.length, where))
  return {
    get rowCount() {
      return reader.rowCount
    },
    get shape() {
      return shape.found
    },
    push: (chunk) => reader.push(chunk),
    end() {
      reader.end()
      if (reader.rowCount > 0) shape.end()
    },
  }
}

/** Finds the records of a JSON body. */
export function createRecordReader(format: 'json' | 'ndjson', onRecord: OnRecord): BodyReader {
  return format === 'json' ? createArrayCheck(onRecord) : createLinesCheck(onRecord)
}

const LINE_FEED = 0x0a

/** Finds the lines of a body. Empty lines are skipped; whether the others are valid JSON is checked by `onRecord`. */
function createLinesCheck(onRecord: OnRecord): BodyReader {
  const mark = new MarkSkipper()
  const record = new RecordBytes()
  let rowCount = 0
  let line = 1
  const take = (last: Uint8Array) => {
    const where = `line ${line}`
    const text = utf8Of(record.take(last, where), where)
    line++
    if (text.trim() === '') return
    onRecord(text, where)
    rowCount++
  }
  return {
    get rowCount() {
      return rowCount
    },
    push(chunk) {
      const bytes = mark.skip(chunk)
      let from = 0
      for (;;) {
        const end = bytes.indexOf(LINE_FEED, from)
        if (end < 0) break
        take(bytes.subarray(from, end))
        from = end + 1
      }
      record.add(bytes.subarray(from), `line ${line}`)
    },
    end() {
      if (record.length > 0) take(new Uint8Array(0))
      if (rowCount === 0) throw new PushBodyError('the body', 'a record in each line', 'none')
    },
  }
}

/** Characters of a JSON record below which its row cannot be too long: quotes are doubled, and each column has a comma. */
const SURELY_SHORT = MAX_RECORD_BYTES / 8

/** Converts the records of a push to rows as landing does, to check that they can be converted, and discards the rows. */
function createRecordShape(contract: ContractColumns) {
  const columns = createColumns(PLAIN_ROWS)
  const cellsOf = createFlattener(columns, PLAIN_ROWS.flatten)
  return {
    get found(): RowShape {
      return { columns: columns.names, delimiter: ',' }
    },
    /** @throws {PushBodyError} terminal: a record that cannot become a row */
    add(record: JsonObject, length: number, where: string): void {
      const cells = cellsIn(record, where)
      if (cells.some((cell) => cell?.isWellFormed() === false))
        throw new PushBodyError(where, 'text', 'half of a character (a lone surrogate)')
      if (length > SURELY_SHORT && Buffer.byteLength(csvRow(cells)) > MAX_RECORD_BYTES)
        throw new PushTooLargeError(`records (${where})`, MAX_RECORD_BYTES)
    },
    /** @throws {PushBodyError} terminal: columns that cannot be refined */
    end(): void {
      const problem = headerProblem(columns.names, contract)
      if (problem !== undefined) throw new PushBodyError('the body', problem.expected, problem.got)
    },
  }

  function cellsIn(record: JsonObject, where: string) {
    try {
      return cellsOf(record)
    } catch (error) {
      throw error instanceof RecordProblem ? new PushBodyError(where, error.expected, error.got) : error
    }
  }
}
