import { identifier } from '@cinelake/sql'
import type { QualityResult } from '@cinelake/contracts'
import type { Balance } from '@cinelake/core'
import type { DeltaStage, ParquetSql } from '@cinelake/delta'
import type { RunnableModel } from '@cinelake/engine'
import {
  duplicateKeysQuery,
  failingKeysQuery,
  nulCountsQuery,
  rejectCountsQuery,
  ruleCountsQuery,
  uniqueRule,
  type BrokenBy,
} from './sql.ts'
import { askTableRules } from '../table-rule.ts'

export type BuildChecks = {
  readonly balance: Balance
  /** Rejected rows by the first rule that they break. */
  readonly rejectCounts: Readonly<Record<string, number>>
  readonly quality: readonly QualityResult[]
}

type Deps = {
  readonly session: ParquetSql
  /** The relation of `checkedQuery`, without the rejected rows. */
  readonly staged: Pick<DeltaStage, 'relation' | 'aside' | 'rowCount' | 'asideRowCount'>
  readonly signal: AbortSignal
}

/**
 * Counts the rows of a model's result and checks it against its rules. A duplicate key breaks a rule of severity
 * `fail`.
 * @param rowsIn how many rows the SELECT had to account for; undefined: those that it returned
 */
export async function checkBuild(
  model: RunnableModel,
  rowsIn: number | undefined,
  { session, staged, signal }: Deps,
): Promise<BuildChecks> {
  const { rowCount: out, asideRowCount: rejected } = staged
  const quality: QualityResult[] = [
    ...(await checkRows(model, { session, staged, signal })),
    ...(await checkKeyValues(model, { session, staged, signal })),
    ...(await checkText(model, { session, staged, signal })),
    ...(model.key.length === 0 ? [] : [await checkKey(model, { session, staged, signal })]),
    ...(await askTableRules(model.tableRules, `FROM ${staged.relation}`, { session, signal })),
  ]
  return {
    balance: { unit: 'rows', in: rowsIn ?? out + rejected, out, rejected, duplicates: 0 },
    rejectCounts: await countRejects({ session, staged, signal }),
    quality,
  }
}

/** The rule that blocks a result; undefined where none does. */
export function brokenRule(quality: readonly QualityResult[]): QualityResult | undefined {
  return quality.find(({ severity, failed }) => severity === 'fail' && failed > 0)
}

/** A condition for the rows that break a broken rule; undefined for a rule about the table as a whole. */
export function rowsBreaking(model: RunnableModel, rule: string): BrokenBy | undefined {
  if (model.key.length > 0 && rule === uniqueRule(model)) return 'key'
  return [...model.rowRules, ...keyRules(model)].find(({ name }) => name === rule)
}

/** Most keys named in a result. */
const EXAMPLES = 3
/** Characters shown of a key's value. */
const KEY_LENGTH = 80

/** `: order_id=17, order_id=20`, of the first rows; empty where there is no key, or it may be personal. */
async function examplesOf(model: RunnableModel, by: BrokenBy, { session, staged, signal }: Deps): Promise<string> {
  if (model.key.length === 0 || model.keyMayBeShown !== true) return ''
  const query = failingKeysQuery(model, { by, good: staged.relation, count: EXAMPLES })
  const rows = await session.rows<Record<string, string | null>>(query, { signal })
  const shown = rows.map((row) =>
    model.key.map((name, index) => `${name}=${(row[`key_${index}`] ?? 'NULL').slice(0, KEY_LENGTH)}`).join(' '),
  )
  return shown.length === 0 ? '' : `, such as ${shown.join(', ')}`
}

/** A rejected row is not in the table, so it cannot break a warning or make the task fail. */
async function checkRows(model: RunnableModel, { session, staged, signal }: Deps): Promise<QualityResult[]> {
  const { rowRules } = model
  const { relation, aside, rowCount, asideRowCount } = staged
  const count = async (rules: RunnableModel['rowRules'], of: string) => {
    if (rules.length === 0) return []
    const [counts = {}] = await session.rows<Record<string, number>>(ruleCountsQuery(rules, of), { signal })
    return rules.map(({ name }, index) => [name, counts[`rule_${index}`] ?? 0] as const)
  }
  const rejecting = rowRules.filter(({ severity }) => severity === 'error')
  const failed = new Map([
    ...(asideRowCount === 0 ? [] : await count(rejecting, aside)),
    ...(await count(
      rowRules.filter(({ severity }) => severity !== 'error'),
      relation,
    )),
  ])
  const checked = rowCount + asideRowCount
  return await Promise.all(
    rowRules.map(async (rule): Promise<QualityResult> => {
      const result = { rule: rule.name, severity: rule.severity, checked, failed: failed.get(rule.name) ?? 0 }
      if (result.failed === 0 || rule.severity === 'error') return result
      const examples = await examplesOf(model, rule, { session, staged, signal })
      const verb = result.failed === 1 ? 'does' : 'do'
      const detail = `expected every row to keep it, got ${result.failed} of ${checked} that ${verb} not${examples}`
      return { ...result, detail }
    }),
  )
}

/** A row without a value in its key could not be found again, and no warehouse takes it: the model is wrong. */
function keyRules({ key }: RunnableModel): RunnableModel['rowRules'] {
  return key.map((name) => ({
    name: `key(${name}): a value in every row`,
    severity: 'fail',
    expression: `${identifier(name)} IS NOT NULL`,
  }))
}

async function checkKeyValues(model: RunnableModel, deps: Deps): Promise<QualityResult[]> {
  const results = await checkRows({ ...model, rowRules: keyRules(model) }, deps)
  return results.filter(({ failed }) => failed > 0)
}

/** Text that no database accepts, in a model that does not reject rows; where it does, such a row is rejected. */
async function checkText(model: RunnableModel, { session, staged, signal }: Deps): Promise<QualityResult[]> {
  const { columns, query } = nulCountsQuery(model, staged.relation)
  if (columns.length === 0) return []
  const [counts = {}] = await session.rows<Record<string, number>>(query, { signal })
  return columns.flatMap((name, index): QualityResult[] => {
    const failed = counts[`column_${index}`] ?? 0
    if (failed === 0) return []
    const detail = `expected text without NUL (\`chr(0)\`) in ${name}, got ${failed} rows with it: take it out in the model, such as with \`replace(…, chr(0), '')\``
    return [{ rule: `type(${name})`, severity: 'fail', checked: staged.rowCount, failed, detail }]
  })
}

async function countRejects({ session, staged, signal }: Deps): Promise<Record<string, number>> {
  if (staged.asideRowCount === 0) return {}
  const rows = await session.rows<{ rule: string; count: number }>(rejectCountsQuery(staged.aside), { signal })
  return Object.fromEntries(rows.map(({ rule, count }) => [rule, count]))
}

async function checkKey(model: RunnableModel, { session, staged, signal }: Deps): Promise<QualityResult> {
  const [row] = await session.rows<{ count: number }>(duplicateKeysQuery(model, staged.relation), { signal })
  const checked = staged.rowCount + staged.asideRowCount
  const result: QualityResult = { rule: uniqueRule(model), severity: 'fail', checked, failed: row?.count ?? 0 }
  if (result.failed === 0) return result
  const examples = await examplesOf(model, 'key', { session, staged, signal })
  return { ...result, detail: `expected each key once, got ${result.failed} rows whose key is there again${examples}` }
}
