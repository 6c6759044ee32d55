/** Printed in place of a secret. */
export const REDACTED = '[secret]'

/** Characters. A shorter value would match ordinary words, and protects nothing. */
const MIN_LENGTH = 4

/** Characters. A shorter piece of Base64 would match ordinary words. */
const MIN_BASE64_LENGTH = 6

/** Removes secret values from texts that people read, in every encoding that they occur in. */
export type Redactor = {
  /** From now on, this value is removed as well, unless it has fewer than four characters. */
  readonly add: (value: string) => void
  /** The text with every value replaced, also where it is percent-encoded, JSON-escaped or part of Base64. */
  readonly redact: (text: string) => string
}

/** @param values secrets that are known at the start */
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

/** Longest first: a secret may be part of another. All in one pass: replacements are not scanned again. */
function patternOf(spellings: Iterable<string>): RegExp {
  const longestFirst = [...spellings].sort((a, b) => b.length - a.length)
  return new RegExp(longestFirst.map((spelling) => RegExp.escape(spelling)).join('|'), 'g')
}

function spellingsOf(value: string): string[] {
  const percent = percentEncodingsOf(value)
  const plain = [value, ...percent, ...percent.map(withSmallEscapes)]
  const escaped = plain.map(jsonEscaped)
  // A text within JSON within a log line is escaped twice.
  return [...plain, ...escaped, ...escaped.map(jsonEscaped), ...base64PiecesOf(value)].filter(
    (spelling) => spelling.length >= MIN_LENGTH,
  )
}

/** Each part of an address has its own characters that need escaping; forms also write `+` for a blank. */
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
 * The part that any Base64 of a text with the value contains, for each alignment to three bytes: `Basic` credentials
 * are Base64 of `user:password`. Characters that also depend on the text before or after are omitted.
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
