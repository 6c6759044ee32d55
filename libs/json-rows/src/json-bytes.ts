export const QUOTE = 0x22
export const COMMA = 0x2c
export const COLON = 0x3a
export const BACKSLASH = 0x5c
const LIST = 0x5b
export const LIST_END = 0x5d
export const OBJECT = 0x7b
export const OBJECT_END = 0x7d

/** Thrown where bytes of JSON are not what is looked for. */
export const ODD = new Error('not what is looked for')

/*
 * Steps through bytes of JSON: each takes a position, and returns the one behind what it passed. They find places; whether the
 * bytes between them are JSON is for the parser to say.
 */

export function blanks(bytes: Uint8Array, from: number): number {
  let at = from
  for (;;) {
    const byte = bytes[at]
    if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) return at
    at += 1
  }
}

/** Behind blanks and a byte. @throws {ODD} */
export function behind(bytes: Uint8Array, wanted: number, from: number): number {
  const at = blanks(bytes, from)
  if (bytes[at] !== wanted) throw ODD
  return at + 1
}

/** From the opening quote to behind the closing one. @throws {ODD} */
export function behindText(bytes: Uint8Array, from: number): number {
  for (let at = from + 1; ;) {
    const end = bytes.indexOf(QUOTE, at)
    if (end < 0) throw ODD
    let escapes = 0
    while (bytes[end - 1 - escapes] === BACKSLASH) escapes += 1
    at = end + 1
    if (escapes % 2 === 0) return at
  }
}

/** Behind any value. */
export function behindValue(bytes: Uint8Array, from: number): number {
  let at = blanks(bytes, from)
  if (bytes[at] === QUOTE) return behindText(bytes, at)
  for (let depth = 0; at < bytes.length;) {
    const byte = bytes[at]
    if (byte === QUOTE) {
      at = behindText(bytes, at)
      continue
    }
    if (byte === LIST || byte === OBJECT) depth += 1
    else if (byte === COMMA && depth === 0) return at
    else if (byte === LIST_END || byte === OBJECT_END) {
      if (depth === 0) return at
      depth -= 1
      if (depth === 0) return at + 1
    }
    at += 1
  }
  return at
}

/** The name without escapes between these quotes. @throws {ODD} */
export function nameIn(bytes: Buffer, start: number, end: number): string {
  const name = bytes.toString('utf8', start + 1, end - 1)
  if (name.includes('\\')) throw ODD
  return name
}

/**
 * Behind the bracket that opens a list.
 * @param path names of the fields that lead to it
 * @throws {ODD}
 */
export function behindListStart(bytes: Buffer, path: readonly string[]): number {
  let at = 0
  for (const step of path) {
    at = behind(bytes, OBJECT, at)
    for (;;) {
      at = blanks(bytes, at)
      if (bytes[at] !== QUOTE) throw ODD
      const end = behindText(bytes, at)
      const name = nameIn(bytes, at, end)
      at = behind(bytes, COLON, end)
      if (name === step) break
      at = behind(bytes, COMMA, behindValue(bytes, at))
    }
  }
  return behind(bytes, LIST, at)
}

/**
 * The items of a list in valid JSON as texts, and what is before and after them; undefined if there is no list at this path.
 * @param path names of the fields that lead to it
 */
export function listItems(
  text: string,
  path: readonly string[],
): { readonly before: string; readonly items: readonly string[]; readonly after: string } | undefined {
  const bytes = Buffer.from(text)
  try {
    const start = behindListStart(bytes, path)
    const items: string[] = []
    let at = blanks(bytes, start)
    while (bytes[at] !== LIST_END) {
      const end = behindValue(bytes, at)
      items.push(bytes.toString('utf8', at, end).trimEnd())
      at = blanks(bytes, end)
      if (bytes[at] === COMMA) at = blanks(bytes, at + 1)
      else if (bytes[at] !== LIST_END) throw ODD
    }
    return { before: bytes.toString('utf8', 0, start), items, after: bytes.toString('utf8', at) }
  } catch (error) {
    if (error === ODD) return undefined
    throw error
  }
}
