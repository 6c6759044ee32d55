import { JsonPathError } from './errors.ts'
import { isObject, type JsonArray, type JsonObject, type JsonValue } from './json-text.ts'

/** A way into a body, step by step: names of fields and places in arrays. */
export type JsonPath = readonly (string | number)[]

const STEP = /^(?:\.([^.[\]]+)|\['([^']*)'\]|\["([^"]*)"\]|\[(\d+)\])/

/**
 * Reads the plain part of JSONPath: `$`, `$.data.items`, `$['@odata.nextLink']`, `$.results[0]`.
 * @throws {JsonPathError} terminal
 */
export function parseJsonPath(text: string): JsonPath {
  if (!text.startsWith('$')) throw new JsonPathError(text)
  const path: (string | number)[] = []
  for (let rest = text.slice(1); rest !== '';) {
    const [whole, plain, single, double, index] = STEP.exec(rest) ?? []
    if (whole === undefined) throw new JsonPathError(text)
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

function itemOf(value: JsonValue | undefined, index: number): JsonValue | undefined {
  return Array.isArray(value) ? (value as JsonArray)[index] : undefined
}

function fieldOf(value: JsonValue | undefined, name: string): JsonValue | undefined {
  if (!isObject(value) || !Object.hasOwn(value, name)) return undefined
  return (value as JsonObject)[name]
}
