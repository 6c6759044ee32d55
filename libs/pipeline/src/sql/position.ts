/** A place in a text, counted from 1; columns in UTF-16 code units, as editors count them. */
export type TextPosition = { readonly line: number; readonly column: number }

/** The place of an offset in UTF-16 code units. */
export function positionAt(text: string, offset: number): TextPosition {
  const before = text.slice(0, offset)
  const lineStart = before.lastIndexOf('\n') + 1
  return { line: before.split('\n').length, column: offset - lineStart + 1 }
}

/** The offset in UTF-16 code units of a place; the end of the text if the place is beyond it. */
export function offsetAt(text: string, { line, column }: TextPosition): number {
  let lineStart = 0
  for (let current = 1; current < line; current++) {
    const next = text.indexOf('\n', lineStart)
    if (next < 0) return text.length
    lineStart = next + 1
  }
  return Math.min(lineStart + column - 1, text.length)
}

/** The offset in UTF-16 code units of a position that the engine gives in bytes of the text. */
export function offsetOfByte(text: string, byte: number): number {
  let bytes = 0
  let offset = 0
  while (bytes < byte && offset < text.length) {
    const code = text.codePointAt(offset) ?? 0
    bytes += code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4
    offset += code < 0x10000 ? 1 : 2
  }
  return offset
}

/** The offset in UTF-16 code units of a position given in Unicode characters of the text. */
export function offsetOfCharacter(text: string, character: number): number {
  return Array.from(text).slice(0, character).join('').length
}
