import { literal } from '@cinelake/sql'
import type { ColumnReading } from '@cinelake/pipeline'
import { bound, type Sql, type Straight } from './text.ts'

const ISO_DATE = '%Y-%m-%d'
/** A date alone, or with a time, a fraction of a second and an offset. */
const ISO_INSTANT = String.raw`\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:[.,]\d{1,9})?)?(?: ?(?:Z|UTC|[+-]\d{2}(?::?\d{2})?))?)?`
const OFFSET = String.raw`(?:Z|[+-]\d{2}(?::?\d{2})?)$`
const TIME = String.raw`(?:[01]?\d|2[0-3]):[0-5]\d(?::[0-5]\d(?:\.\d{1,9})?)?`

/** Formats that the engine's casts read the same way, at a third of the cost of parsing by format. */
const CAST_TO: Readonly<Record<string, string>> = {
  '%Y-%m-%d': 'DATE',
  '%Y-%m-%d %H:%M:%S': 'TIMESTAMP',
  '%Y-%m-%dT%H:%M:%S': 'TIMESTAMP',
  '%Y-%m-%dT%H:%M:%SZ': 'TIMESTAMP',
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
  const numeric = formats.filter((format) => !/^%[aAbBp]/.test(format))
  const first = numeric.findIndex((format) => shapePattern(format) === undefined)
  const certain = first < 0 ? numeric : numeric.slice(0, first)
  const shapes = [...new Set(certain.map(shapePattern))]
  const straight = shapes.map((shape) => {
    const values = certain
      .filter((format) => shapePattern(format) === shape)
      .map((format) => straightValue(raw, format, type, reading.timeZone))
    const value = values.length === 1 ? (values[0] ?? 'NULL') : `coalesce(${values.join(', ')})`
    return { when: `${raw} LIKE ${literal(shape ?? '')} AND ${value} IS NOT NULL`, value }
  })
  if (type === 'DATE' || reading.formats !== undefined) return straight
  const fraction = `try_cast(${raw} AS TIMESTAMPTZ)`
  return [...straight, { when: `${raw} LIKE '____-__-__T__:__:__.%Z' AND ${fraction} IS NOT NULL`, value: fraction }]
}

function straightValue(raw: Sql, format: string, type: string, timeZone: string | undefined): Sql {
  const target = CAST_TO[format]
  const parsed = target === undefined ? `try_strptime(${raw}, ${literal(format)})` : `try_cast(${raw} AS ${target})`
  if (type === 'DATE') return target === 'DATE' ? parsed : `CAST(${parsed} AS DATE)`
  const zone = format.endsWith('Z') ? 'UTC' : (timeZone ?? 'UTC')
  // In UTC, the session's zone, a cast gives the result of `timezone`.
  return zone === 'UTC' ? `CAST(${parsed} AS TIMESTAMPTZ)` : `timezone(${literal(zone)}, CAST(${parsed} AS TIMESTAMP))`
}

const WIDTHS: Readonly<Record<string, number>> = { Y: 4, m: 2, d: 2, y: 2, H: 2, I: 2, M: 2, S: 2 }

/**
 * `%d/%m/%Y` → `__/__/____`, for LIKE; undefined for a format with words, fractions, offsets or LIKE wildcards in it.
 */
function shapePattern(format: string): string | undefined {
  if (/[_%]$|_|%[^YmdyHIMS]/.test(format)) return undefined
  return format.replaceAll(/%([YmdyHIMS])/g, (_, letter: string) => '_'.repeat(WIDTHS[letter] ?? 2))
}

/** A date, a time of day or an instant from text in any of the accepted formats; NULL for any other text. */
export function dateOf(text: Sql, type: string, reading: ColumnReading): Sql {
  const { formats } = reading
  if (formats === undefined && type !== 'DATE')
    return type === 'TIME' ? isoTime(text) : isoInstant(text, reading.timeZone)
  const tried = (formats ?? [ISO_DATE]).map((format) => {
    const parsed = `try_strptime(${text}, ${literal(format)})`
    return `CASE WHEN ${shapeOf(format, text)} THEN ${inType(parsed, format, type, reading.timeZone)} END`
  })
  return tried.length === 1 ? (tried[0] ?? 'NULL') : `coalesce(${tried.join(', ')})`
}

/** Years. Below that, `%Y` has parsed a year of two digits; no source means the year 20. */
const FIRST_YEAR = "TIMESTAMP '1000-01-01 00:00:00'"

function inType(parsed: Sql, format: string, type: string, timeZone: string | undefined): Sql {
  if (type === 'TIME') return `CAST(${parsed} AS TIME)`
  const hasOffset = /%[zZ]/.test(format)
  if (hasOffset) return type === 'DATE' ? `CAST(${parsed} AT TIME ZONE ${literal(timeZone ?? 'UTC')} AS DATE)` : parsed
  return bound(parsed, 'parsed', (local) => {
    const value = type === 'DATE' ? `CAST(${local} AS DATE)` : inZone(local, format.endsWith('Z') ? 'UTC' : timeZone)
    return `CASE WHEN ${local} >= ${FIRST_YEAR} THEN ${value} END`
  })
}

function inZone(local: Sql, timeZone: string | undefined): Sql {
  return `timezone(${literal(timeZone ?? 'UTC')}, ${local})`
}

/** Letters of strftime for numbers, with the maximum of their digits. */
const DIGITS: Readonly<Record<string, number>> = { Y: 4, m: 2, d: 2, y: 2, H: 2, I: 2, M: 2, S: 2, j: 3 }

/**
 * A cheap necessary condition for a text of a format: parsing costs twenty times as much, and most texts are of one
 * format. It also excludes `epoch` and `infinity`, which the engine takes for dates whatever the format.
 */
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

function isoTime(text: Sql): Sql {
  return `CASE WHEN regexp_full_match(${text}, ${literal(TIME)}) THEN coalesce(try_cast(${text} AS TIME), try_cast(${text} || ':00' AS TIME)) END`
}

function isoInstant(text: Sql, timeZone: string | undefined): Sql {
  const utc = `replace(replace(${text}, ',', '.'), 'UTC', 'Z')`
  // The engine requires seconds before an offset, and no space.
  const whole = `regexp_replace(${utc}, '^([0-9-]{10})[T ](\\d{2}:\\d{2})(:[0-9.]+)?(?: ?(Z|[+-][0-9:]+))?$', '\\1 \\2\\3\\4')`
  return bound(whole, 'instant', (instant) => {
    const seconds = `regexp_replace(${instant}, '^(.{10} \\d{2}:\\d{2})(Z|[+-].*)?$', '\\1:00\\2')`
    const value = bound(
      seconds,
      'complete',
      (complete) =>
        `CASE WHEN regexp_matches(${complete}, ${literal(`:\\d{2}(?:\\.\\d+)?${OFFSET}`)}) THEN try_cast(${complete} AS TIMESTAMPTZ) ELSE ${inZone(`try_cast(${complete} AS TIMESTAMP)`, timeZone)} END`,
    )
    return `CASE WHEN regexp_full_match(${text}, ${literal(ISO_INSTANT)}) THEN ${value} END`
  })
}
