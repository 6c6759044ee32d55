import { isObject, parseJson, type JsonArray } from '../bodies/json-text.ts'
import { POSITION } from '../children/explode-rows.ts'
import { ExplodeClashError } from './errors.ts'

/**
 * Passes on a parent's rows whose items have no field called like one of the columns that say whose an item is and where
 * in its list it was: it would take that column's place.
 * @param rows the parent's key columns, then the list
 * @throws {ExplodeClashError} terminal
 */
export async function* withoutClash(
  rows: AsyncIterable<readonly (string | null)[]>,
  { dataset, parent }: { readonly dataset: string; readonly parent: string },
  key: readonly string[],
): AsyncGenerator<readonly (string | null)[]> {
  const columns = [...key.map((field) => `${parent}.${field}`), POSITION]
  for await (const row of rows) {
    const clash = clashIn(row.at(-1) ?? '', columns)
    if (clash !== undefined) throw new ExplodeClashError(dataset, parent, clash)
    yield row
  }
}

function clashIn(list: string, columns: readonly string[]): string | undefined {
  // Few lists have such a name in them at all; only those are looked into. A name may also be written with escapes.
  if (!list.includes('\\') && !columns.some((name) => list.includes(name))) return undefined
  const items = itemsIn(list)
  return columns.find((name) => items.some((item) => isObject(item) && Object.hasOwn(item, name)))
}

function itemsIn(list: string): JsonArray {
  try {
    const value = parseJson(list)
    return Array.isArray(value) ? (value as JsonArray) : [value]
  } catch {
    // Whoever makes items of it says what is wrong with it.
    return []
  }
}
