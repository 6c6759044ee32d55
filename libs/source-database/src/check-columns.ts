import type { TableName } from '@cinelake/contracts'
import { TableUnusableError, type DatabasePlace } from './errors.ts'

/** @throws {TableUnusableError} terminal: no columns, or columns that cannot be in one Parquet file */
export function checkColumns(place: DatabasePlace, table: TableName, columns: readonly { readonly name: string }[]) {
  if (columns.length === 0) throw new TableUnusableError(place, table, 'expected at least one column, got none')
  const names = columns.map(({ name }) => name.toLowerCase())
  const twice = names.find((name, index) => names.indexOf(name) !== index)
  if (twice !== undefined) {
    throw new TableUnusableError(place, table, `expected names that differ in more than case, got ${twice} twice`)
  }
}
