import type { z } from 'zod'
import type { YamlPath } from './yaml-text.ts'

/** Lists whose items are kept whole or not at all. */
const WHOLE_ITEMS: ReadonlySet<string | number> = new Set(['properties', 'quality', 'rules', 'serve'])

/** Rounds. Each takes out everything that the round before found; texts nest less deep than this. */
const MAX_ROUNDS = 12

/**
 * What is left of a value when everything that does not fit its schema is taken out, so that one mistake does not hide
 * others. A mapping that lacks something it must have is taken out as a whole.
 */
export function salvage<Schema extends z.ZodType>(
  schema: Schema,
  value: unknown,
  fallback: Readonly<Record<string, unknown>>,
): z.output<Schema> | undefined {
  let rest: unknown = structuredClone(value)
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const parsed = schema.safeParse(rest)
    if (parsed.success) return parsed.data
    const wrong = parsed.error.issues.flatMap((issue) => wrongPaths(issue, rest))
    // From the back, so that taking one out of a list does not move the others.
    for (const path of wrong.sort(byPath).reverse()) {
      if (path.length === 0) return undefined
      rest = takeOut(rest, path, fallback)
    }
  }
  return undefined
}

export function valueAt(value: unknown, path: YamlPath): unknown {
  return path.reduce<unknown>(
    (found, step) => (isContainer(found) && Object.hasOwn(found, step) ? found[step] : undefined),
    value,
  )
}

function wrongPaths(issue: z.core.$ZodIssue, value: unknown): YamlPath[] {
  const path = issue.path.map((step) => (typeof step === 'symbol' ? String(step) : step))
  if (issue.code === 'unrecognized_keys') return issue.keys.map((key) => [...path, key])
  // What is left of an item of these would be read as something that is not written there.
  const item = path.findLastIndex((step, index) => typeof step === 'number' && WHOLE_ITEMS.has(path[index - 1] ?? ''))
  if (item >= 0) return [path.slice(0, item + 1)]
  // Something that is missing makes what is around it useless; at the top there may be something to put in its place.
  const missing = valueAt(value, path) === undefined && path.length > 1
  return [missing ? path.slice(0, -1) : path]
}

function takeOut(value: unknown, path: YamlPath, fallback: Readonly<Record<string, unknown>>): unknown {
  const last = path.at(-1)
  const around = valueAt(value, path.slice(0, -1))
  if (last === undefined || !isContainer(around)) return value
  if (path.length === 1 && Object.hasOwn(fallback, last) && around[last] !== fallback[last]) {
    around[last] = fallback[last]
  } else if (Array.isArray(around)) {
    around.splice(Number(last), 1)
  } else if (Object.hasOwn(around, last)) {
    delete around[last]
  } else {
    // Missing at the top with nothing to put in its place.
    return undefined
  }
  return value
}

function isContainer(value: unknown): value is Record<string | number, unknown> {
  return typeof value === 'object' && value !== null
}

function byPath(one: YamlPath, other: YamlPath): number {
  for (let index = 0; index < Math.min(one.length, other.length); index++) {
    const [left, right] = [one[index], other[index]]
    if (left === right) continue
    if (typeof left === 'number' && typeof right === 'number') return left - right
    return String(left) < String(right) ? -1 : 1
  }
  return one.length - other.length
}
