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
  for await (const row of rows) {
    const cell = row[key.length] ?? null
    const owner = Object.fromEntries(columns.map((column, index) => [column, row[index] ?? null]))
    for (const [index, item] of itemsIn(cell, () =>
      restLandingErrors.REST_PARENT_MISSING(name, dataset, `no list in ${field}`),
    ).entries()) {
      const whose = { ...owner, [POSITION]: index + 1 }
      const own = isObject(item) ? item : { [VALUE]: item }
      const clash = Object.keys(whose).find((column) => Object.hasOwn(own, column))
      if (clash !== undefined) throw restLandingErrors.REST_EXPLODE_CLASH(name, dataset, clash)
      page.push({ ...whose, ...own })
    }
    rowCount += 1
    if (rowCount % ROWS_PER_PAGE !== 0) continue
    yield page
    page = []
  }
  yield page
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
