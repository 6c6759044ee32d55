import {
  DuckDBArrayValue,
  DuckDBBlobValue,
  DuckDBDateValue,
  DuckDBGeometryValue,
  DuckDBListValue,
  DuckDBMapValue,
  DuckDBStructValue,
  DuckDBTimestampMillisecondsValue,
  DuckDBTimestampNanosecondsValue,
  DuckDBTimestampSecondsValue,
  DuckDBTimestampTZValue,
  DuckDBTimestampValue,
  DuckDBUnionValue,
  DuckDBVariantValue,
  type DuckDBDataChunk,
  type DuckDBValue,
} from '@duckdb/node-api'
import type { EngineRow, EngineValue } from '../engine.ts'

/** The rows of one chunk of a result as plain objects, columns in order. */
export function rowsOfChunk(chunk: DuckDBDataChunk, names: readonly string[]): EngineRow[] {
  const columns = names.map((_, index) => chunk.getColumnValues(index))
  return Array.from({ length: chunk.rowCount }, (_, row) => {
    const object: Record<string, EngineValue> = {}
    for (const [index, name] of names.entries()) object[name] = toEngineValue(columns[index]?.[row])
    return object
  })
}

/**
 * A DuckDB value in the form that `EngineValue` promises. Beyond what is said there: timestamps without a zone lack the
 * `Z`; maps are arrays of `{ key, value }`; unions are `{ tag, value }`; times, intervals and UUIDs are DuckDB's text;
 * `infinity` and `-infinity` stay words.
 */
function toEngineValue(value: DuckDBValue | undefined): EngineValue {
  if (value === null || value === undefined) return null
  if (typeof value === 'bigint') return isSafe(value) ? Number(value) : value
  if (typeof value !== 'object') return value
  if (value instanceof DuckDBTimestampTZValue) return timestampText(value.micros, 'Z')
  if (value instanceof DuckDBDateValue) return dateText(value)
  if (value instanceof DuckDBListValue || value instanceof DuckDBArrayValue) return value.items.map(toEngineValue)
  if (value instanceof DuckDBStructValue) return objectOf(Object.entries(value.entries))
  if (value instanceof DuckDBMapValue) return value.entries.map((entry) => objectOf(Object.entries(entry)))
  if (value instanceof DuckDBUnionValue) return { tag: value.tag, value: toEngineValue(value.value) }
  // The bytes are a view of the chunk's memory, which ends with the chunk.
  if (value instanceof DuckDBBlobValue || value instanceof DuckDBGeometryValue) return new Uint8Array(value.bytes)
  if (value instanceof DuckDBVariantValue) return toEngineValue(value.value)
  return plainTimestampText(value) ?? String(value)
}

function objectOf(entries: readonly (readonly [string, DuckDBValue])[]): EngineValue {
  return Object.fromEntries(entries.map(([name, value]) => [name, toEngineValue(value)]))
}

function isSafe(value: bigint): boolean {
  return value >= BigInt(Number.MIN_SAFE_INTEGER) && value <= BigInt(Number.MAX_SAFE_INTEGER)
}

function plainTimestampText(value: object): string | undefined {
  if (value instanceof DuckDBTimestampValue) return timestampText(value.micros, '')
  if (value instanceof DuckDBTimestampSecondsValue)
    return value.isFinite ? timestampText(value.seconds * 1_000_000n, '') : String(value)
  if (value instanceof DuckDBTimestampMillisecondsValue)
    return value.isFinite ? timestampText(value.millis * 1000n, '') : String(value)
  if (value instanceof DuckDBTimestampNanosecondsValue) return String(value).replace(' ', 'T')
  return undefined
}

/** Milliseconds. Years 0001 to 9999: what `toISOString` writes with four digits. */
const FIRST_MS = Date.parse('0001-01-01T00:00:00Z')
const LAST_MS = Date.parse('9999-12-31T23:59:59.999Z')

function timestampText(micros: bigint, zone: 'Z' | ''): string {
  const remainder = ((micros % 1000n) + 1000n) % 1000n
  const milliseconds = Number((micros - remainder) / 1000n)
  if (milliseconds < FIRST_MS || milliseconds > LAST_MS) {
    const text = String(new DuckDBTimestampValue(micros))
    return text.endsWith('infinity') ? text : `${text.replace(' ', 'T')}${zone}`
  }
  return `${new Date(milliseconds).toISOString().slice(0, -1)}${String(remainder).padStart(3, '0')}${zone}`
}

const DAY_MS = 86_400_000

function dateText(date: DuckDBDateValue): string {
  const milliseconds = date.days * DAY_MS
  if (milliseconds < FIRST_MS || milliseconds > LAST_MS) return String(date)
  return new Date(milliseconds).toISOString().slice(0, 10)
}
