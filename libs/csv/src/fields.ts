import { SPACE, type CsvDialect } from './dialect.ts'

/**
 * The fields of one record as text, without their quotes. Spaces around a quoted field do not belong to it.
 * For records that `RecordScanner` classified as `plain` or `loose`.
 */
export function splitFields(record: Uint8Array, dialect: CsvDialect): string[] {
  const quote = dialect.quote.charCodeAt(0)
  const delimiter = dialect.delimiter.charCodeAt(0)
  const fields: string[] = []
  for (let start = 0; start <= record.length;) {
    let from = start
    while (record[from] === SPACE) from++
    let end: number
    if (record[from] === quote) {
      let close = from + 1
      while (close < record.length && (record[close] !== quote || record[close + 1] === quote)) {
        close += record[close] === quote ? 2 : 1
      }
      fields.push(textOf(record, from + 1, close).replaceAll(dialect.quote + dialect.quote, dialect.quote))
      end = record.indexOf(delimiter, close)
    } else {
      end = record.indexOf(delimiter, start)
      fields.push(textOf(record, start, end < 0 ? record.length : end))
    }
    if (end < 0) break
    start = end + 1
  }
  return fields
}

function textOf(bytes: Uint8Array, start: number, end: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString()
}

/** A text as a quoted field. */
export function quotedField(text: string, quote: string): string {
  return quote + text.replaceAll(quote, quote + quote) + quote
}
