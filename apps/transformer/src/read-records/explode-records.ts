import { duplicateNameIn, isObject, parseJson, type JsonObject, type JsonValue } from '@cinelake/json-rows'
import type { CheckedColumn, Exploded } from '@cinelake/pipeline'
import { ColumnFinder } from './find-columns.ts'
import { cellsOfObject } from './object-records.ts'
import { KIND, type Cell, type FoundRecord, type RecordFile } from './record.ts'

/** The column for an item's place in its list, from 1. */
const POSITION = '_position'

/** The column for an item that is not an object. */
const VALUE = 'value'

/** The columns of a parent's rows that the items of its list need: its key, then the list. */
export function parentColumns({ field, key }: Exploded): CheckedColumn[] {
  return [...key, { name: field, type: 'VARCHAR', required: true, reading: { from: [field] } }]
}

/**
 * The items of a list in each of a parent's records, as records with the parent's key and their place in the list. No
 * list and an empty one have no items; a value that is no list is one item. A parent's record that cannot be read, and
 * a text that is no list, are one record, which is rejected.
 * @param parents their cells are those of `parentColumns`
 */
export function explodeRecords(parents: RecordFile, columns: readonly CheckedColumn[], exploded: Exploded): RecordFile {
  let finder = new ColumnFinder(columns)
  return {
    get names() {
      return finder.names
    },
    async *read(signal) {
      finder = new ColumnFinder(columns)
      for await (const batch of parents.read(signal))
        yield batch.flatMap((parent) => itemRecords(parent, columns, exploded, finder))
    },
  }
}

function itemRecords(
  parent: FoundRecord,
  columns: readonly CheckedColumn[],
  { dataset, field, key }: Exploded,
  finder: ColumnFinder,
): FoundRecord[] {
  const { line, place, problem, raw } = parent
  const at = { ...(line !== undefined && { line }), ...(place !== undefined && { place }) }
  const broken = (why: string): FoundRecord[] => [{ ...at, cells: [], problem: why, raw }]
  if (problem !== undefined) return broken(`a row of \`${dataset}\` that cannot be read: ${problem}`)
  const items = itemsOf(parent.cells[key.length] ?? null)
  if (typeof items === 'string') return broken(`${items} in \`${field}\``)
  if (items.length === 0) return []
  const owner: Record<string, JsonValue> = {}
  for (const [index, { name }] of key.entries()) {
    const value = valueOf(parent.cells[index] ?? null)
    if (value === null) return broken(`a row of \`${dataset}\` without a value in its key \`${name}\``)
    owner[`${dataset}.${name}`] = value
  }
  return items.map((item, index): FoundRecord => {
    const own = isObject(item) ? item : { [VALUE]: item }
    const whose: JsonObject = { ...owner, [POSITION]: index + 1 }
    const clash = Object.keys(whose).find((name) => Object.hasOwn(own, name))
    const cells =
      clash === undefined
        ? cellsOfObject({ ...whose, ...own }, columns, finder)
        : `a field \`${clash}\`, which tells whose the item is or where,`
    const of = { ...at, place: `${place ?? ''}.${field}[${index}]`, raw: () => JSON.stringify(item) }
    return typeof cells === 'string' ? { ...of, cells: [], problem: cells } : { ...of, cells }
  })
}

/** @returns a text where the cell holds no list: what it is */
function itemsOf(cell: Cell): readonly JsonValue[] | string {
  if (cell === null) return []
  if (cell.kind !== KIND.json) return cell.kind === KIND.text && cell.text === '' ? [] : [valueOf(cell)]
  try {
    const value = parseJson(cell.text)
    if (duplicateNameIn(cell.text) !== undefined) return 'an object in which a name is there twice'
    if (value === null) return []
    if (Array.isArray(value)) return value as readonly JsonValue[]
    // `{}` is how PostgreSQL prints an empty list.
    return isObject(value) && Object.keys(value).length === 0 ? [] : [value]
  } catch (error) {
    if (!(error instanceof SyntaxError || error instanceof RangeError)) throw error
    return 'a text that is no list'
  }
}

function valueOf(cell: Cell): JsonValue {
  if (cell === null) return null
  if (cell.kind === KIND.boolean) return cell.text === 'true'
  if (cell.kind !== KIND.number) return cell.text
  try {
    return parseJson(cell.text)
  } catch (error) {
    // Infinity is no number of JSON.
    if (error instanceof SyntaxError) return cell.text
    throw error
  }
}
