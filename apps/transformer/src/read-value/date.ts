import type { ColumnReading } from '@cinelake/pipeline'
import { literal } from '@cinelake/sql'
import { OFFSET, dayAlone, inFormat, inYears } from './date-format.ts'
import { type Sql, type Straight, bound } from './text.ts'
import { instantIn } from './zone.ts'

const ISO_DATE = '%Y-%m-%d'
const CLOCK = String.raw`(?:[01]\d|2[0-3]):[0-5]\d`
/** A fraction of a second: what a value holds, and zeros. */
const FRACTION = String.raw`\d{1,6}0*`
/** A date alone, or with a time, a fraction of a second and an offset. */
const ISO_INSTANT = String.raw`\d{4}-\d{2}-\d{2}(?:[T ]${CLOCK}(?::[0-5]\d(?:[.,]${FRACTION})?)?(?: ?(?:UTC|${OFFSET}))?)?`
const TIME = String.raw`(?:[01]?\d|2[0-3]):[0-5]\d(?::[0-5]\d(?:\.${FRACTION})?)?`

/** Formats that the engine's casts read, at a third of the cost of parsing by format, and what a cast prints of them. */
const CAST_TO: Readonly<Record<string, readonly [string, (raw: Sql) => Sql]>> = {
  '%Y-%m-%d': ['DATE', (raw) => raw],
  '%Y-%m-%d %H:%M:%S': ['TIMESTAMP', (raw) => raw],
  '%Y-%m-%dT%H:%M:%S': ['TIMESTAMP', (raw) => `replace(${raw}, 'T', ' ')`],
  '%Y-%m-%dT%H:%M:%SZ': ['TIMESTAMP', (raw) => `left(replace(${raw}, 'T', ' '), -1)`],
}
/** Characters of such a text, by format. */
const LENGTHS: Readonly<Record<string, number>> = {
  '%Y-%m-%d': 10,
  '%Y-%m-%d %H:%M:%S': 19,
  '%Y-%m-%dT%H:%M:%S': 19,
  '%Y-%m-%dT%H:%M:%SZ': 20,
}

/** The most usual forms of ISO 8601, for instants without a declared format; without an offset they are in the zone. */
const ISO_SHAPES = ['%Y-%m-%dT%H:%M:%SZ', '%Y-%m-%d %H:%M:%S']

/**
 * Fast path for an unambiguous date or instant: each number of the format with all its digits, and a valid value.
 * Formats of the same shape are tried in their order; one that begins with a word never has such a shape.
 */
export function straightDate(raw: Sql, type: string, reading: ColumnReading): readonly Straight[] {
  if (type !== 'DATE' && type !== 'TIMESTAMP WITH TIME ZONE') return []
  const formats = reading.formats ?? (type === 'DATE' ? [ISO_DATE] : ISO_SHAPES)
  const shapeIn = (format: string) => shapePattern(format, type, reading)
  const numeric = formats.filter((format) => !/^%[aAbBp]/.test(format))
  const first = numeric.findIndex((format) => shapeIn(format) === undefined)
  const certain = first < 0 ? numeric : numeric.slice(0, first)
  const shapes = [...new Set(certain.map(shapeIn))]
  const straight = shapes.map((shape) => {
    const ofShape = certain.filter((format) => shapeIn(format) === shape)
    return {
      when: straightWhen(raw, shape ?? '', ofShape),
      value: coalesced(ofShape.map((format) => straightValue(parsed(raw, format), format, type, reading))),
    }
  })
  if (type === 'DATE' || reading.formats !== undefined) return straight
  const fraction = `try_cast(${raw} AS TIMESTAMPTZ)`
  const isWhole = `${raw} LIKE '____-__-__T__:__:__._%Z' AND strlen(${raw}) <= 27 AND substr(${raw}, 12, 2) < '24'`
  return [...straight, { when: `${isWhole} AND ${fraction} >= TIMESTAMPTZ '0001-01-01 00:00:00+00'`, value: fraction }]
}

