const QUOTE = 0x22
const BACKSLASH = 0x5c

/**
 * A name that an object of a JSON text has twice. Parsers keep its last value and lose the others without a word.
 * @param text valid JSON
 */
export function duplicateNameIn(text: string): string | undefined {
  /** The names of each object that is open; undefined for a list. */
  const open: (Set<string> | undefined)[] = []
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at)
    if (code === 0x7b) open.push(new Set())
    else if (code === 0x5b) open.push(undefined)
    else if (code === 0x7d || code === 0x5d) open.pop()
    else if (code === QUOTE) {
      const start = at + 1
      at = endOfText(text, start)
      const names = open.at(-1)
      if (names === undefined || !isName(text, at + 1)) continue
      const raw = text.slice(start, at)
      const name = raw.includes('\\') ? (JSON.parse(`"${raw}"`) as string) : raw
      if (names.has(name)) return name
      names.add(name)
    }
  }
  return undefined
}

/** The closing quote of a text; the end if there is none. */
function endOfText(text: string, start: number): number {
  for (let from = start; ;) {
    const end = text.indexOf('"', from)
    if (end < 0) return text.length
    let escapes = 0
    while (text.charCodeAt(end - 1 - escapes) === BACKSLASH) escapes += 1
    if (escapes % 2 === 0) return end
    from = end + 1
  }
}

/** Whether a colon comes next. */
function isName(text: string, from: number): boolean {
  let at = from
  while (text.charCodeAt(at) <= 0x20) at += 1
  return text.charCodeAt(at) === 0x3a
}
