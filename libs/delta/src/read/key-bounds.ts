import { identifier } from '@cinelake/sql'
import type { AddFile } from '../log/actions.ts'
import type { ParquetSql } from '../delta-table.ts'
import { statisticsOf } from '../log/statistics.ts'
import type { DeltaField } from '../log/types.ts'

/** The values that the new rows have in one column of the key. */
export type KeyBounds = {
  readonly name: string
  readonly hasNull: boolean
  /** All values as text, where the column is one to partition by and there are not too many. */
  readonly values: ReadonlySet<string> | undefined
  readonly min: Comparable | undefined
  readonly max: Comparable | undefined
}

/** Numbers for numbers and instants (milliseconds), bytes for text and dates. */
type Comparable = number | Buffer

/** More values of a partition column than this are not looked up one by one. */
const MAX_LISTED_VALUES = 10_000

/** A bound as text that `comparable` understands; NULL where statistics are unusable. */
function boundText(field: DeltaField, bound: string): string {
  if (typeof field.type !== 'string' || field.type === 'boolean' || field.type === 'binary') return 'NULL::VARCHAR'
  return field.type === 'timestamp' ? `epoch_ms(${bound})::VARCHAR` : `${bound}::VARCHAR`
}

/** SQL: one row with `nulls_N`, `min_N` and `max_N` of the Nth column. */
function boundsQuery(source: string, fields: readonly DeltaField[]): string {
  const columns = fields.flatMap((field, index) => {
    const column = identifier(field.name)
    return [
      `count(*) - count(${column}) AS nulls_${index}`,
      `${boundText(field, `min(${column})`)} AS min_${index}`,
      `${boundText(field, `max(${column})`)} AS max_${index}`,
    ]
  })
  return `SELECT ${columns.join(', ')} FROM ${source}`
}

/** SQL: the distinct values of a partition column, as its folders name them. */
function valuesQuery(source: string, name: string): string {
  return `SELECT DISTINCT ${identifier(name)}::VARCHAR AS value FROM ${source} LIMIT ${MAX_LISTED_VALUES + 1}`
}

/** @returns undefined where there are too many to list */
function listedValues(rows: readonly { readonly value: string | null }[]): ReadonlySet<string> | undefined {
  return rows.length > MAX_LISTED_VALUES ? undefined : new Set(rows.flatMap(({ value }) => value ?? []))
}

/**
 * Rounding to a double keeps the order of numbers, so what does not overlap after it did not before.
 * @param value as `boundsQuery` or as a file's statistics give it
 */
function comparable(field: DeltaField, value: string | number | boolean | null | undefined): Comparable | undefined {
  if (value === null || value === undefined || typeof field.type !== 'string') return undefined
  if (field.type === 'string' || field.type === 'date') return Buffer.from(String(value))
  const isInstant = field.type === 'timestamp' && typeof value === 'string' && value.includes('T')
  const number = isInstant ? Math.floor(Date.parse(value)) : Number(value)
  return Number.isFinite(number) ? number : undefined
}

type Keys = {
  /** Something that SQL can read the keys from. */
  readonly relation: string
  readonly key: readonly DeltaField[]
  readonly partitionBy: readonly string[]
}

/** The bounds of some keys, column by column. */
export async function readBounds(
  session: ParquetSql,
  { relation, key, partitionBy }: Keys,
  { signal }: { readonly signal?: AbortSignal },
): Promise<KeyBounds[]> {
  const options = signal === undefined ? {} : { signal }
  const [row = {}] = await session.rows<Record<string, string | number | null>>(boundsQuery(relation, key), options)
  const bounds: KeyBounds[] = []
  for (const [index, field] of key.entries()) {
    const values = partitionBy.includes(field.name)
      ? listedValues(await session.rows<{ value: string | null }>(valuesQuery(relation, field.name), options))
      : undefined
    const [min, max] = [comparable(field, row[`min_${index}`]), comparable(field, row[`max_${index}`])]
    bounds.push({ name: field.name, hasNull: Number(row[`nulls_${index}`] ?? 0) > 0, values, min, max })
  }
  return bounds
}

/** Whether a file may hold a row with one of the keys; true where that is unknown. */
export function mayHold(add: AddFile, fields: readonly DeltaField[], bounds: readonly KeyBounds[]): boolean {
  const statistics = statisticsOf(add)
  return fields.every((field, index) => {
    const bound = bounds[index]
    if (bound === undefined || bound.hasNull) return true
    const partitionValue = add.partitionValues[field.name]
    if (partitionValue !== undefined) {
      return bound.values === undefined || (partitionValue !== null && bound.values.has(partitionValue))
    }
    const [min, max] = [comparable(field, statistics.min[field.name]), comparable(field, statistics.max[field.name])]
    return !isLess(bound.max, min) && !isLess(max, bound.min)
  })
}

function isLess(a: Comparable | undefined, b: Comparable | undefined): boolean {
  if (a === undefined || b === undefined) return false
  if (typeof a === 'number' || typeof b === 'number') return typeof a === typeof b && a < b
  return Buffer.compare(a, b) < 0
}
