import { isUsual, SPACE, type CsvDialect } from './dialect.ts'
import { ParsedDialect, parseRecord } from './parse-record.ts'

/** The syntax that Cinelake itself writes: RFC 4180 with `\n` after each record. */
export const OWN_DIALECT: CsvDialect = { delimiter: ',', quote: '"' }

/** Delimiters that are tried when none is declared, in order of preference. */
export const DELIMITERS = [',', ';', '\t', '|'] as const

/** The delimiter of a file with one column, whose text may contain any of the usual delimiters: a character that does not occur in text. */
export const NO_DELIMITER = '\u{1f}'

/**
 * Bytes. The longest record that is read: a longer one is an error in the file and is rejected. DuckDB's own limit is
 * slightly higher. Source: duckdb.org/docs/stable/data/csv/overview, `max_line_size` 2,097,152
 */
export const MAX_RECORD_BYTES = 2_000_000

/**
 * The fields of one record as text, without their quotes. Spaces around a quoted field do not belong to it.
 * For records that `RecordScanner` classified as `plain` or `loose`.
 */
export function splitFields(record: Uint8Array, dialect: CsvDialect): string[] {
  return splitCells(record, dialect).map((cell) => cell ?? '')
}

/** The same, with null for a field without text and without quotes: a quoted one is an empty text. */
export function splitCells(record: Uint8Array, dialect: CsvDialect): (string | null)[] {
  return isUsual(dialect) ? usualCells(record, dialect) : parseRecord(record, new ParsedDialect(dialect)).cells
}

function usualCells(record: Uint8Array, dialect: CsvDialect): (string | null)[] {
  const quote = dialect.quote.charCodeAt(0)
  const delimiter = dialect.delimiter.charCodeAt(0)
  const fields: (string | null)[] = []
  for (let start = 0; start <= record.length;) {
    let from = start
    while (record[from] === SPACE) from++
    let end: number
    if (record[from] === quote) {
      let close = from + 1
      while (close < record.length && (record[close] !== quote || record[close + 1] === quote)) {
        close += record[close] === quote ? 2 : 1
      }
      fields.push(decoded(record, from + 1, close).replaceAll(dialect.quote + dialect.quote, dialect.quote))
      end = record.indexOf(delimiter, close)
    } else {
      end = record.indexOf(delimiter, start)
      fields.push(decoded(record, start, end < 0 ? record.length : end) || null)
    }
    if (end < 0) break
    start = end + 1
  }
  return fields
}

function decoded(bytes: Uint8Array, start: number, end: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString()
}

/** A text as a quoted field. */
export function quotedField(text: string, quote: string): string {
  return quote + text.replaceAll(quote, quote + quote) + quote
}

/** Characters that must be quoted according to RFC 4180, and leading or trailing blanks, which readers trim. */
const NEEDS_QUOTES = /[",\r\n]|^\s|\s$/

/** A value as a CSV cell. A missing value differs from an empty text, which is quoted. */
function csvCell(value: string | null | undefined): string {
  if (value === null || value === undefined) return ''
  return value === '' || NEEDS_QUOTES.test(value) ? `"${value.replaceAll('"', '""')}"` : value
}

/**
 * Cells separated by commas, for a text that is encoded as UTF-8, which replaces lone surrogates; an empty text for one cell
 * without a value, and for no cells.
 */
export function csvCells(values: readonly (string | null | undefined)[]): string {
  let row = csvCell(values[0])
  for (let index = 1; index < values.length; index += 1) row += `,${csvCell(values[index])}`
  return row
}

/** A row with one cell without a value: readers skip an empty line. */
export const EMPTY_ROW = '""'

/** A row without its line end. */
export function csvRow(values: readonly (string | null | undefined)[]): string {
  return csvCells(values).toWellFormed() || EMPTY_ROW
}

/**
 * First characters of a spreadsheet formula, full-width forms included. Source:
 * owasp.org/www-community/attacks/CSV_Injection
 */
const FORMULA = /^[\s]*[=+\-@\uff1d\uff0b\uff0d\uff20]|^[\t\r\n]/

/** A plain number is harmless; with a second sign in front it is no longer a number. */
const NUMBER = /^[+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?$/

/** A text, prefixed with an apostrophe where a spreadsheet would evaluate it as a formula. */
export function guardFormula(cell: string): string {
  return FORMULA.test(cell) && !NUMBER.test(cell) ? `'${cell}` : cell
}
