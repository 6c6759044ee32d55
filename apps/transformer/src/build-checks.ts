import type { QualityResult } from '@cinelake/contracts'
import type { Balance } from '@cinelake/core'
import type { ParquetSql } from '@cinelake/delta'
import type { CheckedModel } from '@cinelake/pipeline'
import { BuildRuleFailedError } from './build-errors.ts'
import { countsQuery, duplicateKeysQuery, goodQuery, rejectCountsQuery } from './build-sql.ts'
import { askTableRules } from './table-rule.ts'

export type BuildChecks = {
  readonly balance: Balance
  /** Rejected rows by the first rule that they break. */
  readonly rejects: Readonly<Record<string, number>>
  readonly quality: readonly QualityResult[]
}

type Deps = {
  readonly session: ParquetSql
  /** The relation that holds what `checkedQuery` gave. */
  readonly staged: string
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
  const [counts = {}] = await session.rows<Record<string, number>>(countsQuery(model, staged), { signal })
  const { total = 0, rejected = 0 } = counts
  const rejects = await session.rows<{ rule: string; count: number }>(rejectCountsQuery(staged), { signal })
  const quality: QualityResult[] = [
    ...model.rowRules.map(({ name, severity }, index) => {
      return { rule: name, severity, checked: total, failed: counts[`rule_${index}`] ?? 0 }
    }),
    ...(model.key.length === 0 ? [] : [await checkKey(model, total, { session, staged, signal })]),
    ...(await askTableRules(model.tableRules, goodQuery(model, staged), { session, signal })),
  ]
  for (const { rule, severity, failed, detail } of quality) {
    if (severity !== 'fail' || failed === 0) continue
    throw new BuildRuleFailedError(model.name, rule, detail ?? `${failed.toLocaleString('en-US')} rows break it`)
  }
  return {
    balance: { unit: 'rows', in: rowsIn ?? total, out: total - rejected, rejected, duplicates: 0 },
    rejects: Object.fromEntries(rejects.map(({ rule, count }) => [rule, count])),
    quality,
  }
}

async function checkKey(
  model: CheckedModel,
  checked: number,
  { session, staged, signal }: Deps,
): Promise<QualityResult> {
  const [row] = await session.rows<{ count: number }>(duplicateKeysQuery(model, staged), { signal })
  return { rule: `unique(${model.key.join(', ')})`, severity: 'fail', checked, failed: row?.count ?? 0 }
}
