import { identifier, identifiers, literal } from '@cinelake/sql'
import type { RunnableModel } from '@cinelake/engine'
import { MAX_KEPT_ROWS } from '../write-rejects.ts'
import { hasNul, isTextual } from '../read-value/text.ts'

/** The column in which a model gives the reason why a row is rejected; not part of its table. */
const REJECT = '_reject'

/** The names of the error rules that a row breaks, the model's own `_reject` first; only for rejected rows. */
const BROKEN = '_broken'

/** Whether rows of the model's result may be rejected. */
export function mayReject({ rowRules }: Pick<RunnableModel, 'rowRules'>, hasReject: boolean): boolean {
  return hasReject || rowRules.some(({ severity }) => severity === 'error')
}

/**
 * The model's SELECT with its columns in order and cast to their types. Where rows may be rejected, `_broken` has the
 * broken rules of each; NULL for a good row.
 */
export function checkedQuery(model: RunnableModel, boundSql: string, hasReject: boolean): string {
  const columns = model.columns.map(({ name, type }) => `CAST(${identifier(name)} AS ${type}) AS ${identifier(name)}`)
  if (mayReject(model, hasReject)) columns.push(`${brokenRules(model, hasReject)} AS ${BROKEN}`)
  return `SELECT ${columns.join(', ')} FROM (${boundSql}\n) AS result`
}

function brokenRules(model: RunnableModel, hasReject: boolean): string {
  const own = hasReject ? [`CAST(${identifier(REJECT)} AS VARCHAR)`] : []
  const rules = model.rowRules
    .filter(({ severity }) => severity === 'error')
    .map(({ name, expression }) => `CASE WHEN ${isBroken(expression)} THEN ${literal(name)} END`)
  const nul = textColumns(model).map(
    ({ name, type }) => `CASE WHEN ${hasNul(identifier(name), type)} THEN ${literal(`type(${name})`)} END`,
  )
  const names = [...own, ...nul, ...rules]
  // One condition for all rules first: a good row needs no more, and most rows are good.
  const isGood = names.map((name) => `${name} IS NULL`).join(' AND ')
  return `CASE WHEN NOT (${isGood}) THEN CAST(list_filter([${names.join(', ')}], lambda rule: rule IS NOT NULL) AS VARCHAR[]) END`
}

/** A condition for the rejected rows. */
export const ASIDE = { when: `${BROKEN} IS NOT NULL`, columns: [BROKEN] } as const

/** The rejected rows in the form of `writeRejects`. @param aside a relation of them */
export function rejectedQuery(model: RunnableModel, aside: string): string {
  const fields = model.columns.map(({ name }) => `${identifier(name)} := ${identifier(name)}`)
  return `SELECT
      _broken[1] AS rule,
      _broken AS rules,
      ${literal(model.name)} AS file,
      CAST(NULL AS BIGINT) AS line,
      CAST(NULL AS VARCHAR[]) AS found,
      false AS kept,
      CAST(to_json(struct_pack(${fields.join(', ')})) AS VARCHAR) AS raw
    FROM ${aside}`
}

/** The same columns without rows. */
export const NO_REJECTS = `SELECT '' AS rule, CAST([] AS VARCHAR[]) AS rules, '' AS file, CAST(NULL AS BIGINT) AS line, CAST([] AS VARCHAR[]) AS found, false AS kept, '' AS raw WHERE false`

/** One row: for the rule with index i `rule_i`, how many rows of a relation break it. */
export function ruleCountsQuery(rules: readonly RowRule[], relation: string): string {
  const counts = rules.map(({ name, severity, expression }, index) => {
    const condition = severity === 'error' ? `list_contains(${BROKEN}, ${literal(name)})` : isBroken(expression)
    return `count(*) FILTER (WHERE ${condition}) AS rule_${index}`
  })
  return `SELECT ${counts.join(', ')} FROM ${relation}`
}

type RowRule = RunnableModel['rowRules'][number]

function textColumns(model: RunnableModel) {
  return model.columns.filter(({ type }) => isTextual(type))
}

/** One row: for the text column with index i `column_i`, how many rows of a relation have NUL in it. */
export function nulCountsQuery(model: RunnableModel, relation: string): { columns: string[]; query: string } {
  const columns = textColumns(model)
  const counts = columns.map(
    ({ name, type }, index) => `count(*) FILTER (WHERE ${hasNul(identifier(name), type)}) AS column_${index}`,
  )
  return { columns: columns.map(({ name }) => name), query: `SELECT ${counts.join(', ')} FROM ${relation}` }
}

