import { LATEST_WINDOW, type Manifest, type Refine } from '@cinelake/contracts'
import { sha256 } from '@cinelake/core'
import type { DeltaSnapshot, DeltaTxn } from '@cinelake/delta'
import type { CheckedDataset } from '@cinelake/pipeline'
import { isCommitted, txnOf } from '../target-table.ts'
import { refineErrors } from './errors.ts'
import { takesEachKeyOnce } from './repeated-keys.ts'

/** Table property: digest of the inputs of the latest commit. */
export const LANDED_PROPERTY = 'cinelake.landed'

/**
 * How rows are written to the table. `replace`: the rows of this window, which an earlier generation appended, are
 * removed first.
 */
export type RefineCommit = 'overwrite' | 'merge' | 'append' | 'replace'

export type RefinePlan =
  /**
   * `unchanged`: the table was made from the same files, or nothing has landed. `superseded`: it holds a later window.
   */
  | { readonly action: 'unchanged' | 'superseded'; readonly snapshot: DeltaSnapshot }
  | {
      readonly action: 'refine'
      readonly commit: RefineCommit
      readonly txn: DeltaTxn
      /** The version that the decision is based on; absent where rows can be added to any version. */
      readonly basedOn?: number
      readonly configuration: Readonly<Record<string, string>>
    }

/**
 * Plans the refine of a landing, before it is read. A command that is redelivered after its commit is planned like the
 * first time: it is processed for its balance, and the commit finds itself there.
 */
export function planRefine(
  command: Refine,
  dataset: CheckedDataset,
  manifest: Manifest,
  table: DeltaSnapshot | undefined,
  contract: { readonly isChanged: boolean } = { isChanged: false },
): RefinePlan {
  const txn = txnOf(command)
  const committed = table?.txns.get(txn.appId)
  const isRepeat = table !== undefined && isCommitted(command, table)
  const landed = landingDigestOf(dataset, manifest)
  if (table !== undefined && !isRepeat) {
    const { configuration } = table
    const isWhole = isWholeTable(manifest)
    // Models read the table by its current contract: a table that rows are added to adopts it, even if there are none.
    const isTakenOn = contract.isChanged && dataset.mode !== 'snapshot'
    const isEmptied = dataset.mode === 'snapshot' && saysEmpty(manifest)
    if (isEmpty(manifest) && !isWhole && !isTakenOn && !isEmptied) return { action: 'unchanged', snapshot: table }
    if (hasDeletions(manifest) && isLater(configuration[LATEST_WINDOW], command.window.start))
      throw refineErrors.REFINE_CHANGES_LATE(dataset.name, command.window.label)
    if ((dataset.mode === 'snapshot' || isWhole) && isLater(configuration[LATEST_WINDOW], command.window.start))
      return { action: 'superseded', snapshot: table }
    if (dataset.mode !== 'append' && configuration[LANDED_PROPERTY] === landed)
      return { action: 'unchanged', snapshot: table }
  }
  const latest = table?.configuration[LATEST_WINDOW]
  const window = latest !== undefined && isLater(latest, command.window.start) ? latest : command.window.start
  // All modes write to a missing table in the same way; without rows it is created empty, so that models can read it.
  const commit = howToCommit(command, dataset, manifest, {
    table,
    hasEarlierGeneration: committed !== undefined && !isRepeat,
  })
  return {
    action: 'refine',
    commit,
    txn,
    ...(isOrderFree(commit, dataset, manifest, txn) ? {} : { basedOn: table?.version ?? -1 }),
    configuration: { [LATEST_WINDOW]: window, [LANDED_PROPERTY]: landed },
  }
}

/**
 * An append of a later generation relies on the earlier one being absent, which a hung worker may change, and an append
 * of keys on none of them being present; deleted rows are removed only from a table without later windows.
 */
function isOrderFree(
  commit: RefineCommit,
  dataset: CheckedDataset,
  manifest: Manifest,
  { version }: DeltaTxn,
): boolean {
  if (commit === 'append') return version === 1 && !takesEachKeyOnce(dataset)
  return commit === 'merge' && !hasDeletions(manifest)
}

function howToCommit(
  { window }: Refine,
  dataset: CheckedDataset,
  manifest: Manifest,
  {
    table,
    hasEarlierGeneration,
  }: { readonly table: DeltaSnapshot | undefined; readonly hasEarlierGeneration: boolean },
): RefineCommit {
  if (table === undefined || isWholeTable(manifest) || dataset.mode === 'snapshot') return 'overwrite'
  if (dataset.mode === 'merge') return 'merge'
  return hasEarlierGeneration && mayHaveRowsOf(table, window.start) ? 'replace' : 'append'
}

/**
 * Whether an earlier generation of a window may have appended rows. Based on statistics: a table that started over has
 * none.
 */
function mayHaveRowsOf({ files }: DeltaSnapshot, start: string): boolean {
  const at = Date.parse(start)
  return files.some(({ rowCount, min, max }) => {
    const [first, last] = [Date.parse(String(min['_window'])), Date.parse(String(max['_window']))]
    return rowCount > 0 && !(first > at) && !(last < at)
  })
}

function isLater(start: string | undefined, other: string): boolean {
  return start !== undefined && Date.parse(start) > Date.parse(other)
}

/** Everything that a refine's rows depend on; of the files' names, which often hold a date, only their order. */
function landingDigestOf(dataset: CheckedDataset, { files, format }: Manifest): string {
  return sha256(JSON.stringify([dataset, format, inOrderOfName(files).map((file) => file.sha256)]))
}

// Properties of a landing, from its manifest, apart from its rows.

/** Whether each row of a landing is marked as deleted or not. Deleted rows come last in each file. */
export function hasDeletions({ cursor }: Manifest): boolean {
  return cursor !== undefined && 'kind' in cursor && cursor.kind === 'changes' && cursor.since !== null
}

/** Where changes could not be determined the whole table landed: a row that is missing in it is deleted. */
function isWholeTable({ cursor }: Manifest): boolean {
  return cursor !== undefined && 'kind' in cursor && cursor.kind === 'changes' && cursor.since === null
}

function isEmpty({ files, rowCount }: Manifest): boolean {
  return files.length === 0 || rowCount === 0
}

/**
 * Whether the source was read in full and said that it has no rows, which differs from no answer, file or push: files
 * alone do not tell.
 */
function saysEmpty({ rowCount, noContent, cursor }: Manifest): boolean {
  return rowCount === 0 && noContent !== true && (cursor === undefined || !('since' in cursor) || cursor.since === null)
}

/** Files in order of precedence: later ones win. */
export function inOrderOfName<File extends { readonly name: string }>(files: readonly File[]): File[] {
  return files.toSorted((one, other) => (one.name < other.name ? -1 : one.name > other.name ? 1 : 0))
}
