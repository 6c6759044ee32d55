/** A place in a text, counted from 1; columns in UTF-16 code units, as editors count them. */
export type TextPosition = { readonly line: number; readonly column: number }

/** The place of an offset in UTF-16 code units. */
export function positionAt(text: string, offset: number): TextPosition {
  const before = text.slice(0, offset)
  const lineStart = before.lastIndexOf('\n') + 1
  return { line: before.split('\n').length, column: offset - lineStart + 1 }
}

/** The offset in UTF-16 code units of a place; the end of the text when it lies behind it. */
export function offsetAt(text: string, { line, column }: TextPosition): number {
  let lineStart = 0
  for (let current = 1; current < line; current++) {
    const next = text.indexOf('\n', lineStart)
    if (next < 0) return text.length
    lineStart = next + 1
  }
  return Math.min(lineStart + column - 1, text.length)
}

/** Code units for an offset that the parser gives in Unicode characters. */
export function codeUnits(text: string, characters: number): number {
  let units = 0
  for (let seen = 0; seen < characters && units < text.length; seen++) {
    units += (text.codePointAt(units) ?? 0) > 0xffff ? 2 : 1
  }
  return units
}