/** A cast reads more than its format, so what it prints has to be the text. */
function straightWhen(raw: Sql, shape: string, formats: readonly string[]): Sql {
  const [format = ''] = formats
  const [target, printed] = (formats.length === 1 ? CAST_TO[format] : undefined) ?? []
  if (target === undefined || printed === undefined) {
    // Text has no year 0.
    const isDate = `${coalesced(formats.map((one) => parsed(raw, one)))} >= TIMESTAMP '0001-01-01 00:00:00'`
    return `${raw} LIKE ${literal(shape)} AND ${isDate}`
  }
  const isZ = format.endsWith('Z') ? ` AND ends_with(${raw}, 'Z')` : ''
  return `strlen(${raw}) = ${LENGTHS[format] ?? 0}${isZ} AND CAST(try_cast(${raw} AS ${target}) AS VARCHAR) = ${printed(raw)}`
}

function parsed(raw: Sql, format: string): Sql {
  const [target] = CAST_TO[format] ?? []
  return target === undefined ? `try_strptime(${raw}, ${literal(format)})` : `try_cast(${raw} AS ${target})`
}

function straightValue(moment: Sql, format: string, type: string, reading: ColumnReading): Sql {
  if (type === 'DATE') return CAST_TO[format]?.[0] === 'DATE' ? moment : `CAST(${moment} AS DATE)`
  return instantIn(`CAST(${moment} AS TIMESTAMP)`, format.endsWith('Z') ? { timeZone: 'UTC' } : reading)
}

function coalesced(values: readonly Sql[]): Sql {
  return values.length === 1 ? (values[0] ?? 'NULL') : `coalesce(${values.join(', ')})`
}

const WIDTHS: Readonly<Record<string, number>> = { Y: 4, m: 2, d: 2, y: 2, H: 2, I: 2, M: 2, S: 2 }

/**
 * `%d/%m/%Y` → `__/__/____`, for LIKE; undefined for a format with words, fractions, offsets or LIKE wildcards in it,
 * and for one whose parts are more than the type holds.
 */
function shapePattern(format: string, type: string, { pivotYear }: ColumnReading): string | undefined {
  if (/[_%]$|_|%[^YmdyHIMS]/.test(format) || !format.includes('%')) return undefined
  if ((type === 'DATE' && /%[HIMS]/.test(format)) || (pivotYear !== undefined && format.includes('%y')))
    return undefined
  return format.replaceAll(/%([YmdyHIMS])/g, (_, letter: string) => '_'.repeat(WIDTHS[letter] ?? 2))
}

/** A date, a time of day or an instant from text in any of the accepted formats; NULL for any other text. */
export function dateOf(text: Sql, type: string, reading: ColumnReading): Sql {
  const { formats } = reading
  if (formats === undefined && type !== 'DATE') return type === 'TIME' ? isoTime(text) : isoInstant(text, reading)
  const tried = (formats ?? [ISO_DATE]).map((format) => {
    const numbers = NUMBERS[format]
    if (numbers !== undefined) return numbers(text, type, reading)
    return `CASE WHEN ${shapeOf(format, text)} THEN ${inFormat(text, format, type, reading)} END`
  })
  return tried.length === 1 ? (tried[0] ?? 'NULL') : `coalesce(${tried.join(', ')})`
}

/** Letters of strftime for numbers, with the maximum of their digits. */
const DIGITS: Readonly<Record<string, number>> = { Y: 4, m: 2, d: 2, y: 2, H: 2, I: 2, M: 2, S: 2, j: 3 }

/** A cheap necessary condition for a text of a format: parsing costs twenty times as much, and most texts are of one. */
function shapeOf(format: string, text: Sql): Sql {
  const [, letter, literalAfter] = /^%-?([a-zA-Z])([^%\s])?/.exec(format) ?? []
  const width = letter === undefined ? undefined : DIGITS[letter]
  if (width === undefined) return `regexp_matches(${text}, '\\d')`
  if (literalAfter === undefined || /[a-zA-Z0-9]/.test(literalAfter)) return `${text} BETWEEN '0' AND ':'`
  // A year is written in full; other numbers may lack their leading zero.
  const from = letter === 'Y' ? width + 1 : 2
  const places = Array.from(
    { length: width + 2 - from },
    (_, index) => `substr(${text}, ${from + index}, 1) = ${literal(literalAfter)}`,
  )
  return places.length === 1 ? (places[0] ?? 'true') : `(${places.join(' OR ')})`
}

/** Formats of numbers instead of parts: seconds and milliseconds since 1970 in UTC, and days as spreadsheets count them. */
const NUMBERS: Readonly<Record<string, (text: Sql, type: string, reading: ColumnReading) => Sql>> = {
  epoch: (text, type, reading) => epoch(text, { decimals: 6, factor: 1_000_000 }, type, reading),
  epochMillis: (text, type, reading) => epoch(text, { decimals: 3, factor: 1000 }, type, reading),
  excel: serial,
}

