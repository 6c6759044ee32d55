import { identifier, identifiers, literal } from '@cinelake/sql'
import type { Refine } from '@cinelake/contracts'
import type { Window } from '@cinelake/core'
import { reshaped, type CommitResult, type DeltaTable } from '@cinelake/delta'
import type { SqlSession } from '@cinelake/engine'
import type { CheckedDataset } from '@cinelake/pipeline'
import type { TakenOn } from '../evolve-table.ts'
import { mergeResolution, WINDOW_COLUMN } from './row-order.ts'
import type { RefinePlan } from './plan.ts'
import type { TargetTable } from '../target-table.ts'

type Commit = {
  readonly plan: Extract<RefinePlan, { action: 'refine' }>
  readonly dataset: CheckedDataset
  readonly window: Window
  readonly table: DeltaTable
  /** Schema changes that the table takes on from a changed contract. */
  readonly takenOn: TakenOn
  readonly life: TargetTable<Refine>['life']
  /** A query for the keys of deleted rows; the same commit removes them from the table. */
  readonly deletions: string | undefined
  readonly session: SqlSession
  readonly signal: AbortSignal
}

/** Publishes the task's rows. @param rows a query for them: the contract's columns */
export async function commitRows(rows: string, commit: Commit): Promise<CommitResult> {
  const { plan, dataset, table, life, session, signal, takenOn, deletions } = commit
  const { txn } = plan
  const { evolve } = takenOn
  const basedOn = plan.basedOn ?? (takenOn.isChanged ? takenOn.basedOn : undefined)
  const options = {
    txn,
    ...life,
    configuration: { ...plan.configuration, ...takenOn.configuration },
    evolve,
    partitionBy: dataset.partitionBy,
    signal,
    ...(basedOn === undefined ? {} : { basedOn }),
  }
  const query = withWindow(rows, commit)
  if (plan.commit === 'overwrite') return await table.overwrite(session, query, options)
  if (plan.commit === 'append') return await table.append(session, withFormerColumns(query, commit), options)
  if (plan.commit === 'merge') {
    const { partitionBy, contract } = dataset
    await using staged = await table.stage(session, withFormerColumns(query, commit), { partitionBy, signal })
    return await table.merge(session, staged, {
      ...options,
      key: contract.primaryKey,
      resolve: mergeResolution(dataset),
      ...(deletions !== undefined && { deletions }),
    })
  }
  await using view = await table.view(session, {
    signal,
    ...(basedOn === undefined || basedOn < 0 ? {} : { version: basedOn }),
  })
  if (view === undefined) return await table.overwrite(session, query, options)
  const target = [...(await session.describe(query)), ...takenOn.former]
  const before = reshaped(view.relation, view.snapshot.columns, target, evolve)
  const others = `SELECT * FROM ${before} AS before WHERE ${WINDOW_COLUMN} <> ${windowStart(commit.window)}`
  return await table.overwrite(session, `${others} UNION ALL BY NAME ${query}`, options)
}

function withWindow(rows: string, { dataset, window }: Commit): string {
  const names = identifiers(dataset.contract.columns.map(({ name }) => name))
  return `SELECT ${names}, ${windowStart(window)} AS ${WINDOW_COLUMN} FROM (${rows})`
}

function windowStart({ start }: Window): string {
  return `TIMESTAMPTZ ${literal(start)}`
}

/** Columns that the table has kept from an earlier contract are empty in new rows. */
function withFormerColumns(query: string, { takenOn: { former } }: Commit): string {
  if (former.length === 0) return query
  return `SELECT *, ${former.map(({ name, type }) => `CAST(NULL AS ${type}) AS ${identifier(name)}`).join(', ')} FROM (${query})`
}
