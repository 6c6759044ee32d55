import { CR, isUsual, LF, SPACE, type CsvDialect } from './dialect.ts'
import { ParsedDialect, parseRecord } from './parse-record.ts'
import { MAX_RECORD_BYTES, splitCells } from './record.ts'
import type { RecordIndex } from './record-index.ts'

/**
 * How a record is classified.
 * `plain`: every reader parses it the same way. `loose`: irregular quoting that is still unambiguous (`37.8"N`, `1, "a",2`).
 * Malformed, the third: its fields are ambiguous, or their number is wrong. `blank`: an empty line, which is not a record.
 */
export type RecordShape = 'plain' | 'loose' | 'misshapen' | 'blank'

/**
 * Receives each record in order, without its line end. The bytes are valid during the call only.
 * @param lineCount physical lines before the record
 */
export type RecordSink = (shape: RecordShape, bytes: Uint8Array, start: number, end: number, lineCount: number) => void

export type ScannerOptions = {
  readonly dialect: CsvDialect
  /** The number of fields a record must have; absent while it is being detected. */
  readonly fieldCount?: number
  /** Physical lines before the first byte to be scanned. */
  readonly lineCount?: number
  readonly index?: RecordIndex
  readonly sink?: RecordSink
  /** Longer records are malformed; `MAX_RECORD_BYTES` by default. */
  readonly maxRecordBytes?: number
  /** A line that begins with this text is no record. With a sink only. */
  readonly comment?: string | undefined
  /** Whether a record with fewer fields than it must have is `loose`: the others have no text. With a sink only. */
  readonly mayLackFields?: boolean
}

/** The structural meaning of a byte. */
const TEXT = 0
const DELIMITER = 1
const LINE_FEED = 2
const CARRIAGE_RETURN = 3
const QUOTE = 4
const NUL = 5

/** The structural meaning of each byte value: a table lookup is the cheapest test for something done half a billion times. */
function meaningsOf(dialect: CsvDialect): Uint8Array {
  const meanings = new Uint8Array(256)
  meanings[LF] = LINE_FEED
  meanings[CR] = CARRIAGE_RETURN
  meanings[0] = NUL
  meanings[dialect.delimiter.charCodeAt(0)] = DELIMITER
  meanings[dialect.quote.charCodeAt(0)] = QUOTE
  return meanings
}

/** The bytes being scanned. */
type Span = {
  readonly bytes: Uint8Array
  readonly to: number
  /** Offset in the file of the byte at 0, for the index. */
  readonly base: number
  /** Whether the file ends at `to`. */
  readonly last: boolean
}

/** More bytes are needed. */
const INCOMPLETE = -1
/** A character that is not allowed follows a closing quote. */
const JUNK = -2

/**
 * Finds the records of a CSV file in its bytes (UTF-8 or another superset of ASCII), chunk by chunk.
 *
 * A record ends at LF, CRLF or a lone CR outside quotes. The effect of a fault is local: if a quoted field is never
 * closed, or an invalid character follows its closing quote, the record up to the end of the line in which that quote
 * opened is malformed, and scanning continues with the next line. So a stray quote costs its line, not the rest of the file.
 */
export class RecordScanner {
  /** Records, including malformed ones. */
  recordCount = 0
  looseCount = 0
  misshapenCount = 0
  /** Physical lines that have ended. */
  lineCount: number
  /** How records end. */
  readonly ends = { lf: 0, crlf: 0, cr: 0 }
  readonly #options: ScannerOptions
  readonly #meanings: Uint8Array
  readonly #quote: number
  readonly #delimiter: number
  readonly #maxRecordBytes: number
  readonly #comment: Buffer | undefined
  /** For a dialect that the loops over single bytes do not know. */
  readonly #parsed: ParsedDialect | undefined
  /** In a record that exceeded the maximum length: everything up to the next line end is skipped. */
  #skipping = false
  /** Line ends within the quotes of the record on the fast path. */
  #linesInRecord = 0
  /** Whether there was a space between the closing quote and the end of the last field. */
  #quotedLoosely = false

  constructor(options: ScannerOptions) {
    this.#options = options
    this.#meanings = meaningsOf(options.dialect)
    this.#quote = options.dialect.quote.charCodeAt(0)
    this.#delimiter = options.dialect.delimiter.charCodeAt(0)
    this.#maxRecordBytes = options.maxRecordBytes ?? MAX_RECORD_BYTES
    this.#comment = options.comment === undefined ? undefined : Buffer.from(options.comment)
    this.#parsed = isUsual(options.dialect) ? undefined : new ParsedDialect(options.dialect)
    this.lineCount = options.lineCount ?? 0
  }

