/** What RFC 4180 asks to be quoted, and blanks at the ends, which readers take away. */
const NEEDS_QUOTES = /[",\r\n]|^\s|\s$/

/** A value as a cell of a CSV row. Nothing is not the same as an empty text, which is quoted. */
function csvCell(value: string | null | undefined): string {
  if (value === null || value === undefined) return ''
  return value === '' || NEEDS_QUOTES.test(value) ? `"${value.replaceAll('"', '""')}"` : value
}

/** Cells with commas between them; an empty text for one cell without a value, and for none. */
export function csvCells(values: readonly (string | null | undefined)[]): string {
  let row = csvCell(values[0])
  for (let index = 1; index < values.length; index += 1) row += `,${csvCell(values[index])}`
  // A lone surrogate has no form in UTF-8; it becomes the character that stands for what cannot be shown.
  return row.toWellFormed()
}

/** What stands for a row of one cell without a value: readers take an empty line for no row. */
export const EMPTY_ROW = '""'

/** A row without its line end. */
export function csvRow(values: readonly (string | null | undefined)[]): string {
  return csvCells(values) || EMPTY_ROW
}

/** What spreadsheets take for a formula, also in its wide forms. Source: owasp.org/www-community/attacks/CSV_Injection */
const FORMULA = /^[\s]*[=+\-@\uff1d\uff0b\uff0d\uff20]|^[\t\r\n]/

/** A number is harmless, and no number any more with a sign in front of it. */
const NUMBER = /^[+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?$/

/** A text with an apostrophe in front where a spreadsheet would calculate it. */
export function guardFormula(cell: string): string {
  return FORMULA.test(cell) && !NUMBER.test(cell) ? `'${cell}` : cell
}
