/** What is printed in the place of a secret. */
export const REDACTED = '[secret]'

/** Characters. Anything shorter would blot out ordinary words, and protects nothing. */
const MIN_LENGTH = 4

/** Characters. A piece of Base64 as short as a word would be found in words. */
const MIN_BASE64_LENGTH = 6

/** Takes values out of texts that people get to read, in whatever way they are written there. */
export type Redactor = {
  /** From now on, this value is taken out as well. Values of less than four characters are not. */
  readonly add: (value: string) => void
  /** The text with every value replaced, also where it is percent-encoded, JSON-escaped or part of Base64. */
  readonly redact: (text: string) => string
}

/** @param values secrets that are known from the beginning */
export function createRedactor(values: Iterable<string> = []): Redactor {
  const known = new Set<string>()
  const spellings = new Set<string>()
  let pattern: RegExp | undefined

  const add = (value: string) => {
    if (value.length < MIN_LENGTH || known.has(value)) return
    known.add(value)
    for (const spelling of spellingsOf(value)) spellings.add(spelling)
    pattern = undefined
  }
  for (const value of values) add(value)
  return {
    add,
    redact: (text) => (spellings.size === 0 ? text : text.replaceAll((pattern ??= patternOf(spellings)), REDACTED)),
  }
}

/** Longest first: a secret may be part of another. All in one pass: what was put in is not looked at again. */
function patternOf(spellings: Iterable<string>): RegExp {
  const longestFirst = [...spellings].sort((a, b) => b.length - a.length)
  return new RegExp(longestFirst.map((spelling) => RegExp.escape(spelling)).join('|'), 'g')
}

function spellingsOf(value: string): string[] {
  const percent = percentEncodingsOf(value)
  const plain = [value, ...percent, ...percent.map(withSmallEscapes)]
  const escaped = plain.map(jsonEscaped)
  // A text within JSON within a line of the log is escaped twice.
  return [...plain, ...escaped, ...escaped.map(jsonEscaped), ...base64PiecesOf(value)].filter(
    (spelling) => spelling.length >= MIN_LENGTH,
  )
}

/** Each part of an address has its own characters that need escaping; forms write `+` for a blank besides. */
function percentEncodingsOf(value: string): string[] {
  const text = value.toWellFormed()
  const url = new URL('http://host')
  url.password = text
  url.pathname = text
  url.search = text
  return [
    encodeURIComponent(text),
    encodeURI(text),
    new URLSearchParams({ '': text }).toString().slice(1),
    url.password,
    url.pathname.slice(1),
    url.search.slice(1),
  ]
}

/** `%2F` as `%2f`, as some libraries write it. */
function withSmallEscapes(text: string): string {
  return text.replaceAll(/%[0-9A-F]{2}/g, (escape) => escape.toLowerCase())
}

function jsonEscaped(text: string): string {
  return JSON.stringify(text).slice(1, -1)
}

/**
 * What any Base64 that holds the value has in it, wherever in three bytes the value begins: `Basic` credentials are Base64
 * of `user:password`. Characters that also depend on what stands before or after are left out.
 */
function base64PiecesOf(value: string): string[] {
  const bytes = Buffer.from(value)
  const pieces = [0, 1, 2].map((before) => {
    const text = Buffer.concat([Buffer.alloc(before), bytes]).toString('base64url')
    const endsMidway = (before + bytes.length) % 3 !== 0
    return text.slice(Math.ceil((before * 8) / 6), endsMidway ? -1 : undefined)
  })
  return [bytes.toString('base64'), bytes.toString('base64url'), ...pieces, ...pieces.map(standardBase64)].filter(
    (piece) => piece.length >= MIN_BASE64_LENGTH,
  )
}

function standardBase64(base64url: string): string {
  return base64url.replaceAll('-', '+').replaceAll('_', '/')
}
