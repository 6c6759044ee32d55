import { TableLostError, type DeltaSnapshot } from '@cinelake/delta'
import { shapeOf, type LoadedTable, type WarehouseTable } from '@cinelake/warehouse'

/** What has to be done so that the SQL table holds a version of the refined table. */
export type LoadPlan =
  /** Nothing: it holds that version. */
  | { readonly kind: 'already-loaded' }
  /** Nothing: it holds a later one, and does not go back. */
  | { readonly kind: 'superseded' }
  /** Find out what changed since the version that it holds. */
  | { readonly kind: 'compare'; readonly since: number }
  | { readonly kind: 'replace' }

type Version = Pick<DeltaSnapshot, 'version' | 'id'>

/**
 * Versions are compared within one life of the refined table only: the same number under another id says nothing.
 * @param latest the refined table as it is now
 * @throws {TableLostError} terminal: the mart holds a version of this very table that the lake no longer has
 */
export function planLoad(
  table: WarehouseTable,
  wanted: Version & Pick<DeltaSnapshot, 'rowCount'>,
  latest: Version & { readonly path: string },
  loaded: LoadedTable | undefined,
): LoadPlan {
  if (loaded === undefined) return { kind: 'replace' }
  if (loaded.tableId !== null && loaded.tableId !== wanted.id) {
    // A command that comes late may want a life that is over; of two others the one that is there now counts.
    return { kind: loaded.tableId === latest.id ? 'superseded' : 'replace' }
  }
  if (loaded.version > latest.version) {
    if (loaded.tableId === null) return { kind: 'replace' }
    throw new TableLostError(latest.path, loaded.version, `version ${latest.version} as the latest`)
  }
  // Whatever its shape: a command that comes late may carry an older text of the pipeline as well.
  if (loaded.version > wanted.version) return { kind: 'superseded' }
  if (loaded.shape !== shapeOf(table)) return { kind: 'replace' }
  if (loaded.version === wanted.version) {
    // The same version with other rows is of a table that was begun again.
    return { kind: loaded.rowCount === wanted.rowCount ? 'already-loaded' : 'replace' }
  }
  return table.primaryKey.length === 0 ? { kind: 'replace' } : { kind: 'compare', since: loaded.version }
}

/**
 * Whether sending what changed beats sending everything. Measured on the embedded warehouse a changed row costs about
 * twice a copied one: it is looked up by its key.
 */
export function isCheaperToChange(changedRowCount: number, rowCount: number): boolean {
  return changedRowCount * 2 <= rowCount
}
