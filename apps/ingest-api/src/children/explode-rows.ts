import type { RestDataset } from '@cinelake/pipeline'
import { isObject, parseJson, type JsonObject, type JsonValue } from '../bodies/json-text.ts'
import { ParentMissingError } from '../landing/errors.ts'

/** Rows of the parent whose items make one page. */
const ROWS_PER_PAGE = 500

/** The column that says where in its list an item was, from 1. */
export const POSITION = '_position'

/** The column that holds an item that is no object. */
export const VALUE = 'value'

/**
 * The items of a list in a parent's rows as records, with the parent's key and their place in the list. An empty list and
 * none have no items; a value that is no list is one item.
 * @param rows the parent's key columns, then the list
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
    for (const [index, item] of itemsIn(
      cell,
      () => new ParentMissingError(name, dataset, `no list in ${field}`),
    ).entries()) {
      page.push({ ...owner, [POSITION]: index + 1, ...(isObject(item) ? item : { [VALUE]: item }) })
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
