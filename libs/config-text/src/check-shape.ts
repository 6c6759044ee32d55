import { suggest } from '@cinelake/core'
import { z } from 'zod'
import type { Problems } from './problem.ts'
import { type Sensitivity, sensitivityOf } from './secrets.ts'
import type { YamlPath, YamlText } from './yaml-text.ts'

/** A mapping that knows its keys: an unknown one is reported with the one that was probably meant. */
export function mapping<Shape extends z.core.$ZodLooseShape>(shape: Shape) {
  return z.strictObject(shape, {
    error: (issue) =>
      issue.code === 'unrecognized_keys'
        ? issue.keys.map((key) => suggest(key, Object.keys(shape))).join('\n')
        : undefined,
  })
}

/**
 * Reports all that is wrong with a text's shape.
 * @param fallback values for keys of the top that are missing or wrong, so that the rest can still be looked at
 * @returns what is left when everything wrong is taken out; undefined when that is nothing
 */
export function checkShape<Schema extends z.ZodType>(
  schema: Schema,
  text: YamlText,
  problems: Problems,
  fallback: Readonly<Record<string, unknown>> = {},
): z.output<Schema> | undefined {
  if (text.value === undefined) return undefined
  const parsed = schema.safeParse(text.value)
  if (parsed.success) return parsed.data
  for (const issue of parsed.error.issues) reportIssue(issue, [], { schema, text, problems })
  return salvage(schema, text.value, fallback)
}

type Report = { readonly schema: z.core.$ZodType; readonly text: YamlText; readonly problems: Problems }

function reportIssue(issue: z.core.$ZodIssue, above: YamlPath, report: Report): void {
  const { text, problems } = report
  const path = [...above, ...issue.path.map((step) => (typeof step === 'symbol' ? String(step) : step))]
  if (issue.code === 'unrecognized_keys') return reportKeys(issue, path, report)
  if (issue.code === 'invalid_union') return reportUnion(issue, path, report)
  const value = valueAt(text.value, path)
  if (value === undefined && issue.code === 'invalid_type') {
    problems.error(text.at(path), `${keyNameOf(path, report)} is missing`, `expected ${wanted(issue.expected)}`)
    return
  }
  wrong(path, value, remedyOf(issue, value), report)
}

/** A key that the mapping does not know may be a secret that stands where a key does. */
function reportKeys(issue: z.core.$ZodIssueUnrecognizedKeys, path: YamlPath, { schema, text, problems }: Report): void {
  const remedies = issue.message.split('\n')
  const { hidden } = sensitivityOf(schema, path)
  issue.keys.forEach((key, index) => {
    const at = text.atKey([...path, key])
    const remedy = remedies[index] ?? 'remove it'
    const isKey =
      remedy.startsWith('did you mean') || (IS_KEY.test(key) && valueAt(text.value, [...path, key]) !== null)
    const what = hidden && !isKey ? 'unknown key' : `unknown key \`${key}\``
    problems.error(at, `${what}${inside(path)}`, remedy)
  })
}

/** What keys look like; secrets mostly have digits or signs. */
const IS_KEY = /^[A-Za-z][A-Za-z_-]{0,39}$/

/** Reports a value that does not fit. What is, or may hold, a secret is not shown: it may stand there in the wrong form. */
function wrong(
  path: YamlPath,
  value: unknown,
  remedy: string,
  report: Report,
  { hidden, secrecy }: Sensitivity = sensitivityOf(report.schema, path),
): void {
  const { text, problems } = report
  const got = hidden ? valueKind(value) : shown(value)
  // Said the first: quotes around a secret would keep it in the text.
  const instead =
    secrecy === 'always'
      ? AS_SECRET
      : hidden
        ? `${remedy.replace(/: put it in quotes, [\s\S]*$/, '')}; ${KEPT}`
        : remedy
  problems.error(text.at(path), `${keyNameOf(path, report)} is wrong: got ${got}`, instead)
}

/** What is done with a secret that stands in the text. */
export const AS_SECRET = "write '${secret:NAME}' in its place and keep it with the secrets"
const KEPT = "a secret is written as '${secret:NAME}' and kept with the secrets"

