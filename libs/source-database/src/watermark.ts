import { CursorUnusableError, type DatabasePlace } from './errors.ts'
import type { SourceTable } from './source-database.ts'

/**
 * How new rows are identified, decided by the types that the columns land as.
 * @throws {CursorUnusableError} terminal: a column does not exist, or is neither a time nor a number
 */
export function watermarkOf(place: DatabasePlace, table: SourceTable, columns: readonly string[]): 'time' | 'number' {
  const kinds = columns.map((name) => {
    const column = table.columns.find((one) => one.name === name)
    const unusable = (problem: string) => new CursorUnusableError(place, table.table, name, problem)
    if (column === undefined) throw unusable('expected a column of the table, got no such column')
    if (column.type === 'DATE' || column.type === 'TIMESTAMP WITH TIME ZONE') return 'time'
    if (/^(?:INTEGER|BIGINT|DECIMAL)/.test(column.type)) return 'number'
    throw unusable(`expected a date, a timestamp or a number, got ${column.sourceType}`)
  })
  if (kinds.length > 1 && kinds.includes('number')) {
    throw new CursorUnusableError(
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
 * @param hasRowsWithout whether there are rows without a value in all of the columns; called only if that is possible
 * @throws {CursorUnusableError} terminal
 */
export async function checkWatermark(
  place: DatabasePlace,
  table: SourceTable,
  columns: readonly string[],
  hasRowsWithout: () => Promise<boolean>,
): Promise<'time' | 'number'> {
  const kind = watermarkOf(place, table, columns)
  const isNullable = (name: string) => table.columns.find((column) => column.name === name)?.nullable === true
  if (!columns.every(isNullable) || !(await hasRowsWithout())) return kind
  const problem = 'expected a value in every row, got rows without one, which would never be copied'
  throw new CursorUnusableError(place, table.table, columns.join(', '), problem)
}