  /**
   * Scans the records that lie in `[from, to)`.
   * @returns the offset of the first byte that was not consumed: the start of a record that is still incomplete
   */
  scan(bytes: Uint8Array, from: number, to: number, base: number, last: boolean): number {
    const span = { bytes, to, base, last }
    let start = from
    if (this.#skipping) {
      start = this.#skipLine(span, from)
      if (start === INCOMPLETE) return to
    }
    for (;;) {
      if (this.#options.sink === undefined && this.#parsed === undefined) start = this.#plainRun(span, start)
      if (start >= to) return start
      const next = this.#record(span, start)
      if (next === INCOMPLETE) return start
      start = next
    }
  }

  /**
   * The fast path, for most bytes of most files: complete plain records.
   * @returns the start of the first record that is not plain or not complete
   */
  #plainRun({ bytes, to, base }: Span, from: number): number {
    const meanings = this.#meanings
    const { fieldCount, index } = this.#options
    let start = from
    let delimiterCount = 0
    if (hasMark(bytes, start, to)) return start
    for (let i = from; i < to; i++) {
      while (i < to && meanings[bytes[i] ?? 0] === TEXT) i++
      const meaning = meanings[bytes[i] ?? 0]
      if (meaning === DELIMITER) {
        delimiterCount++
        continue
      }
      if (meaning === QUOTE && (i === start || bytes[i - 1] === this.#delimiter)) {
        i = this.#plainQuoted(bytes, i + 1, to)
        if (i < to) continue
      }
      if (i >= to || delimiterCount + 1 !== fieldCount) break
      if (meaning === CARRIAGE_RETURN && i + 1 < to && bytes[i + 1] === LF) {
        this.ends.crlf++
        i++
      } else if (meaning === LINE_FEED) this.ends.lf++
      else break
      if (index !== undefined) index.visit(this.recordCount, base + start, this.lineCount)
      this.recordCount++
      this.lineCount += 1 + this.#linesInRecord
      this.#linesInRecord = 0
      start = i + 1
      delimiterCount = 0
      if (bytes[start] === MARK_BEGIN && hasMark(bytes, start, to)) break
    }
    this.#linesInRecord = 0
    return start
  }

  /** @returns the offset of the closing quote of a field whose text starts at `from`; `to` if it cannot be determined */
  #plainQuoted(bytes: Uint8Array, from: number, to: number): number {
    const quote = this.#quote
    for (let i = from; i < to; i++) {
      const byte = bytes[i]
      if (byte === LF || (byte === CR && bytes[i + 1] !== LF)) this.#linesInRecord++
      if (byte !== quote) continue
      const after = bytes[i + 1]
      if (i + 1 >= to) return to
      if (after === this.#delimiter || after === LF || after === CR) return i
      if (after !== quote) return to
      i++
    }
    return to
  }

  /** @returns the start of the next record */
  #record(span: Span, from: number): number {
    const { bytes, to, last } = span
    if (this.#comment !== undefined) {
      const next = this.#commentLine(span, from, this.#comment)
      if (next !== from) return next
    }
    // Files that were put together keep the byte order mark of each: it is not text.
    const start = hasMark(bytes, from, to) ? from + MARK.length : from
    if (start > from) this.looseCount++
    if (this.#parsed !== undefined) return this.#parsedRecord(span, start, this.#parsed)
    const meanings = this.#meanings
    let shape: RecordShape = 'plain'
    let fieldCount = 1
    let hasQuotes = false
    for (let i = start; ; i++) {
      while (i < to && meanings[bytes[i] ?? 0] === TEXT) i++
      if (i >= to) {
        if (last) return this.#close(span, start, to, to, fieldCount, shape, hasQuotes)
        return to - start < this.#maxRecordBytes ? INCOMPLETE : this.#giveUp(span, start, start)
      }
      const meaning = meanings[bytes[i] ?? 0]
      if (meaning === DELIMITER) fieldCount++
      else if (meaning === LINE_FEED) {
        this.ends.lf++
        return this.#close(span, start, i, i + 1, fieldCount, shape, hasQuotes)
      } else if (meaning === CARRIAGE_RETURN) {
        if (i + 1 >= to && !last) return INCOMPLETE
        const isPair = i + 1 < to && bytes[i + 1] === LF
        this.ends[isPair ? 'crlf' : 'cr']++
        return this.#close(span, start, i, isPair ? i + 2 : i + 1, fieldCount, shape, hasQuotes)
      } else if (meaning === NUL) shape = 'misshapen'
      else if (this.#opensField(bytes, start, i)) {
        const end = this.#quotedField(span, i + 1)
        if (end < 0) {
          if (end === INCOMPLETE && !last && to - start < this.#maxRecordBytes) return INCOMPLETE
          return this.#giveUp(span, start, i)
        }
        if (shape === 'plain' && (this.#quotedLoosely || bytes[i - 1] === SPACE)) shape = 'loose'
        hasQuotes = true
        i = end - 1
      }
      // Within an unquoted field a quote is a literal character (`24" screen`, `John "Jack" Doe`).
      else if (shape === 'plain') shape = 'loose'
    }
  }

  #parsedRecord(span: Span, from: number, dialect: ParsedDialect): number {
    const { bytes, to, last } = span
    const { isSound, cells, end, next } = parseRecord(bytes, dialect, { from, to, isLast: last })
    if (next < 0) return to - from < this.#maxRecordBytes ? INCOMPLETE : this.#giveUp(span, from, from)
    const isText = isSound && end - from < this.#maxRecordBytes && !bytes.subarray(from, end).includes(0)
    return this.#close(span, from, end, next, cells.length, isText ? 'loose' : 'misshapen', true)
  }

  /** @returns the start of the next line; `from` where the line is no comment */
  #commentLine({ bytes, to, last }: Span, from: number, comment: Buffer): number {
    const there = Math.min(comment.length, to - from)
    for (let index = 0; index < there; index++) if (bytes[from + index] !== comment[index]) return from
    if (there < comment.length) return last ? from : INCOMPLETE
    const end = lineEnd(bytes, from, to)
    if (end + 1 >= to && !last) {
      if (to - from < this.#maxRecordBytes) return INCOMPLETE
      this.#skipping = true
    }
    this.#options.sink?.('blank', bytes, from, from, this.lineCount)
    if (!this.#skipping) this.lineCount++
    return end >= to ? to : bytes[end] === CR && bytes[end + 1] === LF ? end + 2 : end + 1
  }

  /** Whether only spaces lie between a quote and the start of its field. */
  #opensField(bytes: Uint8Array, start: number, at: number): boolean {
    let i = at
    while (i > start && bytes[i - 1] === SPACE) i--
    return i === start || bytes[i - 1] === this.#delimiter
  }

  /** @returns the offset of the delimiter or line end after a quoted field whose text starts at `from` */
  #quotedField({ bytes, to, last }: Span, from: number): number {
    const quote = this.#quote
    let i = from
    for (; ; i += 2) {
      while (i < to && bytes[i] !== quote) i++
      if (i >= to || (i + 1 === to && !last)) return INCOMPLETE
      if (i + 1 === to || bytes[i + 1] !== quote) break
    }
    const close = ++i
    while (i < to && bytes[i] === SPACE) i++
    if (i >= to && !last) return INCOMPLETE
    this.#quotedLoosely = i > close
    return i >= to || bytes[i] === this.#delimiter || bytes[i] === LF || bytes[i] === CR ? i : JUNK
  }

  #close(
    { bytes, base }: Span,
    start: number,
    end: number,
    next: number,
    fieldCount: number,
    found: RecordShape,
    hasQuotes: boolean,
  ): number {
    const { sink, index, mayLackFields = false } = this.#options
    const expected = this.#options.fieldCount ?? fieldCount
    // An empty line in a file with one column is a record without a value.
    const isBlank = start === end && this.#options.fieldCount !== 1
    const isShort = fieldCount < expected && mayLackFields && found !== 'misshapen'
    const shape = isBlank ? 'blank' : fieldCount === expected ? found : isShort ? 'loose' : 'misshapen'
    if (sink !== undefined) sink(shape, bytes, start, end, this.lineCount)
    if (shape !== 'blank') {
      if (index !== undefined) index.visit(this.recordCount, base + start, this.lineCount)
      this.recordCount++
      if (shape === 'loose') this.looseCount++
      else if (shape === 'misshapen') this.misshapenCount++
    }
    if (hasQuotes) this.lineCount += countLines(bytes, start, end)
    if (next > end) this.lineCount++
    return next
  }

  /** Makes everything from `start` to the end of the line that contains `at` one malformed record. */
  #giveUp(span: Span, start: number, at: number): number {
    const { bytes, to, last } = span
    const end = lineEnd(bytes, at, to)
    if (end + 1 < to || last) {
      const next = end >= to ? to : bytes[end] === CR && bytes[end + 1] === LF ? end + 2 : end + 1
      return this.#close(span, start, end, Math.min(next, to), 1, 'misshapen', true)
    }
    if (to - start < this.#maxRecordBytes) return INCOMPLETE
    this.#skipping = true
    return this.#close(span, start, to, to, 1, 'misshapen', true)
  }

  #skipLine({ bytes, to, last }: Span, from: number): number {
    const end = lineEnd(bytes, from, to)
    if (end >= to) return last ? to : INCOMPLETE
    // If a CR is the last byte, its LF may be in the next chunk and then counts as a blank line: never a wrong record.
    this.#skipping = false
    this.lineCount++
    return bytes[end] === CR && bytes[end + 1] === LF ? end + 2 : end + 1
  }
}

