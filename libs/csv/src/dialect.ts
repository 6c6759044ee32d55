/** The syntax of the records of one CSV file. */
export type CsvDialect = {
  /** One ASCII character. */
  readonly delimiter: string
  /** One ASCII character; doubled within a quoted field. */
  readonly quote: string
}

/** Delimiters that are tried when none is declared, in order of preference. */
export const DELIMITERS = [',', ';', '\t', '|'] as const

/** The delimiter of a file with one column, whose text may contain any of the usual delimiters: a character that does not occur in text. */
export const NO_DELIMITER = '\u{1f}'

export const LF = 0x0a
export const CR = 0x0d
export const SPACE = 0x20

/**
 * Bytes. The longest record that is read: a longer one is an error in the file and is rejected. DuckDB's own limit is
 * slightly higher. Source: duckdb.org/docs/stable/data/csv/overview, `max_line_size` 2,097,152
 */
export const MAX_RECORD_BYTES = 2_000_000

/** The structural meaning of a byte. */
export const TEXT = 0
export const DELIMITER = 1
export const LINE_FEED = 2
export const CARRIAGE_RETURN = 3
export const QUOTE = 4
export const NUL = 5

/** The structural meaning of each byte value: a table lookup is the cheapest test for something done half a billion times. */
export function meaningsOf(dialect: CsvDialect): Uint8Array {
  const meanings = new Uint8Array(256)
  meanings[LF] = LINE_FEED
  meanings[CR] = CARRIAGE_RETURN
  meanings[0] = NUL
  meanings[dialect.delimiter.charCodeAt(0)] = DELIMITER
  meanings[dialect.quote.charCodeAt(0)] = QUOTE
  return meanings
}