function epoch(
  text: Sql,
  { decimals, factor }: { readonly decimals: number; readonly factor: number },
  type: string,
  { timeZone = 'UTC' }: ColumnReading,
): Sql {
  const form = String.raw`-?\d{1,15}(?:\.\d{0,${decimals}}0*)?`
  // To read a number that needs more than 64 bits costs the engine as much as a hundred of others.
  const exact = `CAST(CAST(${text} AS DECIMAL(27, 6)) * ${factor} AS BIGINT)`
  const whole = `CAST(${text} AS BIGINT) * ${factor}`
  const instant = `make_timestamptz(TRY(CASE WHEN contains(${text}, '.') THEN ${exact} ELSE ${whole} END))`
  const value = bound(instant, 'found', (at) => {
    const found = type === 'DATE' ? dayAlone(`timezone(${literal(timeZone)}, ${at})`) : at
    return `CASE WHEN ${inYears(at)} THEN ${found} END`
  })
  return `CASE WHEN regexp_full_match(${text}, ${literal(form)}) THEN ${value} END`
}

/**
 * Days since the end of 1899, with the time of day as a fraction, to the millisecond. Spreadsheets count a 29 February
 * 1900 that never was, as day 60.
 */
function serial(text: Sql, type: string, reading: ColumnReading): Sql {
  const days = (number: Sql) => `CAST(floor(${number}) AS INTEGER)`
  const millis = (number: Sql) => `CAST(round((${number} - floor(${number})) * 86400000, 0) AS BIGINT)`
  const value = bound(`CAST(${text} AS DECIMAL(38, 20))`, 'serial', (number) => {
    if (type === 'TIME')
      return `CASE WHEN ${number} < 1 AND ${millis(number)} < 86400000 THEN CAST(make_timestamp(${millis(number)} * 1000) AS TIME) END`
    const day = `(DATE '1899-12-30' + ${days(number)} + CASE WHEN ${number} < 60 THEN 1 ELSE 0 END)`
    const isDay = `${number} >= 1 AND ${days(number)} <> 60 AND ${number} < 2958466`
    if (type === 'DATE') return `CASE WHEN ${isDay} AND ${number} = floor(${number}) THEN ${day} END`
    const moment = `make_timestamp(epoch_us(CAST(${day} AS TIMESTAMP)) + ${millis(number)} * 1000)`
    return `CASE WHEN ${isDay} THEN ${instantIn(moment, reading)} END`
  })
  return `CASE WHEN regexp_full_match(${text}, ${literal(String.raw`\d{1,7}(?:\.\d{0,20})?`)}) THEN ${value} END`
}

function isoTime(text: Sql): Sql {
  return `CASE WHEN regexp_full_match(${text}, ${literal(TIME)}) THEN coalesce(try_cast(${text} AS TIME), try_cast(${text} || ':00' AS TIME)) END`
}

function isoInstant(text: Sql, reading: ColumnReading): Sql {
  const utc = `replace(replace(replace(${text}, ',', '.'), 'UTC', 'Z'), 'z', 'Z')`
  // The engine requires seconds before an offset, and no space.
  const whole = `regexp_replace(${utc}, '^([0-9-]{10})[T ](\\d{2}:\\d{2})(:[0-9.]+)?(?: ?(Z|[+-][0-9:]+))?$', '\\1 \\2\\3\\4')`
  return bound(whole, 'instant', (instant) => {
    const seconds = `regexp_replace(${instant}, '^(.{10} \\d{2}:\\d{2})(Z|[+-].*)?$', '\\1:00\\2')`
    const value = bound(seconds, 'complete', (complete) => {
      const local = instantIn(`try_cast(${complete} AS TIMESTAMP)`, reading)
      const hasOffset = String.raw`:\d{2}(?:\.\d+)?(?:Z|[+-]\d{2}(?::?\d{2})?)$`
      return `CASE WHEN regexp_matches(${complete}, ${literal(hasOffset)}) THEN try_cast(${complete} AS TIMESTAMPTZ) ELSE ${local} END`
    })
    const inRange = bound(value, 'found', (at) => `CASE WHEN ${inYears(at)} THEN ${at} END`)
    return `CASE WHEN regexp_full_match(${text}, ${literal(ISO_INSTANT)}) THEN ${inRange} END`
  })
}
