/** Characters that must be quoted according to RFC 4180, and leading or trailing blanks, which readers trim. */
const NEEDS_QUOTES = /[",\r\n]|^\s|\s$/

/** A value as a CSV cell. A missing value differs from an empty text, which is quoted. */
function csvCell(value: string | null | undefined): string {
  if (value === null || value === undefined) return ''
  return value === '' || NEEDS_QUOTES.test(value) ? `"${value.replaceAll('"', '""')}"` : value
}

/** Cells separated by commas; an empty text for one cell without a value, and for no cells. */
export function csvCells(values: readonly (string | null | undefined)[]): string {
  let row = csvCell(values[0])
  for (let index = 1; index < values.length; index += 1) row += `,${csvCell(values[index])}`
  // A lone surrogate cannot be encoded in UTF-8; it becomes the replacement character.
  return row.toWellFormed()
}

/** A row with one cell without a value: readers skip an empty line. */
export const EMPTY_ROW = '""'

/** A row without its line end. */
export function csvRow(values: readonly (string | null | undefined)[]): string {
  return csvCells(values) || EMPTY_ROW
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
