/** Cells of a sheet, from 0, both ends included. */
export type CellRange = {
  readonly top: number
  readonly bottom: number
  readonly left: number
  readonly right: number
}

/** Columns of a sheet. Source: support.microsoft.com, "Excel specifications and limits" */
export const MAX_COLUMNS = 16_384

/** 0 → `A`, 25 → `Z`, 26 → `AA` */
export function columnLetters(column: number): string {
  const letter = String.fromCharCode(65 + (column % 26))
  return column < 26 ? letter : `${columnLetters(Math.floor(column / 26) - 1)}${letter}`
}

/** `A` → 0, `AA` → 26 */
function columnOf(letters: string): number {
  let column = 0
  for (const letter of letters.toUpperCase()) column = column * 26 + letter.charCodeAt(0) - 64
  return column - 1
}

/** `B7` → row 6, column 1; undefined for another text. */
export function cellPlace(text: string): { readonly row: number; readonly column: number } | undefined {
  const [, letters = '', digits = ''] = /^\$?([A-Za-z]{1,3})\$?([1-9]\d{0,6})$/.exec(text) ?? []
  if (letters === '') return undefined
  return { row: Number(digits) - 1, column: columnOf(letters) }
}

/** `B3:F200`; `B3:F`, `B:F`, `3:200` and `B3` are open at their other ends. */
export function cellRange(text: string): CellRange {
  const [from = '', to] = text.split(':')
  const begin = partsOf(from)
  const end = partsOf(to ?? '')
  return {
    top: begin.row ?? 0,
    left: begin.column ?? 0,
    bottom: end.row ?? Infinity,
    right: end.column ?? Infinity,
  }
}

function partsOf(text: string): { readonly row: number | undefined; readonly column: number | undefined } {
  const [, letters = '', digits = ''] = /^([A-Za-z]*)(\d*)$/.exec(text) ?? []
  return {
    row: digits === '' ? undefined : Number(digits) - 1,
    column: letters === '' ? undefined : columnOf(letters),
  }
}

/** `Sheet1!B7`; a name that is no plain word is quoted. */
export function placeInSheet(sheet: string, row: number, column: number): string {
  const name = /^[\p{L}_][\p{L}\p{N}_.]*$/u.test(sheet) ? sheet : `'${sheet.replaceAll("'", "''")}'`
  return `${name}!${columnLetters(column)}${row + 1}`
}
