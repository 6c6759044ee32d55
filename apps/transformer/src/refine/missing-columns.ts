import { identifier } from '@cinelake/sql'
import type { Manifest } from '@cinelake/contracts'
import type { Window } from '@cinelake/core'
import type { DeltaSnapshot, DeltaTable } from '@cinelake/delta'
import type { SqlSession } from '@cinelake/engine'
import type { CheckedDataset } from '@cinelake/pipeline'
import { refineErrors } from './errors.ts'
import type { StagedFile } from './staged-file.ts'

type Work = {
  readonly dataset: CheckedDataset
  readonly manifest: Manifest
  readonly files: readonly StagedFile[]
  readonly window: Window
}
type Deps = {
  readonly table: DeltaTable
  /** The table when the commit was planned. */
  readonly snapshot: DeltaSnapshot | undefined
  readonly session: SqlSession
  readonly signal: AbortSignal
}

/**
 * The columns that the rows of a landing say nothing of, so that merged rows keep their values.
 * @throws {REFINE_COLUMN_GONE} terminal: a column has values in the table, is gone from the landing, and the dataset
 *   does not say what becomes of it
 */
export async function columnsToKeep({ dataset, manifest, files, window }: Work, deps: Deps): Promise<string[]> {
  const records = new Set(manifest.files.filter(({ ofRecords }) => ofRecords === true).map(({ name }) => name))
  const withRows = files.filter(({ rowCount }) => rowCount > 0)
  const policyOf = ({ names, ofRecords }: StagedFile) =>
    dataset.missingColumns ?? (ofRecords === true || names.every((name) => records.has(name)) ? 'empty' : 'fail')
  const lacking = withRows.filter((file) => file.missing.length > 0 && policyOf(file) !== 'empty')
  // Merged rows take each missing value from the one before anyway.
  if (lacking.length === 0 || (dataset.mode === 'merge' && dataset.duplicates === 'fill')) return []
  const gone = await havingValues(new Set(lacking.flatMap(({ missing }) => missing)), dataset, deps)
  const fail = (file: StagedFile, columns: readonly string[], isMixed: boolean) =>
    refineErrors.REFINE_COLUMN_GONE({
      dataset: dataset.name,
      window: window.label,
      file: file.names[0] ?? '',
      columns,
      others: file.unknown,
      isMixed,
    })
  for (const file of lacking) {
    const columns = file.missing.filter((name) => gone.has(name))
    if (columns.length > 0 && policyOf(file) === 'fail') throw fail(file, columns, false)
  }
  if (dataset.mode !== 'merge') return []
  for (const file of lacking) {
    const mixed = file.missing.filter(
      (name) => gone.has(name) && !withRows.every(({ missing }) => missing.includes(name)),
    )
    if (mixed.length > 0) throw fail(file, mixed, true)
  }
  return [...gone]
}

/** Those of some columns of the contract that have a value in the table, perhaps still under an earlier name. */
async function havingValues(
  names: ReadonlySet<string>,
  { contract }: CheckedDataset,
  { table, snapshot, session, signal }: Deps,
): Promise<Set<string>> {
  if (snapshot === undefined) return new Set()
  const there = new Set(snapshot.columns.map(({ name }) => name))
  const asked = contract.columns
    .filter(({ name }) => names.has(name))
    .map(({ name, renamedFrom = [] }) => ({ name, as: [name, ...renamedFrom].filter((known) => there.has(known)) }))
    .filter(({ as }) => as.length > 0)
  if (asked.length === 0) return new Set()
  await using view = await table.view(session, { version: snapshot.version, signal })
  if (view === undefined) return new Set()
  const counts = asked.map(
    ({ as }, at) => `${as.map((known) => `count(${identifier(known)})`).join(' + ')} > 0 AS has_${at}`,
  )
  const [found = {}] = await session.rows<Record<string, boolean>>(
    `SELECT ${counts.join(', ')} FROM ${view.relation}`,
    { signal },
  )
  return new Set(asked.filter((_, at) => found[`has_${at}`] === true).map(({ name }) => name))
}
