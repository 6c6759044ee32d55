import { identifier, literal } from '@cinelake/sql'
import type { RowRule } from '../checked-pipeline.ts'
import type { PropertyText } from './contract-schema.ts'

/** The engine's regular expressions are RE2, which has no constructs that need backtracking. Source: github.com/google/re2/wiki/Syntax */
const NOT_IN_RE2: readonly (readonly [RegExp, string])[] = [
  [/(?<!\\)\(\?<?[=!]/, 'look-ahead and look-behind'],
  [/\\[1-9]/, 'back-references'],
  [/(?<!\\)[*+?}]\+/, 'possessive quantifiers'],
]

/** Why a regular expression is invalid, or undefined. */
export function regexProblem(pattern: string): { readonly message: string; readonly remedy: string } | undefined {
  for (const [form, what] of NOT_IN_RE2) {
    if (form.test(pattern)) {
      return {
        message: `the regular expression '${pattern}' has ${what}, which the engine does not know`,
        remedy: 'write it without (RE2 syntax)',
      }
    }
  }
  const error = compileError(pattern)
  if (error === undefined) return undefined
  return {
    message: `the regular expression '${pattern}' is wrong: ${error}`,
    remedy: 'correct it; a sign that is meant as itself needs `\\` before it',
  }
}

/** The number of groups in a valid regular expression. Counted from the text, since executing it has unbounded cost. */
export function groupCount(pattern: string): number {
  const tokens = portable(pattern).matchAll(/\\[^]|\[\^?(?:\\[^]|[^\]\\])*\]|\((?!\?(?!<))/g)
  return [...tokens].filter(([token]) => token === '(').length
}

function compileError(pattern: string): string | undefined {
  try {
    void new RegExp(portable(pattern))
    return undefined
  } catch (error) {
    return error instanceof Error
      ? error.message.replace(/^Invalid regular expression: \/[\s\S]*\/[a-z]*: /, '')
      : String(error)
  }
}

/** RE2's own syntax as JavaScript's: flags at the start, named groups. */
function portable(pattern: string): string {
  return pattern.replace(/^\(\?[imsU-]+\)/, '').replaceAll('(?P<', '(?<')
}

/** A condition as SQL, or why the keyword for it is invalid. */
type Condition = { readonly sql: string } | { readonly message: string; readonly remedy: string; readonly key: string }

type Limits = {
  readonly pattern?: string | undefined
  readonly validValues?: readonly (string | number | boolean)[] | undefined
  readonly minimum?: string | number | undefined
  readonly maximum?: string | number | undefined
  readonly exclusiveMinimum?: string | number | undefined
  readonly exclusiveMaximum?: string | number | undefined
  readonly multipleOf?: number | undefined
  readonly minLength?: number | undefined
  readonly maxLength?: number | undefined
}

/** The conditions on a column's values, one for each keyword of `limits`. NULL passes all of them. */
export function conditionsOf(column: string, type: string, limits: Limits): Condition[] {
  const name = identifier(column)
  const found: Condition[] = []
  if (limits.pattern !== undefined) found.push(patternCondition(name, type, limits.pattern))
  if (limits.validValues !== undefined) found.push(valuesCondition(name, type, limits.validValues))
  for (const [key, operator] of BOUNDS) {
    const value = limits[key]
    if (value !== undefined) found.push(boundCondition({ name, type, key, operator, value }))
  }
  if (limits.multipleOf !== undefined) {
    found.push(
      isNumber(type) ? { sql: `${name} % ${limits.multipleOf} = 0` } : misplaced('multipleOf', type, 'numbers'),
    )
  }
  for (const [key, operator] of LENGTHS) {
    const value = limits[key]
    if (value !== undefined)
      found.push(type === 'VARCHAR' ? { sql: `length(${name}) ${operator} ${value}` } : misplaced(key, type, 'texts'))
  }
  return found
}

/** The row rules for `logicalTypeOptions`. The maximum length of a text is part of the column, not a rule. */
export function optionRules(property: PropertyText, type: string): (RowRule | Exclude<Condition, { sql: string }>)[] {
  const { maxLength: _, ...limits } = property.logicalTypeOptions ?? {}
  const conditions = conditionsOf(property.name, type, limits)
  return conditions.map((condition, index) =>
    'sql' in condition
      ? { name: `${limitName(limits, index)}(${property.name})`, severity: 'error', expression: condition.sql }
      : condition,
  )
}

/** The keyword that a condition comes from: conditions are made in this order. */
function limitName(limits: Limits, index: number): string {
  const order = [
    'pattern',
    'validValues',
    ...BOUNDS.map(([key]) => key),
    'multipleOf',
    ...LENGTHS.map(([key]) => key),
  ] as const
  return order.filter((key) => limits[key] !== undefined)[index] ?? 'limit'
}

const BOUNDS = [
  ['minimum', '>='],
  ['maximum', '<='],
  ['exclusiveMinimum', '>'],
  ['exclusiveMaximum', '<'],
] as const

const LENGTHS = [
  ['minLength', '>='],
  ['maxLength', '<='],
] as const

function patternCondition(name: string, type: string, pattern: string): Condition {
  if (type !== 'VARCHAR') return misplaced('pattern', type, 'texts')
  const problem = regexProblem(pattern)
  if (problem !== undefined) return { ...problem, key: 'pattern' }
  return { sql: `regexp_matches(${name}, ${literal(pattern)})` }
}

function valuesCondition(name: string, type: string, values: readonly (string | number | boolean)[]): Condition {
  const literals = values.map(literal).join(', ')
  return { sql: type.endsWith('[]') ? `list_has_all([${literals}], ${name})` : `${name} IN (${literals})` }
}

type Bound = {
  readonly name: string
  readonly type: string
  readonly key: string
  readonly operator: string
  readonly value: string | number
}

function boundCondition({ name, type, key, operator, value }: Bound): Condition {
  if (isNumber(type)) {
    return typeof value === 'number'
      ? { sql: `${name} ${operator} ${value}` }
      : { message: `\`${key}\` of a number is a text`, remedy: 'expected a number', key }
  }
  if (type !== 'DATE' && type !== 'TIME' && type !== 'TIMESTAMP WITH TIME ZONE')
    return misplaced(key, type, 'numbers, dates and times')
  const text = String(value)
  if (!TIME_FORMS[type].test(text)) {
    return { message: `\`${key}\` is no ${type}: '${text}'`, remedy: `expected ${TIME_EXAMPLES[type]}`, key }
  }
  return { sql: `${name} ${operator} CAST(${literal(text)} AS ${type})` }
}

const TIME_FORMS = {
  DATE: /^\d{4}-\d{2}-\d{2}$/,
  TIME: /^\d{2}:\d{2}(:\d{2}(\.\d+)?)?$/,
  'TIMESTAMP WITH TIME ZONE': /^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}(:?\d{2})?)?)?$/,
} as const

const TIME_EXAMPLES = {
  DATE: "a date such as '2026-03-01'",
  TIME: "a time such as '18:30:00'",
  'TIMESTAMP WITH TIME ZONE': "an instant such as '2026-03-01T00:00:00Z'",
} as const

export function isNumber(type: string): boolean {
  return /^(INTEGER|BIGINT|DOUBLE|DECIMAL)/.test(type) && !type.endsWith('[]')
}

function misplaced(key: string, type: string, where: string): Condition {
  return {
    message: `\`${key}\` does not go with a column of type ${type}`,
    remedy: `it is for ${where}: remove it or change the type`,
    key,
  }
}
