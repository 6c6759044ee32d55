import {
  ChunkScanner,
  countLines,
  HEAD_BYTES,
  MAX_RECORD_BYTES,
  readHead,
  RecordScanner,
  splitFields,
  type CsvHead,
  type RecordSink,
} from '@cinelake/csv'
import { isObject, parseJson } from '@cinelake/json-rows'
import { MarkSkipper, headerProblem, type BodyCheck, type ContractColumns } from './body-check.ts'
import { PushBodyError, PushTooLargeError } from '../errors.ts'

const NO_HEADER = 'a first row with the names of the columns'

/**
 * Checks a CSV body as it is read when it is refined: the delimiter is the one under which the first row names the most
 * columns of the contract, and every row has as many cells as the first.
 */
export function createCsvCheck(contract: ContractColumns): BodyCheck {
  const mark = new MarkSkipper()
  const decoder = new TextDecoder('utf-8', { fatal: true })
  const first: Uint8Array[] = []
  let firstBytes = 0
  let rows: Rows | undefined
  /** The number of lines seen, for problems between records. */
  let line = 1

  const decode = (bytes: Uint8Array, stream: boolean) => {
    try {
      decoder.decode(bytes, { stream })
    } catch {
      throw new PushBodyError(`line ${line}`, 'UTF-8', 'bytes that are something else')
    }
    const nul = bytes.indexOf(0)
    if (nul >= 0) throw new PushBodyError(`line ${line + countLines(bytes, 0, nul)}`, 'text', 'a byte that is none')
  }
  const begin = (isWhole: boolean) => {
    const bytes = Buffer.concat(first)
    const head = readHead(bytes, isWhole, contract ?? [], { header: true })
    if (head === undefined) {
      if (isWhole) throw new PushBodyError('the body', NO_HEADER, 'nothing')
      throw new PushTooLargeError('a first row', HEAD_BYTES)
    }
    checkHead(head, bytes, contract)
    rows = new Rows(head, () => `line ${line}`)
    rows.push(bytes.subarray(head.headerLength))
  }
  return {
    get rowCount() {
      return rows?.count ?? 0
    },
    get shape() {
      return { columns: rows?.head.names ?? [], delimiter: rows?.head.dialect.delimiter ?? ',' }
    },
    push(chunk) {
      decode(chunk, true)
      line += countLines(chunk, 0, chunk.length)
      const bytes = mark.skip(chunk)
      if (rows !== undefined) return rows.push(bytes)
      // A copy: the chunk's buffer may be reused after the call.
      first.push(Uint8Array.from(bytes))
      firstBytes += bytes.length
      if (firstBytes >= HEAD_BYTES) begin(false)
    },
    end() {
      decode(new Uint8Array(0), false)
      if (rows === undefined) begin(true)
      rows?.end()
    },
  }
}

function checkHead(head: CsvHead, bytes: Uint8Array, contract: ContractColumns): void {
  const where = `line ${Math.max(1, head.headerLineCount)}`
  const header = Buffer.from(bytes.subarray(0, head.headerLength)).toString()
  if (isJson(header)) throw new PushBodyError(where, NO_HEADER, 'a record in JSON: send it as application/x-ndjson')
  const problem = headerProblem(head.names, contract)
  if (problem !== undefined) throw new PushBodyError(where, problem.expected, problem.got)
}

function isJson(text: string): boolean {
  if (!/^\s*[{[]/.test(text)) return false
  try {
    const value = parseJson(text)
    return isObject(value) || Array.isArray(value)
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof RangeError) return false
    throw error
  }
}

/** The rows after the header. */
class Rows {
  readonly head: CsvHead
  readonly #scanner: RecordScanner
  readonly #chunks: ChunkScanner
  readonly #lastLine: () => string
  #isEnding = false

  /** @param lastLine the last line seen, for people */
  constructor(head: CsvHead, lastLine: () => string) {
    this.#lastLine = lastLine
    const { dialect, fieldCount, headerLineCount, headerLength } = head
    this.head = head
    this.#scanner = new RecordScanner({ dialect, fieldCount, lineCount: headerLineCount, sink: this.#see })
    this.#chunks = new ChunkScanner(this.#scanner, headerLength)
  }

  get count(): number {
    return this.#scanner.recordCount
  }

  push(bytes: Uint8Array): void {
    this.#chunks.push(bytes)
  }

  end(): void {
    this.#isEnding = true
    this.#chunks.end()
  }

  readonly #see: RecordSink = (shape, bytes, start, end, lineCount) => {
    const where = `line ${lineCount + 1}`
    if (end - start >= MAX_RECORD_BYTES) throw new PushTooLargeError(`records (${where})`, MAX_RECORD_BYTES)
    if (shape !== 'misshapen') return
    const { dialect, fieldCount } = this.head
    const record = bytes.subarray(start, end)
    const quotes = record.filter((byte) => byte === dialect.quote.charCodeAt(0)).length
    if (quotes % 2 === 1 && this.#isEnding)
      throw new PushBodyError(this.#lastLine(), 'the end of a quoted cell', 'the end of the body')
    const found = splitFields(record, dialect).length
    if (quotes === 0 || found !== fieldCount)
      throw new PushBodyError(where, `${fieldCount} cells, as the first row has`, `${found}`)
    throw new PushBodyError(where, 'a delimiter behind a quoted cell', 'something else')
  }
}
