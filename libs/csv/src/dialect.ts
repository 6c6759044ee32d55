/** How the records of one CSV file are written. */
export type CsvDialect = {
  /** One ASCII character. */
  readonly delimiter: string
  /** One ASCII character; doubled within a quoted field. */
  readonly quote: string
}

/** Delimiters that are looked for when none is declared, in order of preference. */
export const DELIMITERS = [',', ';', '\t', '|'] as const

/** The delimiter of a file with one column, whose text may hold any of the usual ones: a sign that text does not hold. */
export const NO_DELIMITER = '\u{1f}'

export const LF = 0x0a
export const CR = 0x0d
export const SPACE = 0x20

/**
 * Bytes. The longest record that is read: a longer one is a mistake in the file, and is rejected. DuckDB's own limit is
 * a little above. Source: duckdb.org/docs/stable/data/csv/overview, `max_line_size` 2,097,152
 */
export const MAX_RECORD_BYTES = 2_000_000

/** What a byte means to the structure of a file. */
export const TEXT = 0
export const DELIMITER = 1
export const LINE_FEED = 2
export const CARRIAGE_RETURN = 3
export const QUOTE = 4
export const NUL = 5

/** For each byte its meaning: an index into a table is the cheapest question that can be asked half a billion times. */
export function meaningsOf(dialect: CsvDialect): Uint8Array {
  const meanings = new Uint8Array(256)
  meanings[LF] = LINE_FEED
  meanings[CR] = CARRIAGE_RETURN
  meanings[0] = NUL
  meanings[dialect.delimiter.charCodeAt(0)] = DELIMITER
  meanings[dialect.quote.charCodeAt(0)] = QUOTE
  return meanings
}
