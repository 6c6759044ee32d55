import { identifier, identifiers, literal } from '@cinelake/sql'
import { join } from 'node:path'
import { DELETED_COLUMN } from '@cinelake/contracts'
import type { CheckedDataset } from '@cinelake/pipeline'
import { landedParquet, type StageSource } from './stage-sql.ts'
import type { StagedFile, StageDeps } from './staged-file.ts'

/** The existing rows of a landed file: those before the deleted ones. */
export const REMAINING = `${identifier(DELETED_COLUMN)} IS NOT TRUE`

/** The keys of the deleted rows of a landed file, typed as in the table, as a local file. */
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

/** A query for the keys of the deleted rows, typed as in the table; undefined where there is none. */
export function deletedKeysQuery(files: readonly StagedFile[], { contract }: CheckedDataset): string | undefined {
  const paths = files.flatMap(({ deleted }) => (deleted !== undefined && deleted.rowCount > 0 ? [deleted.path] : []))
  if (paths.length === 0) return undefined
  return `SELECT DISTINCT ${identifiers(contract.primaryKey)} FROM read_parquet([${paths.map(literal).join(', ')}])`
}
