import { identifier, identifiers, literal } from '@cinelake/sql'
import { join } from 'node:path'
import { DELETED_COLUMN } from '@cinelake/contracts'
import { reshaped, type CommitResult, type DeltaSnapshot, type DeltaTable } from '@cinelake/delta'
import type { SqlSession } from '@cinelake/engine'
import type { CheckedDataset } from '@cinelake/pipeline'
import type { TakenOn } from '../evolve-table.ts'
import { landedParquet } from './landed-parquet.ts'
import type { RefinePlan } from './plan.ts'
import type { StagedFile, StageDeps } from './staged-file.ts'
import type { StageSource } from './stage-sql.ts'

/** The rows of a landed file that are there: as many as come before those that are gone. */
export const REMAINING = `${identifier(DELETED_COLUMN)} IS NOT TRUE`

/** The keys of the rows of a landed file that are gone, typed as in the table, as a local file. */
export async function stageDeletions(
  local: string,
  { columns }: StageSource,
  {
    dataset,
    relation,
    index,
    deps,
  }: {
    readonly dataset: CheckedDataset
    /** All rows of the file. */
    readonly relation: string
    readonly index: number
    readonly deps: Pick<StageDeps, 'session' | 'directory' | 'signal'>
  },
): Promise<NonNullable<StagedFile['deleted']>> {
  const keys = dataset.contract.columns.flatMap(({ name }, place) =>
    dataset.contract.primaryKey.includes(name) ? [`${columns[place]?.value ?? 'NULL'} AS ${identifier(name)}`] : [],
  )
  const path = join(deps.directory, `deleted-${index}.parquet`)
  await deps.session.run(`COPY (SELECT ${keys.join(', ')} FROM ${relation}) TO ${literal(path)} (FORMAT parquet)`, {
    signal: deps.signal,
  })
  const [found] = await deps.session.rows<{ n: number }>(
    `SELECT count(*) AS n FROM ${landedParquet(local)} WHERE ${identifier(DELETED_COLUMN)}`,
    { signal: deps.signal },
  )
  return { path, rowCount: Number(found?.n) }
}

type Removal = {
  readonly plan: Extract<RefinePlan, { action: 'refine' }>
  readonly dataset: CheckedDataset
  readonly table: DeltaTable
  readonly snapshot: DeltaSnapshot | undefined
  readonly takenOn: TakenOn
  /** Whether the command's rows are in the table: then those that are gone are not. */
  readonly isRepeat: boolean
  readonly session: SqlSession
  readonly signal: AbortSignal
}

/**
 * Takes the rows that are gone out of the table, in a commit before the one of the rows that were written: who sees the
 * latter's properties sees a table without them. A window with deletions rewrites the table.
 * @returns the commit; undefined where no row is gone
 */
export async function removeDeleted(files: readonly StagedFile[], removal: Removal): Promise<CommitResult | undefined> {
  const { plan, dataset, table, snapshot, takenOn, isRepeat, session, signal } = removal
  const paths = files.flatMap(({ deleted }) => (deleted !== undefined && deleted.rowCount > 0 ? [deleted.path] : []))
  if (snapshot === undefined || isRepeat || paths.length === 0) return undefined
  await using view = await table.view(session, { signal, version: snapshot.version })
  if (view === undefined) return undefined
  const key = identifiers(dataset.contract.primaryKey)
  const gone = `(SELECT DISTINCT ${key} FROM read_parquet([${paths.map(literal).join(', ')}]))`
  const target = [...dataset.contract.columns, { name: '_window', type: 'TIMESTAMP WITH TIME ZONE' }, ...takenOn.former]
  const before = reshaped(view.relation, snapshot.columns, target, takenOn.evolve)
  return await table.overwrite(session, `SELECT old.* FROM ${before} AS old ANTI JOIN ${gone} AS gone USING (${key})`, {
    txn: { appId: `${plan.txn.appId}/deletions`, version: plan.txn.version },
    configuration: takenOn.configuration,
    partitionBy: dataset.partitionBy,
    basedOn: snapshot.version,
    signal,
  })
}
