import { TableLostError, type DeltaSnapshot } from '@cinelake/delta'
import { shapeOf, type LoadedTable, type WarehouseTable } from '@cinelake/warehouse'

/** How to bring the SQL table to a version of the refined table. */
export type LoadPlan =
  /** No work: it holds that version. */
  | { readonly kind: 'already-loaded' }
  /** No work: it holds a later version, and is never rolled back. */
  | { readonly kind: 'superseded' }
  /** Work out the changes since the version that it holds. */
  | { readonly kind: 'compare'; readonly since: number }
  | { readonly kind: 'replace' }

type Version = Pick<DeltaSnapshot, 'version' | 'id'>

/**
 * Versions are compared within one table id of the refined table only: the same number under another id is unrelated.
 * @param latest the current refined table
 * @throws {TableLostError} terminal: the mart holds a version under this table id that the lake no longer has
 */
export function planLoad(
  table: WarehouseTable,
  wanted: Version & Pick<DeltaSnapshot, 'rowCount'>,
  latest: Version & { readonly path: string },
  loaded: LoadedTable | undefined,
): LoadPlan {
  if (loaded === undefined) return { kind: 'replace' }
  if (loaded.tableId !== null && loaded.tableId !== wanted.id) {
    // A late command may name an earlier table id; of two other ids the current one counts.
    return { kind: loaded.tableId === latest.id ? 'superseded' : 'replace' }
  }
  if (loaded.version > latest.version) {
    if (loaded.tableId === null) return { kind: 'replace' }
    throw new TableLostError(latest.path, loaded.version, `version ${latest.version} as the latest`)
  }
  // Whatever its shape: a late command may carry an older text of the pipeline as well.
  if (loaded.version > wanted.version) return { kind: 'superseded' }
  if (loaded.shape !== shapeOf(table)) return { kind: 'replace' }
  if (loaded.version === wanted.version) {
    // The same version with other rows comes from a table that started over.
    return { kind: loaded.rowCount === wanted.rowCount ? 'already-loaded' : 'replace' }
  }
  return table.primaryKey.length === 0 ? { kind: 'replace' } : { kind: 'compare', since: loaded.version }
}

/** Measured on the embedded warehouse: a changed row is looked up by its key, and costs about twice a copied one. */
export function isCheaperToChange(changedRowCount: number, rowCount: number): boolean {
  return changedRowCount * 2 <= rowCount
}
