import type { DeltaFile } from '../delta-table.ts'
import { isObject } from './json.ts'
import type { DeltaField, DeltaType } from './types.ts'

/** A map as the engine hands it over. */
export type Entries<Value> = readonly { readonly key: string; readonly value: Value }[]

/** The result of DuckDB's `COPY … RETURN_STATS` for one file. */
export type WrittenFile = {
  readonly filename: string
  readonly count: number
  readonly file_size_bytes: number
  readonly column_statistics: Entries<Entries<string>>
  readonly partition_keys: Entries<string | null> | null
}

/**
 * Code points kept of a text in statistics: what Spark's writer keeps. Source: delta.io DataSkippingReader,
 * MAX_STRING_PREFIX_LENGTH
 */
const TEXT_LENGTH = 32

export type Bound = string | number
export type FileStatistics = {
  /** Undefined when the writer did not record it. */
  readonly rowCount: number | undefined
  readonly min: Readonly<Record<string, string | number | boolean>>
  readonly max: Readonly<Record<string, string | number | boolean>>
  readonly nullCount: Readonly<Record<string, number>>
}

/** The `stats` of an `add`. Columns inside of lists and structs have none: no reader prunes by them. */
export function statsOf(written: WrittenFile, fields: readonly DeltaField[]): string {
  const types = new Map(fields.map((field) => [field.name, field.type]))
  const minValues: Record<string, Bound> = {}
  const maxValues: Record<string, Bound> = {}
  const nullCount: Record<string, number> = {}
  for (const { key, value } of written.column_statistics) {
    const name = topLevelName(key)
    const type = name === undefined ? undefined : types.get(name)
    if (name === undefined || type === undefined) continue
    const said = new Map(value.map((entry) => [entry.key, entry.value]))
    const nulls = said.get('null_count')
    if (nulls !== undefined) nullCount[name] = Number(nulls)
    // Readers may take NaN for the greatest value, which min and max then do not cover.
    if (said.get('has_nan') === 'true') continue
    const [min, max] = [boundOf(type, said.get('min'), 'min'), boundOf(type, said.get('max'), 'max')]
    if (min !== undefined) minValues[name] = min
    if (max !== undefined) maxValues[name] = max
  }
  return JSON.stringify({ numRecords: written.count, minValues, maxValues, nullCount })
}

/** `"a"` → a; undefined for a path into a nested column. */
function topLevelName(key: string): string | undefined {
  const match = /^"((?:[^"]|"")*)"$/.exec(key)
  return match?.[1]?.replaceAll('""', '"')
}

/**
 * DuckDB's text of a bound as the log writes it; undefined when it has no exact form there, since a bound has to hold.
 */
function boundOf(type: DeltaType, text: string | undefined, side: 'min' | 'max'): Bound | undefined {
  if (text === undefined || typeof type !== 'string') return undefined
  if (type === 'string') return textBound(text, side)
  if (type === 'date') return /^\d{4}-\d\d-\d\d$/.test(text) ? text : undefined
  if (type === 'timestamp') return instantBound(text, side)
  if (type === 'byte' || type === 'short' || type === 'integer' || type === 'long') {
    return Number.isSafeInteger(Number(text)) ? Number(text) : undefined
  }
  if (type === 'float' || type === 'double') return Number.isFinite(Number(text)) ? Number(text) : undefined
  if (type.startsWith('decimal(')) return decimalBound(text)
  return undefined
}

/** The beginning of a text is less than or equal to it; of a greatest text it would be too small. */
function textBound(text: string, side: 'min' | 'max'): string | undefined {
  const points = Array.from(text)
  if (points.length <= TEXT_LENGTH) return text
  return side === 'min' ? points.slice(0, TEXT_LENGTH).join('') : undefined
}

/**
 * `2026-03-01 00:00:00.123456+00` → milliseconds, which is what readers keep: the lower bound rounded down, the upper
 * up.
 */
function instantBound(text: string, side: 'min' | 'max'): string | undefined {
  const match = /^(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d)(?:\.(\d+))?\+00$/.exec(text)
  if (match === null) return undefined
  const micros = Number((match[3] ?? '').padEnd(6, '0'))
  const seconds = Date.parse(`${match[1]}T${match[2]}Z`)
  const milliseconds = seconds + (side === 'min' ? Math.floor(micros / 1000) : Math.ceil(micros / 1000))
  return new Date(milliseconds).toISOString()
}

/** Digits that a double represents exactly. */
const EXACT_DIGITS = 15

function decimalBound(text: string): number | undefined {
  const digits = text.replaceAll(/[-.]/g, '').replace(/^0+/, '')
  return digits.length <= EXACT_DIGITS ? Number(text) : undefined
}

/** The statistics of a file in the log; missing or invalid values are unknown. */
export function statisticsOf(add: { readonly stats?: string | undefined }): FileStatistics {
  const stats = parse(add.stats)
  const rowCount = stats['numRecords']
  return {
    rowCount: typeof rowCount === 'number' ? rowCount : undefined,
    min: scalars(stats['minValues']),
    max: scalars(stats['maxValues']),
    nullCount: Object.fromEntries(
      Object.entries(isObject(stats['nullCount']) ? stats['nullCount'] : {}).filter(
        (entry): entry is [string, number] => typeof entry[1] === 'number',
      ),
    ),
  }
}

function parse(text: string | undefined): Readonly<Record<string, unknown>> {
  try {
    const parsed: unknown = JSON.parse(text ?? '{}')
    return isObject(parsed) ? parsed : {}
  } catch {
    return {}
  }
}

function scalars(value: unknown): DeltaFile['min'] {
  if (!isObject(value)) return {}
  const isScalar = (entry: [string, unknown]): entry is [string, string | number | boolean] =>
    ['string', 'number', 'boolean'].includes(typeof entry[1])
  return Object.fromEntries(Object.entries(value).filter(isScalar))
}
