/** A number as the server wrote it, if JavaScript's own number would have another value or another text. */
export type ExactNumber = { readonly rawJSON: string }

export type JsonValue = null | boolean | number | string | ExactNumber | JsonArray | JsonObject
export type JsonArray = readonly JsonValue[]
export type JsonObject = { readonly [name: string]: JsonValue }

/** The part of ECMAScript 2026 (JSON.parse source text access) that Node 24 has and TypeScript's library does not have yet. */
type JsonWithSource = {
  parse(
    text: string,
    reviver: (name: string, value: unknown, context: { readonly source?: string }) => unknown,
  ): unknown
  rawJSON(text: string): ExactNumber
  isRawJSON(value: unknown): value is ExactNumber
}
const json = JSON as unknown as JsonWithSource

/**
 * Finds a number that JavaScript would write differently: a minus zero, a fraction that ends in zero, an exponent, a number
 * below a millionth, or more than fifteen digits, the precision of a double. It matches the end of a number first,
 * then looks back for its beginning: few positions in a text match both, and most numbers are passed over at once by a simpler
 * look. A string within the text may look like a number; that costs time, never exactness.
 */
const UNCOMMON_NUMBER =
  /\d[\s,\]}](?<![\s:,[](?:0|-?[1-9]\d{0,14}|-?\d{1,9}\.\d{0,5}[1-9])[^])(?<=(?:-0|\.\d*0|\d[eE][-+]?\d+|\d{16}|[\d.]{17}|0\.0{6}\d*)[^])(?<=(?:"\s*:|[[,])\s*[-+.\deE]+[^])/

/** A text that is a number and cannot be followed by one. */
const LONE_NUMBER = /^\s*[-\d]/

/**
 * Parses JSON without changing a number: integers of any size and decimals of any length keep their original text.
 * @throws {SyntaxError} whose message may quote the text
 */
export function parseJson(text: string): JsonValue {
  const isPlain = !UNCOMMON_NUMBER.test(text) && !LONE_NUMBER.test(text)
  const parsed: unknown = isPlain ? JSON.parse(text) : json.parse(text, keepNumber)
  return parsed as JsonValue
}

export function isExactNumber(value: JsonValue): value is ExactNumber {
  return json.isRawJSON(value)
}

export function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !json.isRawJSON(value)
}

function keepNumber(_name: string, value: unknown, { source }: { readonly source?: string }): unknown {
  return typeof value !== 'number' || source === undefined || source === String(value) ? value : json.rawJSON(source)
}

/** Why a text is not valid JSON, without quoting it. */
export function describeSyntaxError(error: unknown, length: number): string {
  const message = error instanceof Error ? error.message : ''
  if (length === 0) return 'nothing'
  if (error instanceof RangeError) return 'lists and objects within each other that are too many to be read'
  if (/Unexpected end|Unterminated/.test(message)) return `a text that ends in the middle, after ${length} characters`
  const [, position] = /at position (\d+)/.exec(message) ?? []
  return position === undefined
    ? 'a text that is something else'
    : `a text that is something else from character ${position} on`
}
