import { CR, LF, SPACE, type CsvDialect } from './dialect.ts'

/** A dialect as bytes. */
export class ParsedDialect {
  readonly delimiter: Uint8Array
  /** -1: none. */
  readonly quote: number
  /** -1: none. */
  readonly escape: number

  constructor({ delimiter, quote, escape }: CsvDialect) {
    this.delimiter = Buffer.from(delimiter)
    this.quote = quote === '' ? -1 : quote.charCodeAt(0)
    this.escape = escape === undefined || escape === quote ? -1 : escape.charCodeAt(0)
  }

  /** Whether a delimiter begins at an offset. */
  isDelimiter(bytes: Uint8Array, at: number): boolean {
    for (let index = 0; index < this.delimiter.length; index++)
      if (bytes[at + index] !== this.delimiter[index]) return false
    return true
  }
}

export type ParsedRecord = {
  /** Whether its quotes end where a field does. */
  readonly isSound: boolean
  /** Null for a field without text and without quotes. */
  readonly cells: (string | null)[]
  /** Offset of its line end. */
  readonly end: number
  /** Offset of the next record; -1 where more bytes are needed to tell. */
  readonly next: number
}

/**
 * Parses one record of any dialect, byte by byte: for dialects that the fast scanner does not know. An unsound record ends
 * with the line in which its last quote opened.
 * @param from offset of its first byte
 * @param isLast whether the file ends with these bytes
 */
export function parseRecord(
  bytes: Uint8Array,
  dialect: ParsedDialect,
  { from = 0, to = bytes.length, isLast = true } = {},
): ParsedRecord {
  const { delimiter, quote, escape } = dialect
  const cells: (string | null)[] = []
  const more = { isSound: true, cells, end: to, next: -1 }
  /** How many bytes an escape character at an offset makes literal, 0 for none. */
  const escaped = (at: number): number => {
    if (bytes[at] !== escape) return 0
    if (dialect.isDelimiter(bytes, at + 1)) return delimiter.length
    const after = bytes[at + 1]
    return after !== undefined && (after === quote || after === escape || after === LF || after === CR) ? 1 : 0
  }
  let at = from
  for (;;) {
    const opened = at
    const parts: Uint8Array[] = []
    const isQuoted = bytes[at] === quote && at < to
    let start = at
    if (isQuoted) {
      start = ++at
      for (; ; at++) {
        if (at >= to || (at + 1 + delimiter.length > to && !isLast)) return isLast ? unsound(opened) : more
        const literal = escaped(at)
        if (literal > 0 || (bytes[at] === quote && bytes[at + 1] === quote && at + 1 < to)) {
          parts.push(bytes.subarray(start, at))
          start = at + 1
          at += Math.max(1, literal)
        } else if (bytes[at] === quote) break
      }
      parts.push(bytes.subarray(start, at))
      at++
      while (at < to && bytes[at] === SPACE) at++
    } else {
      for (; at < to && bytes[at] !== LF && bytes[at] !== CR && !dialect.isDelimiter(bytes, at); at++) {
        if (at + 1 + delimiter.length > to && !isLast) return more
        const literal = escaped(at)
        if (literal === 0) continue
        parts.push(bytes.subarray(start, at))
        start = at + 1
        at += literal
      }
      parts.push(bytes.subarray(start, at))
    }
    if (at + delimiter.length > to && !isLast) return more
    const text = Buffer.concat(parts).toString()
    cells.push(text === '' && !isQuoted ? null : text)
    if (at < to && dialect.isDelimiter(bytes, at)) at += delimiter.length
    else if (at >= to || bytes[at] === LF) return { isSound: true, cells, end: at, next: Math.min(at + 1, to) }
    else if (bytes[at] === CR) {
      if (at + 1 >= to && !isLast) return more
      return { isSound: true, cells, end: at, next: at + 1 < to && bytes[at + 1] === LF ? at + 2 : at + 1 }
    } else return unsound(opened)
  }

  function unsound(opened: number): ParsedRecord {
    let end = opened
    while (end < to && bytes[end] !== LF && bytes[end] !== CR) end++
    if (end + 1 >= to && !isLast) return more
    const isPair = bytes[end] === CR && bytes[end + 1] === LF
    return { isSound: false, cells, end, next: Math.min(to, isPair ? end + 2 : end + 1) }
  }
}
