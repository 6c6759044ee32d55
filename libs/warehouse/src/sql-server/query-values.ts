import { parseDayTime } from './temporal.ts'
import type { WarehouseValue } from '../warehouse.ts'

/** A column of a query's result, as the server describes it before the query runs. */
export type DescribedColumn = {
  readonly name: string | null
  /** `decimal(18,2)`, `nvarchar(max)`, … */
  readonly type: string
  /** Whether it is a column of the mart that holds lists or objects. */
  readonly isJson: boolean
}

/** How a type is asked for, and read. */
type Reading = { readonly as?: string; readonly read: (value: unknown) => WarehouseValue }

const asIs = (value: unknown) => value as WarehouseValue

/**
 * The driver reads decimals as doubles and times without their last digits; the server is asked for these as text. Its
 * text of a date or time is ISO 8601 with a blank. Source: learn.microsoft.com/sql/t-sql/functions/cast-and-convert-transact-sql (style 121)
 */
const READINGS: Readonly<Record<string, Reading>> = {
  decimal: { as: 'varchar(64)', read: asIs },
  numeric: { as: 'varchar(64)', read: asIs },
  money: { as: 'decimal(19,4)', read: (value) => (typeof value === 'number' ? value.toFixed(4) : asIs(value)) },
  smallmoney: { as: 'decimal(10,4)', read: (value) => (typeof value === 'number' ? value.toFixed(4) : asIs(value)) },
  bigint: { read: (value) => (typeof value === 'string' ? toWholeNumber(value) : asIs(value)) },
  date: { as: 'varchar(10)', read: asIs },
  time: { as: 'varchar(16)', read: (value) => withoutZeros(String(value)) },
  datetime2: { as: 'varchar(27)', read: (value) => withoutZeros(String(value)).replace(' ', 'T') },
  datetimeoffset: { as: 'varchar(34)', read: (value) => toInstant(String(value)) },
  datetime: { as: 'datetime2(3)', read: toLocal },
  smalldatetime: { as: 'datetime2(0)', read: toLocal },
  uniqueidentifier: { read: (value) => String(value).toLowerCase() },
}

/** `c1 varchar(64) NULL`, …: what the result is to be converted to on the server. Names are places, hence all different. */
export function resultSet(columns: readonly DescribedColumn[]): string {
  return columns.map(({ type }, index) => `[${placeOf(index)}] ${readingOf(type).as ?? type} NULL`).join(', ')
}

export type ResultRow = Readonly<Record<string, unknown>>

/** The values of a row, in the order of the columns, as the port describes them. */
export function readRow(columns: readonly DescribedColumn[], row: ResultRow): WarehouseValue[] {
  return columns.map(({ type, isJson }, index) => {
    const value = row[placeOf(index)]
    if (value === null || value === undefined) return null
    if (isJson && typeof value === 'string') return JSON.parse(value) as WarehouseValue
    return readingOf(type).read(value)
  })
}

function placeOf(index: number): string {
  return `c${index + 1}`
}

function readingOf(type: string): Reading {
  return READINGS[/^\w+/.exec(type)?.[0] ?? ''] ?? { read: asIs }
}

/** A number where it is exact. */
function toWholeNumber(text: string): number | bigint {
  const number = Number(text)
  return Number.isSafeInteger(number) ? number : BigInt(text)
}

function withoutZeros(text: string): string {
  return text.replace(/(\.\d*?)0+(?=$|\s|Z)/, '$1').replace(/\.(?=$|\s|Z)/, '')
}

function toInstant(text: string): string {
  const [, date, clock, offset] = /^(\S+) (\S+) ([+-]\d\d:\d\d)$/.exec(text) ?? []
  if (date === undefined || clock === undefined || offset === undefined) return text
  if (offset === '+00:00') return `${date}T${withoutZeros(clock)}Z`
  const utc = parseDayTime(`${date}T${clock}${offset}`)
  if (utc === undefined) return text
  const whole = new Date(Date.parse('0001-01-01T00:00:00Z') + utc.day * 86_400_000 + Math.floor(utc.micros / 1000))
  return withoutZeros(whole.toISOString().replace('Z', `${String(utc.micros % 1000).padStart(3, '0')}Z`))
}

function toLocal(value: unknown): WarehouseValue {
  return value instanceof Date ? withoutZeros(value.toISOString()).replace('Z', '') : asIs(value)
}
