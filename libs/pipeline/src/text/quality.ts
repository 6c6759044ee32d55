import type { Place, Problems, YamlPath, YamlText } from '@cinelake/config-text'
import { suggest } from '@cinelake/core'
import { identifier, literal } from '@cinelake/sql'
import type { RowRule, Severity, TableRule } from '../checked-pipeline.ts'
import { normalQuery } from '../sql/failing-rows.ts'
import { conditionsOf } from './column-rules.ts'
import { OPERATORS, type QualityText } from './contract-schema.ts'

/** A rule with the place of its name and, if it was written as SQL, of each character of the SQL. */
export type PlacedRule<Rule> = {
  readonly rule: Rule
  readonly at: Place
  readonly sqlAt?: (line: number, column: number) => Place
}
/** A rule in the checked pipeline: with its place. */
export function withBegin<Rule extends RowRule | TableRule>({ rule, at, sqlAt }: PlacedRule<Rule>): Rule {
  const { line, column } = sqlAt?.(1, 1) ?? at
  return { ...rule, begin: { line, column } }
}

export type PlacedRules = { readonly rows: PlacedRule<RowRule>[]; readonly tables: PlacedRule<TableRule>[] }

type QualityContext = {
  readonly text: YamlText
  readonly path: YamlPath
  readonly problems: Problems
  /** The column that the rule belongs to; undefined for rules about the whole object. */
  readonly column: { readonly name: string; readonly type: string } | undefined
  readonly columns: readonly string[]
}

/** Turns one entry of `quality` into a rule. Entries for people or for other tools are ignored. */
export function qualityRule(quality: QualityText, context: QualityContext, rules: PlacedRules): void {
  const type = quality.type ?? (quality.metric === undefined && quality.query !== undefined ? 'sql' : 'library')
  if (type === 'text') return
  if (type === 'custom') customRule(quality, context, rules)
  else if (type === 'sql') sqlRule(quality, context, rules)
  else libraryRule(quality, context, rules)
}

function customRule(quality: QualityText, context: QualityContext, rules: PlacedRules): void {
  const { text, path, problems } = context
  if (quality.engine !== 'cinelake') {
    const what =
      quality.engine === undefined
        ? 'the rule names no engine'
        : `the rule is for the engine \`${quality.engine}\` and is not run`
    problems.warning(
      text.at([...path, 'engine']),
      what,
      'write `engine: cinelake` and a SQL condition as `implementation`',
    )
    return
  }
  if (typeof quality.implementation !== 'string') {
    problems.error(
      text.at([...path, 'implementation']),
      'the rule has no condition',
      "write a SQL condition that good rows meet: `implementation: 'score between 0 and 10'`",
    )
    return
  }
  const name = quality.name ?? (context.column === undefined ? 'rule' : `rule(${context.column.name})`)
  rules.rows.push({
    rule: { name, severity: rowSeverity(quality), expression: quality.implementation, ...described(quality) },
    at: text.at(path),
    sqlAt: (line, column) => text.within([...path, 'implementation'], line, column),
  })
}

function sqlRule(quality: QualityText, context: QualityContext, rules: PlacedRules): void {
  const { text, path, problems, column } = context
  const expect = expectation(quality, context)
  if (quality.query === undefined) {
    problems.error(text.at(path), 'the rule has no query', 'write `query: SELECT count(*) FROM {table} WHERE …`')
    return
  }
  if (expect === undefined) return
  rules.tables.push({
    rule: {
      name: quality.name ?? (column === undefined ? 'query' : `query(${column.name})`),
      severity: tableSeverity(quality),
      query: normalQuery(quality.query, column === undefined ? undefined : identifier(column.name)),
      expect,
      ...described(quality),
    },
    at: text.at(path),
    sqlAt: (line, column) => text.within([...path, 'query'], line, column),
  })
}

function libraryRule(quality: QualityText, context: QualityContext, rules: PlacedRules): void {
  const { text, path, problems, column } = context
  if (quality.metric === undefined) {
    problems.error(
      text.at(path),
      'the rule names no metric',
      'add `metric`, one of nullValues, missingValues, invalidValues, duplicateValues, rowCount',
    )
    return
  }
  const name = quality.name ?? (column === undefined ? quality.metric : `${quality.metric}(${column.name})`)
  const expect = expectation(quality, context)
  if (quality.metric === 'rowCount' || quality.metric === 'duplicateValues') {
    const query = quality.metric === 'rowCount' ? 'SELECT count(*) FROM {table}' : duplicatesQuery(quality, context)
    if (query === undefined || expect === undefined) return
    rules.tables.push({
      rule: { name, severity: tableSeverity(quality), query, expect, ...described(quality) },
      at: text.at(path),
    })
    return
  }
  const condition = conditionOf(quality, context)
  if (condition === undefined || expect === undefined) return
  if (isNone(expect)) {
    rules.rows.push({
      rule: { name, severity: rowSeverity(quality), expression: condition, ...described(quality) },
      at: text.at(path),
    })
    return
  }
  const query = `SELECT ${share(quality, `(${condition}) IS FALSE`)} FROM {table}`
  rules.tables.push({
    rule: { name, severity: tableSeverity(quality), query, expect, ...described(quality) },
    at: text.at(path),
  })
}

