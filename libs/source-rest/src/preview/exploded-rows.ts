import { ConfigError } from '@cinelake/core'
import { rowsOf, type Sample } from '@cinelake/source-kind'
import { POSITION, VALUE } from '../children/explode-rows.ts'
import type { Flatten } from '../config/index.ts'

type Explosion = {
  /** The dataset whose rows have the list. */
  readonly dataset: string
  readonly field: string
  /** Columns of these rows that are copied. */
  readonly key: readonly string[]
  readonly flatten: Readonly<Record<string, Flatten>>
  readonly limit: number
}

/**
 * The items of a list in rows, as rows. Used only to infer types: a number may lose digits.
 * @throws {ConfigError} terminal: a value that begins like a list is not valid JSON
 */
export function explodedRows(
  owners: Sample,
  { dataset, field, key, flatten, limit }: Explosion,
): Pick<Sample, 'columns' | 'rows' | 'isAll' | 'primaryKey'> {
  const placeOf = (name: string) => owners.columns.findIndex((column) => column.name === name)
  const records = owners.rows.flatMap((row) =>
    itemsIn(row[placeOf(field)] ?? '', `lists in the field ${field} of ${dataset}`).map((item, index) => {
      const first = key.map((name) => [`${dataset}.${name}`, row[placeOf(name)] ?? null] as const)
      return new Map([
        ...first,
        [POSITION, String(index + 1)],
        ...cellsOf(isObject(item) ? item : { [VALUE]: item }, '', flatten),
      ])
    }),
  )
  return {
    ...rowsOf(records.slice(0, limit)),
    isAll: owners.isAll && records.length <= limit,
    primaryKey: [...key.map((name) => `${dataset}.${name}`), POSITION],
  }
}

function itemsIn(cell: string, expected: string): readonly unknown[] {
  if (cell === '') return []
  if (!/^\s*[[{]/.test(cell)) return [cell]
  try {
    const value: unknown = JSON.parse(cell)
    return Array.isArray(value) ? value : [value]
  } catch {
    // The parser's error quotes the text, which must not be shown.
    const problem = `expected ${expected}, got a text that begins like one and is none; take it out of \`explode\``
    throw new ConfigError('the list cannot be taken apart', [problem])
  }
}

function cellsOf(
  object: Readonly<Record<string, unknown>>,
  before: string,
  flatten: Explosion['flatten'],
): (readonly [string, string | null])[] {
  return Object.entries(object).flatMap(([field, value]) => {
    const name = `${before}${field}`
    const isFlat = isObject(value) && (flatten[name] ?? flatten['*']) !== 'json' && Object.keys(value).length > 0
    if (isFlat) return cellsOf(value, `${name}.`, flatten)
    return [[name, textOf(value)] as const]
  })
}

function textOf(value: unknown): string | null {
  if (value === null || value === undefined) return null
  return typeof value === 'string' ? value : JSON.stringify(value)
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