/** How often each first broken rule rejected a row. */
export function rejectCountsQuery(aside: string): string {
  return `SELECT _broken[1] AS rule, count(*) AS count FROM ${aside} GROUP BY 1 ORDER BY 1`
}

/**
 * How many rows share their key with another row. Only keys whose hash occurs twice are compared in full, so that
 * memory holds eight bytes per row and not its key.
 */
export function duplicateKeysQuery(model: RunnableModel, good: string): string {
  const key = identifiers(model.key)
  const hash = `hash(${key})`
  return `WITH suspects AS (SELECT ${hash} AS h FROM ${good} GROUP BY h HAVING count(*) > 1)
    SELECT CAST(coalesce(sum(n), 0) AS BIGINT) AS count FROM (
      SELECT count(*) AS n FROM ${good} WHERE ${hash} IN (SELECT h FROM suspects) GROUP BY ${key} HAVING count(*) > 1
    )`
}

/** The reason why rows fail a build: a rule about rows, or their duplicate key. */
export type BrokenBy = RowRule | 'key'

function failingRows(model: RunnableModel, by: BrokenBy, good: string): string {
  if (by === 'key') return duplicateRows(model, good)
  return `SELECT * FROM ${good} WHERE ${isBroken(by.expression)}`
}

/** The rows whose key occurs more than once; in little memory, as `duplicateKeysQuery`. */
function duplicateRows(model: RunnableModel, good: string): string {
  const key = identifiers(model.key)
  const suspects = `SELECT hash(${key}) FROM ${good} GROUP BY ALL HAVING count(*) > 1`
  return `SELECT * FROM ${good} WHERE hash(${key}) IN (${suspects}) QUALIFY count(*) OVER (PARTITION BY ${key}) > 1`
}

/**
 * Rows that fail a build, in the form of `writeRejects`.
 * @param good a relation of the model's result
 */
export function failingRowsQuery(model: RunnableModel, by: BrokenBy, good: string): string {
  return brokenRowsQuery(model, by, good, { kept: false, limit: MAX_FAILING_ROWS })
}

/** Rows that break a rule of severity `warn`, and are in the table, in the same form. */
export function warnedRowsQuery(model: RunnableModel, by: RowRule, good: string): string {
  return brokenRowsQuery(model, by, good, { kept: true, limit: MAX_KEPT_ROWS })
}

function brokenRowsQuery(
  model: RunnableModel,
  by: BrokenBy,
  good: string,
  { kept, limit }: { readonly kept: boolean; readonly limit: number },
): string {
  const fields = model.columns.map(({ name }) => `${identifier(name)} := ${identifier(name)}`)
  const name = literal(by === 'key' ? uniqueRule(model) : by.name)
  return `SELECT
      ${name} AS rule,
      [${name}] AS rules,
      ${literal(model.name)} AS file,
      CAST(NULL AS BIGINT) AS line,
      CAST(NULL AS VARCHAR[]) AS found,
      ${kept} AS kept,
      CAST(to_json(struct_pack(${fields.join(', ')})) AS VARCHAR) AS raw
    FROM (${failingRows(model, by, good)}) LIMIT ${limit}`
}

/** Rows of one rule that are kept when a build fails: a sample for inspection, however many there are. */
const MAX_FAILING_ROWS = 10_000

/** The name of the rule for a model's key. */
export function uniqueRule({ key }: Pick<RunnableModel, 'key'>): string {
  return `unique(${key.join(', ')})`
}

/** The first keys of such rows, each as texts `key_0`, `key_1`, … */
export function failingKeysQuery(
  model: RunnableModel,
  { by, good, count }: { readonly by: BrokenBy; readonly good: string; readonly count: number },
): string {
  const texts = model.key.map((name, index) => `CAST(${identifier(name)} AS VARCHAR) AS key_${index}`)
  return `SELECT ${texts.join(', ')} FROM (SELECT DISTINCT ${identifiers(model.key)} FROM (${failingRows(model, by, good)}) ORDER BY ALL LIMIT ${count})`
}

/** A rule is satisfied when its condition is true or NULL. */
function isBroken(expression: string): string {
  return `NOT coalesce((${expression}\n), true)`
}