/** The condition that valid values of the column meet. */
function conditionOf(quality: QualityText, { text, path, problems, column }: QualityContext): string | undefined {
  if (column === undefined) {
    problems.error(
      text.at([...path, 'metric']),
      `\`${quality.metric ?? ''}\` is about a column`,
      'write the rule at the column',
    )
    return undefined
  }
  const name = identifier(column.name)
  if (quality.metric === 'nullValues') return `${name} IS NOT NULL`
  if (quality.metric === 'missingValues') {
    const words = (quality.arguments?.missingValues ?? ['']).filter((word) => word !== null)
    const present =
      words.length === 0
        ? ''
        : ` AND CAST(${name} AS VARCHAR) NOT IN (${words.map((word) => literal(String(word))).join(', ')})`
    return `${name} IS NOT NULL${present}`
  }
  const { min, max, ...limits } = quality.arguments ?? {}
  const conditions = conditionsOf(column.name, column.type, { ...limits, minimum: min, maximum: max })
  if (conditions.length === 0) {
    problems.error(
      text.at(path),
      '`invalidValues` does not say which values are valid',
      'add `arguments` with validValues, pattern, min, max, minLength or maxLength',
    )
    return undefined
  }
  const wrong = conditions.filter((condition) => 'message' in condition)
  for (const { message, remedy } of wrong) problems.error(text.at([...path, 'arguments']), message, remedy)
  return wrong.length > 0
    ? undefined
    : conditions.flatMap((condition) => ('sql' in condition ? [condition.sql] : [])).join(' AND ')
}

function duplicatesQuery(
  quality: QualityText,
  { text, path, problems, column, columns }: QualityContext,
): string | undefined {
  const names = quality.arguments?.properties ?? (column === undefined ? [] : [column.name])
  if (names.length === 0) {
    problems.error(
      text.at(path),
      '`duplicateValues` names no columns',
      'add `arguments: { properties: [column, …] }`, or write the rule at a column',
    )
    return undefined
  }
  names.forEach((name, index) => {
    if (columns.includes(name)) return
    problems.error(
      text.at([...path, 'arguments', 'properties', index]),
      `unknown column \`${name}\``,
      suggest(name, columns),
    )
  })
  const key = names.map(identifier).join(', ')
  const groups = `SELECT count(*) AS n FROM {table} WHERE ${names.map((name) => `${identifier(name)} IS NOT NULL`).join(' AND ')} GROUP BY ${key}`
  const extra = 'coalesce(sum(n - 1), 0)'
  return quality.unit === 'percent'
    ? `SELECT coalesce(100.0 * ${extra} / nullif(sum(n), 0), 0) FROM (${groups})`
    : `SELECT ${extra} FROM (${groups})`
}

const share = ({ unit }: QualityText, condition: string) =>
  unit === 'percent'
    ? `coalesce(100.0 * count(*) FILTER (WHERE ${condition}) / nullif(count(*), 0), 0)`
    : `count(*) FILTER (WHERE ${condition})`

type Expectation = TableRule['expect']

/** The expected number of the rule: exactly one of the standard's operators. */
export function expectation(
  quality: Partial<Record<keyof typeof OPERATORS, number | [number, number] | undefined>>,
  { text, path, problems }: Pick<QualityContext, 'text' | 'path' | 'problems'>,
): Expectation | undefined {
  const given = Object.entries(OPERATORS).flatMap(([key, operator]) => {
    const value = quality[key as keyof typeof OPERATORS]
    return value === undefined ? [] : [{ key, operator, values: typeof value === 'number' ? [value] : value }]
  })
  const [first, second] = given
  if (first === undefined) {
    problems.error(
      text.at(path),
      'the rule does not say what must be',
      `add \`mustBe: 0\` or another of ${Object.keys(OPERATORS).join(', ')}`,
    )
    return undefined
  }
  if (second !== undefined) {
    problems.error(
      text.atKey([...path, second.key]),
      `the rule says both \`${first.key}\` and \`${second.key}\``,
      'keep one, and write a second rule for the other',
    )
    return undefined
  }
  const [low = 0, high = low] = first.values
  if (low > high) {
    problems.error(text.at([...path, first.key]), `\`${first.key}\` is empty`, 'write the smaller number first')
    return undefined
  }
  return { operator: first.operator, values: first.values }
}

/** Whether no row may violate the condition: then each violating row is known, and is a reject. */
const isNone = ({ operator, values }: Expectation) => (operator === '=' || operator === '<=') && values[0] === 0

const described = ({ description }: QualityText) => (description === undefined ? {} : { description })

/** ODCS does not define the values: its examples are info, warning and error. */
function rowSeverity({ severity = 'error' }: QualityText): Severity {
  return severity === 'info' || severity === 'warning' ? 'warn' : severity
}

/** A rule about the whole table has no row to reject. */
function tableSeverity({ severity = 'fail' }: QualityText): TableRule['severity'] {
  return severity === 'error' || severity === 'fail' ? 'fail' : 'warn'
}

/** Rejects are counted by rule name: the rules of one table have distinct names. */
export function uniqueRuleNames(rules: PlacedRules, problems: Problems): void {
  const seen = new Set<string>()
  for (const { rule, at } of [...rules.rows, ...rules.tables]) {
    if (seen.has(rule.name))
      problems.error(at, `two rules are named \`${rule.name}\``, 'give one of them another `name`')
    seen.add(rule.name)
  }
}
