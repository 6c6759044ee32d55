import { isObject, type JsonValue } from '@cinelake/json-rows'
import type { CheckedColumn } from '@cinelake/pipeline'
import { FieldTwice, type ColumnFinder } from './find-columns.ts'
import { cellOfJson } from './json-cell.ts'
import type { Cell } from './record.ts'

/**
 * The cells of an object for a contract's columns.
 * @param meant what a value is for a column of a type
 * @returns a string for an object that is rejected: why, without its values
 */
export function cellsOfObject(
  value: JsonValue,
  columns: readonly CheckedColumn[],
  finder: ColumnFinder,
  meant: (value: JsonValue, type: string) => JsonValue = (found) => found,
): Cell[] | string {
  if (!isObject(value)) return `${kindOf(value)} in place of an object`
  try {
    const values = finder.find(value)
    const cells: Cell[] = []
    for (const [index, { name, type }] of columns.entries()) {
      const found = values[index]
      const cell = found === undefined ? null : cellOfJson(meant(found, type), type)
      if (typeof cell === 'string') return `${cell} in \`${name}\``
      cells.push(cell)
    }
    return cells
  } catch (error) {
    if (error instanceof FieldTwice) return error.message
    if (error instanceof RangeError) return 'lists and objects within each other that are too many to be read'
    throw error
  }
}

function kindOf(value: JsonValue): string {
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'a list'
  return typeof value === 'string' ? 'a text' : typeof value === 'boolean' ? 'true or false' : 'a number'
}
