import type { Window } from '@cinelake/core'
import type { CommitResult, DeltaSnapshot, DeltaTable } from '@cinelake/delta'
import { identifier, identifiers, literal, type SqlSession } from '@cinelake/engine'
import type { CheckedDataset } from '@cinelake/pipeline'
import { mergeResolution, WINDOW_COLUMN } from './refine-merge-sql.ts'
import type { RefinePlan } from './refine-plan.ts'
import type { TargetTable } from './target-table.ts'

type Commit = {
  readonly plan: Extract<RefinePlan, { action: 'refine' }>
  readonly dataset: CheckedDataset
  readonly window: Window
  readonly table: DeltaTable
  /** The table as it was when the plan was made. */
  readonly snapshot: DeltaSnapshot | undefined
  readonly life: TargetTable['life']
  readonly session: SqlSession
  readonly signal: AbortSignal
}

/** Publishes the task's rows. @param rows a query for them: the contract's columns */
export async function commitRows(rows: string, commit: Commit): Promise<CommitResult> {
  const { plan, dataset, table, life, session, signal } = commit
  const { txn, basedOn, configuration } = plan
  const options = {
    txn,
    ...life,
    configuration,
    partitionBy: dataset.partitionBy,
    signal,
    ...(basedOn === undefined ? {} : { basedOn }),
  }
  const query = withWindow(rows, commit)
  if (plan.commit === 'overwrite') return await table.overwrite(session, query, options)
  if (plan.commit === 'append') return await table.append(session, withFormerColumns(query, commit), options)
  if (plan.commit === 'merge') {
    const key = dataset.contract.primaryKey
    return await table.merge(session, withFormerColumns(query, commit), {
      ...options,
      key,
      resolve: mergeResolution(dataset),
    })
  }
  await using view = await table.view(session, {
    signal,
    ...(basedOn === undefined || basedOn < 0 ? {} : { version: basedOn }),
  })
  if (view === undefined) return await table.overwrite(session, query, options)
  const others = `SELECT * FROM ${view.relation} WHERE ${WINDOW_COLUMN} <> ${windowStart(commit.window)}`
  return await table.overwrite(session, `${others} UNION ALL BY NAME ${query}`, options)
}

function withWindow(rows: string, { dataset, window }: Commit): string {
  const names = identifiers(dataset.contract.columns.map(({ name }) => name))
  return `SELECT ${names}, ${windowStart(window)} AS ${WINDOW_COLUMN} FROM (${rows})`
}

function windowStart({ start }: Window): string {
  return `TIMESTAMPTZ ${literal(start)}`
}

/** Columns that the table has from an earlier contract stay in it, empty in new rows. */
function withFormerColumns(query: string, { snapshot, dataset }: Commit): string {
  const known = new Set([...dataset.contract.columns.map(({ name }) => name), '_window'])
  const former = (snapshot?.columns ?? []).filter(({ name }) => !known.has(name))
  if (former.length === 0) return query
  return `SELECT *, ${former.map(({ name, type }) => `CAST(NULL AS ${type}) AS ${identifier(name)}`).join(', ')} FROM (${query})`
}
