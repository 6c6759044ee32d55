/** The syntax of the records of one CSV file. */
export type CsvDialect = {
  /** One ASCII character, or several characters. */
  readonly delimiter: string
  /** One ASCII character; doubled within a quoted field. The empty text: there are no quoted fields. */
  readonly quote: string
  /**
   * One ASCII character: a quote, delimiter, line end or the character itself after it is text. Before anything else it
   * is an ordinary character.
   */
  readonly escape?: string | undefined
}

/** Whether a dialect has only what RFC 4180 has: one byte as delimiter, quotes that are doubled within quotes. */
export function isUsual({ delimiter, quote, escape }: CsvDialect): boolean {
  return /^[\0-\x7f]$/.test(delimiter) && quote.length === 1 && (escape === undefined || escape === quote)
}

export const LF = 0x0a
export const CR = 0x0d
export const SPACE = 0x20