/** The byte order mark in UTF-8. */
const MARK_BEGIN = 0xef
const MARK = [MARK_BEGIN, 0xbb, 0xbf] as const

function hasMark(bytes: Uint8Array, at: number, to: number): boolean {
  return at + MARK.length <= to && MARK.every((byte, index) => bytes[at + index] === byte)
}

function lineEnd(bytes: Uint8Array, from: number, to: number): number {
  let i = from
  while (i < to && bytes[i] !== LF && bytes[i] !== CR) i++
  return i
}

/** Line ends (LF, CRLF, lone CR) in a range. */
export function countLines(bytes: Uint8Array, start: number, end: number): number {
  let count = 0
  for (let i = start; i < end; i++) {
    const byte = bytes[i]
    if (byte === LF || (byte === CR && bytes[i + 1] !== LF)) count++
  }
  return count
}

/** Feeds a scanner with bytes that come in chunks: the incomplete record at the end of a chunk is put before the next chunk. */
export class ChunkScanner {
  readonly #scanner: RecordScanner
  #window = Buffer.alloc(0)
  #length = 0
  #offset: number

  /** @param base offset in the file of the first chunk's first byte */
  constructor(scanner: RecordScanner, base: number) {
    this.#scanner = scanner
    this.#offset = base
  }

