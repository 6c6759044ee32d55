import { compile, JSONPathError as UnreadablePath, type JSONValue } from 'json-p3'
import { JsonPathError } from '../errors.ts'
import { isExactNumber, isObject, type JsonArray, type JsonObject, type JsonValue } from './json-text.ts'

/** A way to one place in a body, step by step: names of fields, and places in arrays, from the end where negative. */
export type JsonPath = readonly (string | number)[]

const STEP = /^(?:\.([^.[\]*\s]+)|\['([^']*)'\]|\["([^"]*)"\]|\[(-?\d+)\])/

/**
 * Reads the part of JSONPath that leads to one place: `$`, `$.data.items`, `$['@odata.nextLink']`, `$.results[-1].id`.
 * @throws {JsonPathError} terminal
 */
export function parseJsonPath(text: string): JsonPath {
  const path = singlePath(text)
  if (path === undefined) throw new JsonPathError(text)
  return path
}

function singlePath(text: string): JsonPath | undefined {
  if (!text.startsWith('$')) return undefined
  const path: (string | number)[] = []
  for (let rest = text.slice(1); rest !== '';) {
    const [whole, plain, single, double, index] = STEP.exec(rest) ?? []
    if (whole === undefined) return undefined
    path.push(index === undefined ? (plain ?? single ?? double ?? '') : Number(index))
    rest = rest.slice(whole.length)
  }
  return path
}

/** What is at the end of a path; undefined where the path leads nowhere. */
export function valueAt(body: JsonValue, path: JsonPath): JsonValue | undefined {
  let value: JsonValue | undefined = body
  for (const step of path) value = typeof step === 'number' ? itemOf(value, step) : fieldOf(value, step)
  return value
}

/**
 * What a path of any kind selects: the value of a path to one place, or the list of what `[*]`, `..` and filters find.
 * @param text JSONPath (RFC 9535)
 * @throws {JsonPathError} terminal
 */
export function selectIn(body: JsonValue, text: string): JsonValue | undefined {
  const path = singlePath(text)
  if (path !== undefined) return valueAt(body, path)
  try {
    // Filters compare numbers as JavaScript has them; what is found is taken from the body with its exact ones.
    const nodes = compile(text).query(withPlainNumbers(body))
    return [...nodes].map(({ location }) => valueAt(body, location) ?? null)
  } catch (error) {
    if (error instanceof UnreadablePath) throw new JsonPathError(text)
    throw error
  }
}

function withPlainNumbers(value: JsonValue): JSONValue {
  if (Array.isArray(value)) return (value as JsonArray).map(withPlainNumbers)
  if (isObject(value)) {
    return Object.fromEntries(Object.entries(value).map(([name, field]) => [name, withPlainNumbers(field)]))
  }
  if (typeof value === 'object' && value !== null) return isExactNumber(value) ? Number(value.rawJSON) : null
  return value
}

/** The same body with a value put in; objects on the way to it are made where they are missing. */
export function withValueAt(body: JsonValue, [step, ...rest]: JsonPath, value: JsonValue): JsonValue {
  if (step === undefined) return value
  const below = (inner: JsonValue | undefined) => withValueAt(inner ?? {}, rest, value)
  if (typeof step === 'number') {
    const items = Array.isArray(body) ? [...(body as JsonArray)] : []
    items[step < 0 ? Math.max(0, items.length + step) : step] = below(itemOf(body, step))
    return items
  }
  const fields: JsonObject = isObject(body) ? body : {}
  return Object.fromEntries([...Object.entries(fields), [step, below(fieldOf(body, step))]])
}

function itemOf(value: JsonValue | undefined, index: number): JsonValue | undefined {
  return Array.isArray(value) ? (value as JsonArray).at(index) : undefined
}

function fieldOf(value: JsonValue | undefined, name: string): JsonValue | undefined {
  if (!isObject(value) || !Object.hasOwn(value, name)) return undefined
  return (value as JsonObject)[name]
}
