import { z } from 'zod'
import { suggest } from '@cinelake/core'
import type { Problems } from '../problem.ts'
import { salvage, valueAt } from './salvage.ts'
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
  for (const issue of parsed.error.issues) reportIssue(issue, [], text, problems)
  return salvage(schema, text.value, fallback)
}

function reportIssue(issue: z.core.$ZodIssue, above: YamlPath, text: YamlText, problems: Problems): void {
  const path = [...above, ...issue.path.map((step) => (typeof step === 'symbol' ? String(step) : step))]
  if (issue.code === 'unrecognized_keys') {
    const remedies = issue.message.split('\n')
    issue.keys.forEach((key, index) => {
      problems.error(
        text.atKey([...path, key]),
        `unknown key \`${key}\`${inside(path)}`,
        remedies[index] ?? 'remove it',
      )
    })
    return
  }
  if (issue.code === 'invalid_union') return reportUnion(issue, path, text, problems)
  const name = path.length === 0 ? text.what : `\`${path.join('.')}\``
  const value = valueAt(text.value, path)
  if (value === undefined && issue.code === 'invalid_type') {
    problems.error(text.at(path), `${name} is missing`, `expected ${wanted(issue.expected)}`)
    return
  }
  // Not shown: somebody may have written the secret itself.
  if (SECRETS.has(String(path.at(-1)))) {
    problems.error(
      text.at(path),
      `${name} is wrong: it is no text`,
      "write '${secret:NAME}' and keep it with the secrets",
    )
    return
  }
  problems.error(text.at(path), `${name} is wrong: got ${shown(value)}`, remedyOf(issue, value))
}

/** Keys whose values nobody gets to see. */
const SECRETS = new Set(['token', 'password', 'key', 'clientSecret', 'refreshToken'])

/** Of the shapes that a value may have, the one that it tried to have. */
function reportUnion(issue: z.core.$ZodIssueInvalidUnion, path: YamlPath, text: YamlText, problems: Problems): void {
  const value = valueAt(text.value, path)
  if ('options' in issue && issue.options !== undefined) {
    const where = value === undefined ? text.atKey(path.slice(0, -1)) : text.at(path)
    const what =
      value === undefined ? `\`${path.join('.')}\` is missing` : `\`${path.join('.')}\` is wrong: got ${shown(value)}`
    problems.error(where, what, suggest(String(value), issue.options.map(String)))
    return
  }
  const tried = issue.errors.filter(
    (errors) => !errors.some((error) => error.path.length === 0 && error.code === 'invalid_type'),
  )
  const best = tried[0]
  if (best === undefined || tried.length > 1) {
    const name = path.length === 0 ? text.what : `\`${path.join('.')}\``
    const expected = issue.errors.flatMap((errors) =>
      errors.flatMap((error) => (error.code === 'invalid_type' ? [wanted(error.expected)] : [])),
    )
    problems.error(
      text.at(path),
      `${name} is wrong: got ${shown(value)}`,
      `expected ${[...new Set(expected)].join(' or ')}`,
    )
    return
  }
  for (const error of best) reportIssue(error, path, text, problems)
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
  if (value === undefined) return 'nothing'
  if (value === null) return 'nothing'
  if (Array.isArray(value)) return 'a list'
  if (typeof value === 'object') return 'a mapping'
  if (typeof value === 'string') return `the text '${onOneLine(value)}'`
  return typeof value === 'number' ? `the number \`${value}\`` : `\`${JSON.stringify(value)}\``
}

/** Characters of a value that are shown: enough to find it. */
const MAX_SHOWN = 60

/** The beginning of a text, without what a terminal would act on: the file may be anything. */
function onOneLine(text: string): string {
  const start = text.length <= MAX_SHOWN ? text : `${text.slice(0, MAX_SHOWN)}…`
  return start.replaceAll(/\p{Cc}+/gu, ' ').toWellFormed()
}

const inside = (path: YamlPath) => (path.length === 0 ? '' : ` in \`${path.join('.')}\``)
