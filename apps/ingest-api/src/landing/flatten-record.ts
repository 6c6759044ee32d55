import type { Flatten } from '@cinelake/pipeline'
import { isExactNumber, isObject, type JsonObject, type JsonValue } from '../bodies/json-text.ts'
import { KIND, RESCUED, type Columns } from './columns.ts'
import { RecordProblem } from './record-problem.ts'

/** Objects within objects. Deeper ones are a mistake, or an attack on the stack. */
const MAX_DEPTH = 64

/** How objects are written, by field; `*` for all others. */
export type FlattenRules = Readonly<Record<string, Flatten>>

type Row = {
  readonly columns: Columns
  readonly flatten: FlattenRules
  readonly cells: (string | null | undefined)[]
  rescued: Record<string, JsonValue> | undefined
}

/**
 * A record as the cells of a row. Objects within it are flattened, their names joined by dots, unless the rules say that
 * they are JSON; arrays are JSON text; numbers are as they came; null and absent fields are null. Columns that are new are
 * added to `columns`.
 * @param first cells of columns that the record itself does not have
 * @throws {RecordProblem}
 */
export function flattenRecord(
  record: JsonObject,
  columns: Columns,
  flatten: FlattenRules = {},
  first: JsonObject = {},
): (string | null)[] {
  const row: Row = { columns, flatten, cells: [], rescued: undefined }
  fillCells(first, '', 0, row)
  fillCells(record, '', 0, row)
  if (row.rescued !== undefined) setCell(RESCUED, jsonText(row.rescued), KIND.object, row)
  const { cells } = row
  for (let index = 0; index < columns.width; index += 1) cells[index] ??= null
  return cells as (string | null)[]
}

function fillCells(object: JsonObject, prefix: string, depth: number, row: Row): void {
  if (depth > MAX_DEPTH) throw new RecordProblem(`expected at most ${MAX_DEPTH} objects within each other, got more`)
  for (const name of Object.keys(object)) {
    const value = object[name] ?? null
    const column = prefix === '' ? name : `${prefix}.${name}`
    if (typeof value !== 'object') setCell(column, String(value), kindOf(value), row, value)
    else if (value === null) setCell(column, null, 0, row, value)
    else if (isExactNumber(value)) setCell(column, value.rawJSON, KIND.number, row, value)
    else if (isFlattened(value, column, row)) fillCells(value, column, depth + 1, row)
    else setCell(column, jsonText(value), Array.isArray(value) ? KIND.array : KIND.object, row, value)
  }
}

function isFlattened(value: JsonValue, column: string, { flatten }: Row): value is JsonObject {
  return isObject(value) && Object.keys(value).length > 0 && (flatten[column] ?? flatten['*']) !== 'json'
}

function setCell(name: string, cell: string | null, kind: number, row: Row, value: JsonValue = cell): void {
  const column = row.columns.of(name)
  column.kinds |= kind
  column.recordCount += 1
  if (column.index < 0) {
    // Nothing is lost by leaving out a field without a value.
    if (column.index === -2 && value !== null) (row.rescued ??= newObject())[name] = value
    return
  }
  if (row.cells[column.index] !== undefined) {
    throw new RecordProblem(
      `expected each field once, got two that both become the column ${name} when objects are flattened`,
    )
  }
  row.cells[column.index] = cell
}

/** Without a prototype, so that a field may be called `__proto__`. */
const newObject = () => Object.create(null) as Record<string, JsonValue>

function kindOf(value: string | number | boolean): number {
  return typeof value === 'string' ? KIND.text : typeof value === 'number' ? KIND.number : KIND.boolean
}

function jsonText(value: JsonValue): string {
  try {
    return JSON.stringify(value)
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    throw new RecordProblem('expected arrays of a sensible depth, got more than can be handled')
  }
}
