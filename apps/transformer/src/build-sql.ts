import { identifier, identifiers, literal } from '@cinelake/engine'
import type { CheckedModel } from '@cinelake/pipeline'
import { ownColumns } from './history-sql.ts'

/** The column in which a model says why a row is rejected; not part of its table. */
const REJECT = '_reject'

/**
 * The model's SELECT with its columns in order and of their types, and with what is wrong with each row:
 * `_broken`, the names of the error rules that it breaks, the model's own `_reject` first.
 */
export function checkedQuery(model: CheckedModel, boundSql: string, hasReject: boolean): string {
  const columns = ownColumns(model).map(
    ({ name, type }) => `CAST(${identifier(name)} AS ${type}) AS ${identifier(name)}`,
  )
  const own = hasReject ? [`CAST(${identifier(REJECT)} AS VARCHAR)`] : []
  const rules = model.rowRules
    .filter(({ severity }) => severity === 'error')
    .map(({ name, expression }) => `CASE WHEN ${isBroken(expression)} THEN ${literal(name)} END`)
  const broken = [...own, ...rules]
  const list = broken.length === 0 ? '[]' : `list_filter([${broken.join(', ')}], lambda rule: rule IS NOT NULL)`
  return `SELECT ${columns.join(', ')}, CAST(${list} AS VARCHAR[]) AS _broken
    FROM (${boundSql}\n) AS result`
}

/** The rows that go into the table. @param staged a relation made by `checkedQuery` */
export function goodQuery(model: CheckedModel, staged: string): string {
  return `SELECT ${identifiers(ownColumns(model).map(({ name }) => name))} FROM ${staged} WHERE len(_broken) = 0`
}

/** The rejected rows in the form of `writeRejects`. */
export function rejectedQuery(model: CheckedModel, staged: string): string {
  const fields = ownColumns(model).map(({ name }) => `${identifier(name)} := ${identifier(name)}`)
  return `SELECT
      _broken[1] AS rule,
      _broken AS rules,
      ${literal(model.name)} AS file,
      CAST(NULL AS BIGINT) AS line,
      CAST(to_json(struct_pack(${fields.join(', ')})) AS VARCHAR) AS raw
    FROM ${staged} WHERE len(_broken) > 0`
}

/** One row: `total`, `rejected`, and for the row rule with index i `rule_i`, the rows that break it. */
export function countsQuery(model: CheckedModel, staged: string): string {
  const rules = model.rowRules.map(({ name, severity, expression }, index) => {
    // A row that is rejected is not in the table, so that it cannot break a warning or make the task fail.
    const condition =
      severity === 'error' ? `list_contains(_broken, ${literal(name)})` : `len(_broken) = 0 AND ${isBroken(expression)}`
    return `, count(*) FILTER (WHERE ${condition}) AS rule_${index}`
  })
  return `SELECT count(*) AS total, count(*) FILTER (WHERE len(_broken) > 0) AS rejected${rules.join('')} FROM ${staged}`
}

/** How often each first broken rule rejected a row. */
export function rejectCountsQuery(staged: string): string {
  return `SELECT _broken[1] AS rule, count(*) AS count FROM ${staged} WHERE len(_broken) > 0 GROUP BY 1 ORDER BY 1`
}

/**
 * How many rows have a key that another row has as well. Only keys whose hash is there twice are looked at in full, so
 * that memory holds eight bytes for a row and not its key.
 */
export function duplicateKeysQuery(model: CheckedModel, staged: string): string {
  const key = identifiers(model.key)
  const hash = `hash(${key})`
  const good = `SELECT ${key} FROM ${staged} WHERE len(_broken) = 0`
  return `WITH suspects AS (SELECT ${hash} AS h FROM (${good}) GROUP BY h HAVING count(*) > 1)
    SELECT CAST(coalesce(sum(n), 0) AS BIGINT) AS count FROM (
      SELECT count(*) AS n FROM (${good}) WHERE ${hash} IN (SELECT h FROM suspects) GROUP BY ${key} HAVING count(*) > 1
    )`
}

/** Partitions that had rows, all of which were rejected; as texts. */
export function emptiedPartitionsQuery({ partitionBy }: CheckedModel, staged: string): string {
  const values = partitionBy.map((name) => `CAST(${identifier(name)} AS VARCHAR) AS ${identifier(name)}`)
  return `SELECT ${values.join(', ')} FROM ${staged} GROUP BY ${identifiers(partitionBy)} HAVING bool_and(len(_broken) > 0) ORDER BY ALL`
}

/** A rule is met when its condition is true or NULL. */
function isBroken(expression: string): string {
  return `NOT coalesce((${expression}\n), true)`
}