function keyNameOf(path: YamlPath, { schema, text }: Report): string {
  return path.length === 0 ? text.what : `\`${sensitivityOf(schema, path).shown.join('.')}\``
}

/** Of the shapes that a value may have, the one that it tried to have. */
function reportUnion(issue: z.core.$ZodIssueInvalidUnion, path: YamlPath, report: Report): void {
  const { text, problems } = report
  const value = valueAt(text.value, path)
  if ('options' in issue && issue.options !== undefined) {
    const remedy = suggest(String(value), issue.options.map(String))
    const isWord = remedy.startsWith('did you mean') || (typeof value === 'string' && IS_KEY.test(value))
    const place = isWord ? path : path.slice(0, -1)
    // What is like none of the words may have slipped in from a field beside it.
    if (value !== undefined) return wrong(path, value, remedy, report, sensitivityOf(report.schema, place))
    problems.error(text.atKey(path.slice(0, -1)), `${keyNameOf(path, report)} is missing`, remedy)
    return
  }
  const tried = issue.errors.filter(
    (errors) => !errors.some((error) => error.path.length === 0 && error.code === 'invalid_type'),
  )
  const best = tried[0]
  if (best === undefined || tried.length > 1) {
    const expected = issue.errors.flatMap((errors) =>
      errors.flatMap((error) => (error.code === 'invalid_type' ? [wanted(error.expected)] : [])),
    )
    return wrong(path, value, `expected ${[...new Set(expected)].join(' or ')}`, report)
  }
  for (const error of best) reportIssue(error, path, report)
}

function remedyOf(issue: z.core.$ZodIssue, value: unknown): string {
  if (issue.code === 'invalid_value') return suggest(String(value), issue.values.map(String))
  if (issue.code === 'invalid_type') return `expected ${wanted(issue.expected)}${quoteHint(issue.expected, value)}`
  if (issue.code === 'invalid_key') return issue.issues.map((inner) => inner.message).join(', ')
  return issue.message
}

/** `2026` where a text is wanted: YAML took it for a number. */
function quoteHint(expected: string, value: unknown): string {
  return expected === 'string' && (typeof value === 'number' || typeof value === 'boolean')
    ? `: put it in quotes, '${value}'`
    : ''
}

const WANTED: Readonly<Record<string, string>> = {
  string: 'a text',
  number: 'a number',
  int: 'a whole number',
  boolean: '`true` or `false`',
  array: 'a list',
  object: 'a mapping (`key: value`)',
  record: 'a mapping (`name: …`)',
}

const wanted = (type: string) => WANTED[type] ?? type

function shown(value: unknown): string {
  if (typeof value === 'string') return `the text '${onOneLine(value)}'`
  if (typeof value === 'number') return `the number \`${value}\``
  return typeof value === 'boolean' ? `\`${value}\`` : valueKind(value)
}

/** What a value is, without the value. */
function valueKind(value: unknown): string {
  if (value === undefined || value === null) return 'nothing'
  if (Array.isArray(value)) return 'a list'
  if (typeof value === 'object') return 'a mapping'
  if (typeof value === 'string') return 'a text'
  return typeof value === 'number' ? 'a number' : '`true` or `false`'
}

/** Characters of a value that are shown: enough to find it. */
const MAX_SHOWN = 60

/** The beginning of a text, without what a terminal would act on: the file may be anything. */
function onOneLine(text: string): string {
  const start = text.length <= MAX_SHOWN ? text : `${text.slice(0, MAX_SHOWN)}…`
  return start.replaceAll(/\p{Cc}+/gu, ' ').toWellFormed()
}

const inside = (path: YamlPath) => (path.length === 0 ? '' : ` in \`${path.join('.')}\``)

/** Lists whose items are kept whole or not at all. */
const WHOLE_ITEMS: ReadonlySet<string | number> = new Set(['properties', 'quality', 'rules', 'serve'])

/** Rounds. Each takes out everything that the round before found; texts nest less deep than this. */
const MAX_ROUNDS = 12

/**
 * What is left of a value when everything that does not fit its schema is taken out, so that one mistake does not hide
 * others. A mapping that lacks something it must have is taken out as a whole.
 */
function salvage<Schema extends z.ZodType>(
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

function valueAt(value: unknown, path: YamlPath): unknown {
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
