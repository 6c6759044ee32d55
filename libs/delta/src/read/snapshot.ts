import type { AddFile } from '../log/actions.ts'
import type { DeltaFile, DeltaSnapshot } from '../delta-table.ts'
import { DeltaCorruptError, DeltaUnsupportedError } from '../errors.ts'
import { commitPath, decodePath } from '../log/paths.ts'
import type { LogState } from '../log/state.ts'
import type { TableShape } from '../log/protocol.ts'
import { statisticsOf } from '../log/statistics.ts'
import { engineTypeOf } from '../log/types.ts'

/** A version of a table as its users see it. @throws {DeltaUnsupportedError} a file that cannot be read here */
export function snapshotOf(table: string, state: LogState, shape: TableShape): DeltaSnapshot {
  const files = [...state.files.values()].map((add) => fileOf(table, add, state.version))
  return {
    version: state.version,
    id: shape.metaData.id,
    columns: shape.fields.map(({ name, type, nullable }) => ({ name, type: engineTypeOf(type) ?? '', nullable })),
    partitionBy: shape.metaData.partitionColumns,
    files,
    rowCount: files.reduce((sum, file) => sum + file.rowCount, 0),
    txns: state.txns,
    configuration: shape.metaData.configuration,
  }
}

export function fileOf(table: string, add: AddFile, version: number): DeltaFile {
  const path = relativePath(table, add, version)
  const { rowCount, min, max } = statisticsOf(add)
  if (rowCount === undefined)
    throw new DeltaUnsupportedError(table, 'files with numRecords in their statistics', `${path} without`)
  return { path, partitionValues: add.partitionValues, sizeBytes: add.size, rowCount, min, max }
}

/** Where a file is, relative to the table. */
export function relativePath(table: string, add: AddFile, version: number): string {
  if (add.hasDeletionVector === true)
    throw new DeltaUnsupportedError(table, 'no deletion vectors', `one on ${add.path}`)
  const path = decodePath(add.path)
  if (path === undefined) {
    if (/^[A-Za-z][A-Za-z0-9+.-]*:|^\//.test(add.path)) {
      throw new DeltaUnsupportedError(table, 'files inside the table (no shallow clone)', `a path outside, ${add.path}`)
    }
    throw new DeltaCorruptError(commitPath(table, version), 'URI-encoded paths', add.path)
  }
  return path
}
