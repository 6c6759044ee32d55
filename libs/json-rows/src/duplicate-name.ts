const QUOTE = 0x22
const BACKSLASH = 0x5c

/** An object or list that is open, with what the one before it in its place had: the next object mostly has the same names. */
type Frame = {
  readonly isObject: boolean
  /** Distinct names as they are written, of the previous object from `place` on. */
  names: string[]
  /** Names that this object has so far. */
  place: number
  /** The same without escapes, from the first name on that differs from the previous object's. */
  seen: Set<string> | undefined
  /** What is in it, by place. */
  readonly inner: (Frame | undefined)[]
}

/**
 * A name that an object of a JSON text has twice. Parsers keep its last value and lose the others without a word.
 * @param text valid JSON
 */
export function duplicateNameIn(text: string): string | undefined {
  const open: Frame[] = []
  let frame = newFrame(false)
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at)
    if (code === QUOTE) {
      const start = at + 1
      at = endOfText(text, start)
      if (!frame.isObject || !isName(text, at + 1)) continue
      const expected = frame.names[frame.place]
      if (frame.seen === undefined && expected?.length === at - start && text.startsWith(expected, start)) {
        frame.place += 1
        continue
      }
      const name = text.slice(start, at)
      if (isTwice(frame, name)) return plain(name)
    } else if (code === 0x7b || code === 0x5b) {
      open.push(frame)
      frame = innerFrame(frame, code === 0x7b)
    } else if (code === 0x7d || code === 0x5d) {
      frame = open.pop() ?? frame
    }
  }
  return undefined
}

const newFrame = (isObject: boolean): Frame => ({ isObject, names: [], place: 0, seen: undefined, inner: [] })

function innerFrame({ place, inner }: Frame, isObject: boolean): Frame {
  const before = inner[place]
  if (before?.isObject !== isObject) return (inner[place] = newFrame(isObject))
  before.place = 0
  before.seen = undefined
  return before
}

function isTwice(frame: Frame, name: string): boolean {
  frame.names = frame.names.slice(0, frame.place)
  frame.seen ??= new Set(frame.names.map(plain))
  if (frame.seen.has(plain(name))) return true
  frame.seen.add(plain(name))
  frame.names.push(name)
  frame.place += 1
  return false
}

/** A name without escapes. */
function plain(name: string): string {
  return name.includes('\\') ? (JSON.parse(`"${name}"`) as string) : name
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
