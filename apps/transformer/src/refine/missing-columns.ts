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
 * Records that name their own fields may leave out those without a value. A column that none of them has is gone when
 * that is less likely than this, by the share of rows that have a value in it so far.
 */
const CHANCE = 0.001

/**
 * The columns that the rows of a landing say nothing of, so that merged rows keep their values.
 * @throws {REFINE_COLUMN_GONE} terminal: a column has values in the table, is gone from the landing, and the dataset
 *   does not say what becomes of it
 */
export async function columnsToKeep({ dataset, manifest, files, window }: Work, deps: Deps): Promise<string[]> {
  const ofRecords = new Set(manifest.files.filter((file) => file.ofRecords === true).map(({ name }) => name))
  const withRows = files.filter(({ rowCount }) => rowCount > 0)
  const namesFields = (file: StagedFile) => file.ofRecords === true || file.names.every((name) => ofRecords.has(name))
  const { missingColumns } = dataset
  const lacking = missingColumns === 'empty' ? [] : withRows.filter((file) => file.missing.length > 0)
  // Merged rows take each missing value from the one before anyway.
  if (lacking.length === 0 || (dataset.mode === 'merge' && dataset.duplicates === 'fill')) return []
  const filled = await sharesOfValues(new Set(lacking.flatMap(({ missing }) => missing)), dataset, deps)
  const rowCount = withRows.reduce((sum, file) => sum + file.rowCount, 0)
  const isGone = (file: StagedFile, name: string) => {
    const share = filled.get(name) ?? 0
    if (share === 0 || missingColumns === 'keep' || !namesFields(file)) return share > 0
    return withRows.every(({ missing }) => missing.includes(name)) && (1 - share) ** rowCount < CHANCE
  }
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
    const columns = file.missing.filter((name) => isGone(file, name))
    if (columns.length > 0 && missingColumns !== 'keep') throw fail(file, columns, false)
  }
  if (dataset.mode !== 'merge' || missingColumns !== 'keep') return []
  for (const file of lacking) {
    const mixed = file.missing.filter(
      (name) => isGone(file, name) && !withRows.every(({ missing }) => missing.includes(name)),
    )
    if (mixed.length > 0) throw fail(file, mixed, true)
  }
  return [...filled].flatMap(([name, share]) => (share > 0 ? [name] : []))
}

/** Which share of the table's rows has a value in each of some columns, perhaps still under an earlier name. */
async function sharesOfValues(
  names: ReadonlySet<string>,
  { contract }: CheckedDataset,
  { table, snapshot, session, signal }: Deps,
): Promise<Map<string, number>> {
  if (snapshot === undefined) return new Map()
  const there = new Set(snapshot.columns.map(({ name }) => name))
  const asked = contract.columns
    .filter(({ name }) => names.has(name))
    .map(({ name, renamedFrom = [] }) => ({ name, as: [name, ...renamedFrom].filter((known) => there.has(known)) }))
    .filter(({ as }) => as.length > 0)
  if (asked.length === 0) return new Map()
  await using view = await table.view(session, { version: snapshot.version, signal })
  if (view === undefined) return new Map()
  const counts = asked.map(({ as }, at) => `${as.map((known) => `count(${identifier(known)})`).join(' + ')} AS n${at}`)
  const [found = {}] = await session.rows<Record<string, number>>(
    `SELECT count(*) AS whole, ${counts.join(', ')} FROM ${view.relation}`,
    { signal },
  )
  const whole = found['whole'] ?? 0
  return new Map(asked.map(({ name }, at) => [name, whole === 0 ? 0 : Math.min(1, (found[`n${at}`] ?? 0) / whole)]))
}
