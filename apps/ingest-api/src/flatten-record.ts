import { isExactNumber, isObject, type JsonObject, type JsonValue } from './json-text.ts'

/** Objects within objects. Deeper ones are a mistake, or an attack on the stack. */
const MAX_DEPTH = 64

/**
 * Columns. No database has wider tables (PostgreSQL 1,600, SQL Server 1,024: limits in their manuals), and every row gets a
 * cell for each: an object whose names are identifiers would take time and disk by the square of its size.
 */
const MAX_COLUMNS = 2_000

/** The columns of a dataset in the order in which they were first seen. */
export type Columns = Map<string, number>

/** Why a record cannot be a row, in words without values. */
export class RecordProblem extends Error {}

/**
 * A record as the cells of a row. Objects within it are flattened, their names joined by dots; arrays are JSON text;
 * numbers are as they came; null and absent fields are null. Columns that are new are added to `columns`.
 * @throws {RecordProblem}
 */
export function flattenRecord(record: JsonObject, columns: Columns): (string | null)[] {
  const cells: (string | null | undefined)[] = []
  fillCells(record, '', 0, { columns, cells })
  const row: (string | null)[] = []
  for (let index = 0; index < columns.size; index += 1) row.push(cells[index] ?? null)
  return row
}

type Row = { readonly columns: Columns; readonly cells: (string | null | undefined)[] }

function fillCells(object: JsonObject, prefix: string, depth: number, row: Row): void {
  if (depth > MAX_DEPTH) throw new RecordProblem(`expected at most ${MAX_DEPTH} objects within each other, got more`)
  for (const name of Object.keys(object)) {
    const value = object[name] ?? null
    const column = prefix === '' ? name : `${prefix}.${name}`
    if (isObject(value) && Object.keys(value).length > 0) fillCells(value, column, depth + 1, row)
    else setCell(column, cellOf(value), row)
  }
}

function setCell(column: string, cell: string | null, { columns, cells }: Row): void {
  const known = columns.get(column)
  const index = known ?? columns.size
  if (index >= MAX_COLUMNS) {
    throw new RecordProblem(
      `expected at most ${MAX_COLUMNS} fields in all records together, got more: the names of one of its objects are values, such as identifiers`,
    )
  }
  if (known === undefined) columns.set(column, index)
  if (cells[index] !== undefined) {
    throw new RecordProblem(
      `expected each field once, got two that both become the column ${column} when objects are flattened`,
    )
  }
  cells[index] = cell
}

function cellOf(value: JsonValue): string | null {
  if (value === null) return null
  if (typeof value === 'string') return value
  if (typeof value !== 'object') return String(value)
  return isExactNumber(value) ? value.rawJSON : jsonText(value)
}

function jsonText(value: JsonValue): string {
  try {
    return JSON.stringify(value)
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    throw new RecordProblem('expected arrays of a sensible depth, got more than can be handled')
  }
}
