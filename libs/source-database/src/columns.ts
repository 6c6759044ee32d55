import type { TableName } from '@cinelake/contracts'
import type { TableSplit } from './config/index.ts'
import { databaseSourceErrors, type DatabaseLocation } from './errors.ts'
import type { SourceTable } from './source-database.ts'

/** @throws {DATABASE_TABLE_UNUSABLE} terminal: no columns, or columns that cannot be in one Parquet file */
export function checkColumns(place: DatabaseLocation, table: TableName, columns: readonly { readonly name: string }[]) {
  if (columns.length === 0)
    throw databaseSourceErrors.DATABASE_TABLE_UNUSABLE(place, table, 'expected at least one column, got none')
  const names = columns.map(({ name }) => name.toLowerCase())
  const twice = names.find((name, index) => names.indexOf(name) !== index)
  if (twice !== undefined) {
    throw databaseSourceErrors.DATABASE_TABLE_UNUSABLE(
      place,
      table,
      `expected names that differ in more than case, got ${twice} twice`,
    )
  }
}

/** The column that splits a table, if there is one. @throws {DATABASE_SPLIT_UNUSABLE} terminal: no such column */
export function splitColumn(
  place: DatabaseLocation,
  { table, columns, primaryKey }: SourceTable,
  split: TableSplit | undefined,
): string | undefined {
  if (split?.column === undefined) return primaryKey[0]
  if (columns.some(({ name }) => name === split.column)) return split.column
  throw databaseSourceErrors.DATABASE_SPLIT_UNUSABLE(place, table, split.column)
}

/**
 * How new rows are identified, decided by the types that the columns land as.
 * @throws {DATABASE_CURSOR_UNUSABLE} terminal: a column does not exist, or is neither a time nor a number
 */
export function watermarkOf(
  place: DatabaseLocation,
  table: SourceTable,
  columns: readonly string[],
): 'time' | 'number' {
  const kinds = columns.map((name) => {
    const column = table.columns.find((one) => one.name === name)
    const unusable = (problem: string) =>
      databaseSourceErrors.DATABASE_CURSOR_UNUSABLE(place, table.table, name, problem)
    if (column === undefined) throw unusable('expected a column of the table, got no such column')
    if (column.type === 'DATE' || column.type === 'TIMESTAMP WITH TIME ZONE') return 'time'
    if (/^(?:INTEGER|BIGINT|DECIMAL)/.test(column.type)) return 'number'
    throw unusable(`expected a date, a timestamp or a number, got ${column.sourceType}`)
  })
  if (kinds.length > 1 && kinds.includes('number')) {
    throw databaseSourceErrors.DATABASE_CURSOR_UNUSABLE(
      place,
      table.table,
      columns.join(', '),
      'expected one number, or several times, got several columns with a number among them',
    )
  }
  return kinds[0] ?? 'time'
}

/**
 * The same, checking the data as well: rows without a value would never be in any range.
 * @param hasRowsWithout whether rows have no value in all of the columns; called only if that is possible
 */
export async function checkWatermark(
  place: DatabaseLocation,
  table: SourceTable,
  columns: readonly string[],
  hasRowsWithout: () => Promise<boolean>,
): Promise<'time' | 'number'> {
  const kind = watermarkOf(place, table, columns)
  const isNullable = (name: string) => table.columns.find((column) => column.name === name)?.nullable === true
  if (!columns.every(isNullable) || !(await hasRowsWithout())) return kind
  const problem = 'expected a value in every row, got rows without one, which would never be copied'
  throw databaseSourceErrors.DATABASE_CURSOR_UNUSABLE(place, table.table, columns.join(', '), problem)
}