  push(chunk: Uint8Array): void {
    if (this.#length + chunk.length > this.#window.length) {
      // Records are bounded in length, so the buffer grows only a few times.
      const grown = Buffer.allocUnsafe(2 * (this.#length + chunk.length))
      this.#window.copy(grown, 0, 0, this.#length)
      this.#window = grown
    }
    this.#window.set(chunk, this.#length)
    this.#length += chunk.length
    this.#scan(false)
  }

  /** To be called after the last chunk. */
  end(): void {
    this.#scan(true)
  }

  #scan(isLast: boolean): void {
    const taken = this.#scanner.scan(this.#window, 0, this.#length, this.#offset, isLast)
    this.#window.copyWithin(0, taken, this.#length)
    this.#length -= taken
    this.#offset += taken
  }
}

type ScanChunksOptions = {
  /** Offset in the file of the first chunk's first byte. */
  readonly base: number
  /** Called after each chunk, so that the output gathered by the scanner's sink can be flushed. */
  readonly afterChunk?: () => Promise<void>
}

/** Feeds a scanner with a whole file. */
export async function scanChunks(
  chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  scanner: RecordScanner,
  { base, afterChunk }: ScanChunksOptions,
): Promise<void> {
  const window = new ChunkScanner(scanner, base)
  for await (const chunk of chunks) {
    window.push(chunk)
    await afterChunk?.()
  }
  window.end()
  await afterChunk?.()
}

/**
 * The records of a CSV file, blank lines left out, as their cells; a cell without text and without quotes is null.
 * @param onMalformed called for a record whose quotes do not end where a field does, with its physical line, from 1
 */
export async function* readRecords(
  chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  { dialect, maxRecordBytes = MAX_RECORD_BYTES }: Pick<ScannerOptions, 'dialect' | 'maxRecordBytes'>,
  onMalformed?: (line: number) => void,
): AsyncGenerator<{ readonly cells: readonly (string | null)[]; readonly line: number }> {
  let found: { readonly cells: (string | null)[]; readonly line: number }[] = []
  const scanner = new RecordScanner({
    dialect,
    maxRecordBytes,
    sink: (shape, bytes, start, end, lineCount) => {
      if (shape === 'blank') return
      const record = bytes.subarray(start, end)
      // NUL makes a record malformed as well, and is for the rules of its column to judge.
      if (shape === 'misshapen' && !record.includes(0)) onMalformed?.(lineCount + 1)
      found.push({ cells: splitCells(record, dialect), line: lineCount + 1 })
    },
  })
  const window = new ChunkScanner(scanner, 0)
  for await (const chunk of chunks) {
    window.push(chunk)
    yield* found
    found = []
  }
  window.end()
  yield* found
}
