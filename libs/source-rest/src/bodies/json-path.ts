import {
  FunctionExpressionType,
  JSONPathEnvironment,
  JSONPathError as UnreadablePath,
  JSONPathRecursionLimitError,
  type JSONValue,
} from 'json-p3'
import type { Matcher } from '@cinelake/core'
import { restErrors } from '../errors.ts'
import { compileIRegexp } from './i-regexp.ts'
import { isExactNumber, isObject, type JsonArray, type JsonObject, type JsonValue } from '@cinelake/json-rows'

/** A path to one place in a body: names of fields, and indexes of arrays, from the end if negative. */
export type JsonPath = readonly (string | number)[]

const STEP = /^(?:\.([^.[\]*\s]+)|\['([^']*)'\]|\["([^"]*)"\]|\[(-?\d+)\])/

/**
 * Parses the part of JSONPath that selects one place: `$`, `$.data.items`, `$['@odata.nextLink']`, `$.results[-1].id`.
 * @throws {REST_PATH_INVALID} terminal
 */
export function parseJsonPath(text: string): JsonPath {
  const path = singlePath(text)
  if (path === undefined) throw restErrors.REST_PATH_INVALID(text)
  return path
}

/** A path to one place; undefined for one that may select several. */
export function singlePath(text: string): JsonPath | undefined {
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

/** The part of a path before the first step that may select several places. */
export function singleBeginning(text: string): JsonPath {
  for (let end = text.length; end > 1; end -= 1) {
    const path = singlePath(text.slice(0, end))
    if (path !== undefined) return path
  }
  return []
}

/** The value at a path; undefined if the path does not exist. */
export function valueAt(body: JsonValue, path: JsonPath): JsonValue | undefined {
  let value: JsonValue | undefined = body
  for (const step of path) value = typeof step === 'number' ? itemOf(value, step) : fieldOf(value, step)
  return value
}

/**
 * The selection of any JSONPath: the value of a path to one place, or the list that `[*]`, `..` and filters find.
 * @param text JSONPath (RFC 9535)
 * @throws {REST_PATH_INVALID} terminal
 * @throws {REST_PATH_TOO_COSTLY} terminal: evaluation would take more than a small multiple of the body's size
 */
export function selectIn(body: JsonValue, text: string): JsonValue | undefined {
  const path = singlePath(text)
  if (path !== undefined) return valueAt(body, path)
  const budget = new Budget()
  try {
    // Filters compare JavaScript numbers; results are taken from the body with its exact numbers.
    const plain = withPlainNumbers(body, budget, 0)
    const found: JsonValue[] = []
    // One at a time: the library's own lists fail from some ten thousand items on.
    for (const { location } of new BoundedPaths(budget).lazyQuery(text, plain)) {
      found.push(valueAt(body, location) ?? null)
    }
    return found
  } catch (error) {
    if (error instanceof TooMuch || error instanceof JSONPathRecursionLimitError)
      throw restErrors.REST_PATH_TOO_COSTLY(text, error.message)
    if (error instanceof UnreadablePath) throw restErrors.REST_PATH_INVALID(text)
    throw error
  }
}

/** Steps per value of the body: a path that visits each value a few times stays far below. */
const STEPS_PER_VALUE = 100

/** Levels of a body that paths to several places are evaluated in. */
const MAX_DEPTH = 500

class TooMuch extends Error {}

/** Counts the steps of a path: `$..a..b..c` may reach each place in many ways, and a filter may visit everything for each. */
class Budget {
  #left = 10_000

  grant(): void {
    this.#left += STEPS_PER_VALUE
  }

  spend(steps = 1): void {
    this.#left -= steps
    if (this.#left < 0) throw new TooMuch(`a path that looks at each value more than ${STEPS_PER_VALUE} times`)
  }
}

class BoundedPaths extends JSONPathEnvironment {
  readonly #budget: Budget

  constructor(budget: Budget) {
    super({ maxRecursionDepth: MAX_DEPTH })
    this.#budget = budget
    this.functionRegister.set('match', new LinearMatch(false))
    this.functionRegister.set('search', new LinearMatch(true))
  }

  override entries(value: Record<string, JSONValue>): [string, JSONValue][] {
    const entries = Object.entries(value)
    this.#budget.spend(entries.length)
    return entries
  }
}

/** `match` and `search` of a filter, in linear time. */
class LinearMatch {
  readonly argTypes = [FunctionExpressionType.ValueType, FunctionExpressionType.ValueType]
  readonly returnType = FunctionExpressionType.LogicalType
  readonly #isPart: boolean
  readonly #known = new Map<string, Matcher | undefined>()

  constructor(isPart: boolean) {
    this.#isPart = isPart
  }

  call(text: unknown, expression: unknown): boolean {
    if (typeof text !== 'string' || typeof expression !== 'string') return false
    if (!this.#known.has(expression)) {
      // Not cached: expressions may come from the body itself, a different one in each record.
      if (this.#known.size >= 100) this.#known.clear()
      this.#known.set(expression, compileIRegexp(expression, this.#isPart))
    }
    return this.#known.get(expression)?.match(text) !== undefined
  }
}

function withPlainNumbers(value: JsonValue, budget: Budget, depth: number): JSONValue {
  if (depth > MAX_DEPTH) throw new TooMuch(`a body of more than ${MAX_DEPTH} levels`)
  budget.grant()
  if (Array.isArray(value)) {
    const items = (value as JsonArray).map((item) => withPlainNumbers(item, budget, depth + 1))
    return new Proxy(items, {
      get(target, key) {
        budget.spend()
        return Reflect.get(target, key) as unknown
      },
    })
  }
  if (isObject(value)) {
    return Object.fromEntries(
      Object.entries(value).map(([name, field]) => [name, withPlainNumbers(field, budget, depth + 1)]),
    )
  }
  if (typeof value === 'object' && value !== null) return isExactNumber(value) ? Number(value.rawJSON) : null
  return value
}

/** The same body with a value set; missing objects on the path are created. */
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
