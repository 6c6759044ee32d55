import type { RestDataset } from '../config/index.ts'
import { isObject, type JsonObject, type JsonValue, parseJson } from '@cinelake/json-rows'
import { restLandingErrors } from '../errors.ts'

/** Rows of the parent whose items make one page. */
const ROWS_PER_PAGE = 500

/** The column for an item's index in its list, from 1. */
export const POSITION = '_position'

/** The column for an item that is not an object. */
export const VALUE = 'value'

/**
 * The items of a list in a parent's rows as records, with the parent's key and their index in the list. An empty or missing
 * list has no items; a value that is not a list is one item.
 * @param rows the parent's key columns, then the list
 * @throws {REST_EXPLODE_CLASH} terminal: an item has a field with the name of a key or index column, and
 * would overwrite it
 */
export async function* explodeRows(
  rows: AsyncIterable<readonly (string | null)[]>,
  { name, explodedFrom }: RestDataset,
): AsyncGenerator<JsonObject[]> {
  if (explodedFrom === undefined) return
  const { dataset, field, key } = explodedFrom
  const columns = key.map((column) => `${dataset}.${column}`)
  let page: JsonObject[] = []
  let rowCount = 0
  const unreadable = () => restLandingErrors.REST_PARENT_MISSING(name, dataset, `no list in ${field}`)
  const clash = (column: string) => restLandingErrors.REST_EXPLODE_CLASH(name, dataset, column)
  for await (const row of rows) {
    const owner = Object.fromEntries(columns.map((column, index) => [column, row[index] ?? null]))
    for (const record of itemRecords(owner, row[key.length] ?? null, unreadable, clash)) page.push(record)
    rowCount += 1
    if (rowCount % ROWS_PER_PAGE !== 0) continue
    yield page
    page = []
  }
  yield page
}

/**
 * The items of one list as records: with the owner's columns, and their index.
 * @param unreadable the error for a cell that begins like a list and is none
 * @param clash the error for an item with a field of the owner's; without it the item's own value counts
 */
export function itemRecords(
  owner: JsonObject,
  cell: string | null,
  unreadable: () => Error,
  clash?: (column: string) => Error,
): JsonObject[] {
  return itemsIn(cell, unreadable).map((item, index) => {
    const whose = { ...owner, [POSITION]: index + 1 }
    const own = isObject(item) ? item : { [VALUE]: item }
    const twice = Object.keys(whose).find((column) => Object.hasOwn(own, column))
    if (twice !== undefined && clash !== undefined) throw clash(twice)
    return { ...whose, ...own }
  })
}

function itemsIn(cell: string | null, problem: () => Error): readonly JsonValue[] {
  if (cell === null || cell === '') return []
  if (!/^\s*[[{]/.test(cell)) return [cell]
  try {
    const value = parseJson(cell)
    return Array.isArray(value) ? (value as readonly JsonValue[]) : [value]
  } catch (error) {
    if (!(error instanceof SyntaxError || error instanceof RangeError)) throw error
    throw problem()
  }
}
