import type { TableSplit } from '../config/index.ts'
import { SplitUnusableError, type DatabasePlace } from '../errors.ts'
import type { SourceTable } from '../source-database.ts'

/**
 * The column by which a table is split into ranges; undefined if there is none.
 * @throws {SplitUnusableError} terminal: the declared column does not exist
 */
export function splitColumn(
  place: DatabasePlace,
  { table, columns, primaryKey }: SourceTable,
  split: TableSplit | undefined,
): string | undefined {
  if (split?.column === undefined) return primaryKey[0]
  if (columns.some(({ name }) => name === split.column)) return split.column
  throw new SplitUnusableError(place, table, split.column)
}
