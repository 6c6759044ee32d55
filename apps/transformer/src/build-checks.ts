import type { QualityResult } from '@cinelake/contracts'
import type { Balance } from '@cinelake/core'
import type { DeltaStage, ParquetSql } from '@cinelake/delta'
import type { CheckedModel } from '@cinelake/pipeline'
import { BuildRuleFailedError } from './build-errors.ts'
import { duplicateKeysQuery, nulCountsQuery, rejectCountsQuery, ruleCountsQuery } from './build-sql.ts'
import { askTableRules } from './table-rule.ts'

export type BuildChecks = {
  readonly balance: Balance
  /** Rejected rows by the first rule that they break. */
  readonly rejects: Readonly<Record<string, number>>
  readonly quality: readonly QualityResult[]
}

type Deps = {
  readonly session: ParquetSql
  /** What `checkedQuery` gave, the rejected rows aside. */
  readonly staged: Pick<DeltaStage, 'relation' | 'aside' | 'rowCount' | 'asideRowCount'>
  readonly signal: AbortSignal
}

/**
 * Counts what a build made and checks it against the model's rules, before anything of it is published.
 * @param rowsIn how many rows the SELECT had to account for; undefined: those that it gave
 * @throws {BuildRuleFailedError} terminal: a rule of severity `fail` does not hold, or a key is there twice
 */
export async function checkBuild(
  model: CheckedModel,
  rowsIn: number | undefined,
  { session, staged, signal }: Deps,
): Promise<BuildChecks> {
  const { rowCount: out, asideRowCount: rejected } = staged
  const quality: QualityResult[] = [
    ...(await checkRows(model, { session, staged, signal })),
    ...(await checkText(model, { session, staged, signal })),
    ...(model.key.length === 0 ? [] : [await checkKey(model, { session, staged, signal })]),
    ...(await askTableRules(model.tableRules, `FROM ${staged.relation}`, { session, signal })),
  ]
  for (const { rule, severity, failed, detail } of quality) {
    if (severity !== 'fail' || failed === 0) continue
    throw new BuildRuleFailedError(model.name, rule, detail ?? `${failed.toLocaleString('en-US')} rows break it`)
  }
  return {
    balance: { unit: 'rows', in: rowsIn ?? out + rejected, out, rejected, duplicates: 0 },
    rejects: await countRejects({ session, staged, signal }),
    quality,
  }
}

/** A row that is rejected is not in the table, so that it cannot break a warning or make the task fail. */
async function checkRows({ rowRules }: CheckedModel, { session, staged, signal }: Deps): Promise<QualityResult[]> {
  const { relation, aside, rowCount, asideRowCount } = staged
  const count = async (rules: CheckedModel['rowRules'], of: string) => {
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
  return rowRules.map(({ name, severity }) => ({ rule: name, severity, checked, failed: failed.get(name) ?? 0 }))
}

/** Text that no database takes, in a model that does not reject rows; else such a row is rejected. */
async function checkText(model: CheckedModel, { session, staged, signal }: Deps): Promise<QualityResult[]> {
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

async function checkKey(model: CheckedModel, { session, staged, signal }: Deps): Promise<QualityResult> {
  const [row] = await session.rows<{ count: number }>(duplicateKeysQuery(model, staged.relation), { signal })
  const checked = staged.rowCount + staged.asideRowCount
  return { rule: `unique(${model.key.join(', ')})`, severity: 'fail', checked, failed: row?.count ?? 0 }
}
