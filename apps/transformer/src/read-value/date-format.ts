import type { ColumnReading } from '@cinelake/pipeline'
import { literal } from '@cinelake/sql'
import { type Names, namesIn } from './month-names.ts'
import { type Sql, bound } from './text.ts'
import { instantIn, instantInZone, localIn } from './zone.ts'

type Reading = Pick<ColumnReading, 'timeZone' | 'ambiguous' | 'pivotYear' | 'language'>

/** Minutes and seconds of offsets that clocks have, −12:00 to +14:00, or `Z`. */
export const OFFSET = String.raw`(?:[Zz]|[+-](?:0\d|1[01])(?::?[0-5]\d)?|\+1[23](?::?[0-5]\d)?|-12(?::?00)?|\+14(?::?00)?)`
const OFFSET_WITH_SECONDS = String.raw`${OFFSET}(?::00)?`

/** The patterns of strftime's letters. Digits of a second that a value does not hold may only be zeros. */
const PATTERNS: Readonly<Record<string, string>> = {
  Y: String.raw`\d{4}`,
  y: String.raw`\d{2}`,
  m: String.raw`0?[1-9]|1[0-2]`,
  d: String.raw`0?[1-9]|[12]\d|3[01]`,
  j: String.raw`\d{1,3}`,
  H: String.raw`[01]?\d|2[0-3]`,
  I: String.raw`0?[1-9]|1[0-2]`,
  M: String.raw`[0-5]?\d`,
  S: String.raw`[0-5]?\d`,
  f: String.raw`\d{1,6}0*`,
  g: String.raw`\d{1,6}0*`,
  n: String.raw`\d{1,6}0*`,
  p: String.raw`[AaPp]\.?[Mm]\.?`,
  z: OFFSET_WITH_SECONDS,
  Z: String.raw`[A-Za-z][A-Za-z0-9_+/-]*`,
  G: String.raw`\d{4}`,
  V: String.raw`\d{1,2}`,
  u: String.raw`[1-7]`,
  U: String.raw`\d{1,2}`,
  W: String.raw`\d{1,2}`,
  w: String.raw`[0-6]`,
}

/** Letters that stand for several. */
const COMPOSITE: readonly (readonly [string, string])[] = [
  ['%c', '%Y-%m-%d %H:%M:%S'],
  ['%x', '%Y-%m-%d'],
  ['%X', '%H:%M:%S'],
]

const DATE_LETTERS = ['Y', 'y', 'm', 'B', 'd', 'j', 'G', 'V', 'u', 'U', 'W', 'w', 'A']

/** The year of two digits that the hundred years begin with, as POSIX has it: 69 is 1969 and 68 is 2068. */
const PIVOT_YEAR = 1969

/**
 * A value from text of one format in strftime letters; NULL for any other text, and for a date or time that does not
 * exist, contradicts itself (a weekday that is another) or has more than the type holds: digits of a second beyond six,
 * a time of day in a DATE, a date in a TIME.
 */
export function inFormat(text: Sql, format: string, type: string, reading: Reading): Sql {
  const spelled = COMPOSITE.reduce((found, [letter, meaning]) => found.replaceAll(letter, meaning), format)
  const names = namesIn(reading.language)
  const { pattern, letters } = patternOf(spelled, names)
  const groups = [...letters.keys()]
  const first = groups.find((letter) => letter !== 'p') ?? groups[0]
  if (first === undefined) return `CAST(NULL AS ${type})`
  const byParts = bound(
    `regexp_extract(${text}, ${literal(pattern)}, [${groups.map((letter) => literal(`g${groupName(letter)}`)).join(', ')}])`,
    'part',
    (part) => {
      const get = (letter: string) => `${part}[${literal(`g${groupName(letter)}`)}]`
      const has = (letter: string) => letters.has(letter)
      const local = bound(
        localTime(get, has, names, reading.pivotYear ?? PIVOT_YEAR),
        'moment',
        (moment) =>
          `CASE WHEN ${agrees(moment, get, has, names)} THEN ${typed(moment, { get, has }, spelled, type, reading)} END`,
      )
      return `CASE WHEN ${get(first)} <> '' THEN ${local} END`
    },
  )
  if (!isPlain(letters, reading)) return byParts
  // The engine's own parsing takes a third of the time. It reads less of some formats, and more of none that has this form.
  const parts = { get: () => 'NULL', has: (letter: string) => letters.has(letter) }
  return bound(
    `CASE WHEN regexp_full_match(${text}, ${literal(pattern)}) THEN try_strptime(${text}, ${literal(spelled)}) END`,
    'parsed',
    (parsed) =>
      `CASE WHEN ${parsed} >= TIMESTAMP '0001-01-01 00:00:00' THEN ${typed(parsed, parts, spelled, type, reading)} ELSE ${byParts} END`,
  )
}

/** Whether the engine's parser knows all of a format's parts, none of them says again what others have said, and each exists. */
function isPlain(letters: ReadonlySet<string>, { language }: Reading): boolean {
  if (language !== undefined || (letters.has('H') && letters.has('p')) || (letters.has('m') && letters.has('B')))
    return false
  return [...letters].every((letter) => 'YmBdHMSIp'.includes(letter))
}

/** Names of groups are compared without case: `Y` and `y`. */
function groupName(letter: string): string {
  return letter === letter.toLowerCase() ? letter : `${letter.toLowerCase()}_`
}

function patternOf(format: string, names: Names): { pattern: string; letters: ReadonlySet<string> } {
  const letters = new Set<string>()
  const alternatives = (of: ReadonlyMap<string, number>) =>
    [...of.keys()]
      .toSorted((one, other) => other.length - one.length)
      .map(escaped)
      .join('|')
  const pattern = format.replaceAll(/%-?([a-zA-Z%])|\s+|[^%\s]/gu, (token, letter: string | undefined) => {
    if (letter === undefined) return /\s/.test(token) ? String.raw`\s+` : escaped(token)
    if (letter === '%') return '%'
    const key = letter === 'b' ? 'B' : letter === 'a' ? 'A' : letter
    const form =
      key === 'B' ? alternatives(names.months) : key === 'A' ? alternatives(names.weekdays) : (PATTERNS[key] ?? '')
    const dot = key === 'B' || key === 'A' ? String.raw`\.?` : ''
    if (letters.has(key)) return `(?:${form})${dot}`
    letters.add(key)
    return `(${form})${dot}`
  })
  return { pattern: String.raw`(?i)\A(?:${pattern})\z`, letters }
}

function escaped(text: string): string {
  return text.replaceAll(/[.*+?^${}()|[\]\\/-]/g, String.raw`\$&`)
}

type Get = (letter: string) => Sql
type Has = (letter: string) => boolean

/** The local time of the parts, as a TIMESTAMP. What a format does not name is the beginning of 1900. */
function localTime(get: Get, has: Has, names: Names, pivotYear: number): Sql {
  const time = timeOfDay(get, has)
  if (has('G') || has('U') || has('W'))
    return `try_cast(strftime(${weekDate(get, has)}, '%Y-%m-%d') || ${time} AS TIMESTAMP)`
  const year = has('Y') ? get('Y') : has('y') ? fullYear(get('y'), pivotYear) : `'1900'`
  if (has('j')) {
    const day = `(TRY(make_date(CAST(${year} AS INTEGER), 1, 1)) + CAST(${get('j')} AS INTEGER) - 1)`
    return `CASE WHEN CAST(${get('j')} AS INTEGER) >= 1 AND year(${day}) = CAST(${year} AS INTEGER) THEN try_cast(strftime(${day}, '%Y-%m-%d') || ${time} AS TIMESTAMP) END`
  }
  const month = has('m') ? get('m') : has('B') ? numberOfName(get('B'), names.months) : `'01'`
  const day = has('d') ? get('d') : `'01'`
  return `try_cast(${year} || '-' || ${month} || '-' || ${day} || ${time} AS TIMESTAMP)`
}

function timeOfDay(get: Get, has: Has): Sql {
  const hour = has('H') ? get('H') : has('I') ? twelveHours(get, has) : `'00'`
  const fraction = ['f', 'g', 'n'].find(has)
  const digits = fraction === undefined ? '' : ` || '.' || left(${get(fraction)}, 6)`
  return `' ' || ${hour} || ':' || ${has('M') ? get('M') : `'00'`} || ':' || ${has('S') ? get('S') : `'00'`}${digits}`
}

function twelveHours(get: Get, has: Has): Sql {
  const hour = `CAST(${get('I')} AS INTEGER)`
  return has('p') ? `CAST(${hour} % 12 + CASE WHEN ${isAfternoon(get)} THEN 12 ELSE 0 END AS VARCHAR)` : get('I')
}

function isAfternoon(get: Get): Sql {
  return `lower(left(${get('p')}, 1)) = 'p'`
}

function fullYear(digits: Sql, pivotYear: number): Sql {
  const century = pivotYear - (pivotYear % 100)
  const offset = `CASE WHEN CAST(${digits} AS INTEGER) < ${pivotYear % 100} THEN ${century + 100} ELSE ${century} END`
  return `lpad(CAST(${offset} + CAST(${digits} AS INTEGER) AS VARCHAR), 4, '0')`
}

function numberOfName(name: Sql, names: ReadonlyMap<string, number>): Sql {
  const cases = [...names].map(([known, number]) => `WHEN ${literal(known)} THEN '${String(number).padStart(2, '0')}'`)
  return `CASE lower(${name}) ${cases.join(' ')} END`
}

/** A date by week and weekday; where none is named, the week's Monday (ISO and `%W`) or Sunday (`%U`). */
function weekDate(get: Get, has: Has): Sql {
  const isIso = has('G')
  const isSunday = !isIso && has('U')
  const year = isIso ? get('G') : has('Y') ? get('Y') : `'1900'`
  const week = isIso ? (has('V') ? get('V') : `'1'`) : get(isSunday ? 'U' : 'W')
  const weekday = has('u')
    ? `CAST(${get('u')} AS INTEGER)`
    : has('w')
      ? `((CAST(${get('w')} AS INTEGER) + 6) % 7 + 1)`
      : isSunday
        ? '7'
        : '1'
  const first = isIso
    ? `date_trunc('week', TRY(make_date(CAST(${year} AS INTEGER), 1, 4)))`
    : isSunday
      ? `(date_trunc('week', TRY(make_date(CAST(${year} AS INTEGER), 1, 1)) + 7 - 6) - 1)`
      : `date_trunc('week', TRY(make_date(CAST(${year} AS INTEGER), 1, 1)) + 6)`
  const inWeek = isSunday ? `(${weekday} % 7)` : `(${weekday} - 1)`
  const day = `CAST(${first} + to_days(7 * (CAST(${week} AS INTEGER) - 1) + ${inWeek}) AS DATE)`
  const format = isIso ? '%G %V' : isSunday ? '%Y %U' : '%Y %W'
  return `CASE WHEN strftime(${day}, '${format}') = ${year} || ' ' || lpad(${week}, 2, '0') THEN ${day} END`
}

/** Parts that say again what others have said have to say the same. */
function agrees(moment: Sql, get: Get, has: Has, names: Names): Sql {
  const day = `isodow(${moment})`
  const checks = [
    `${moment} >= TIMESTAMP '0001-01-01 00:00:00'`,
    ...(has('A') ? [`${day} = CAST(${numberOfName(get('A'), names.weekdays)} AS INTEGER)`] : []),
    ...(has('u') ? [`${day} = CAST(${get('u')} AS INTEGER)`] : []),
    ...(has('w') ? [`${day} % 7 = CAST(${get('w')} AS INTEGER)`] : []),
    ...(has('B') && has('m') ? [`month(${moment}) = CAST(${numberOfName(get('B'), names.months)} AS INTEGER)`] : []),
    ...(has('Y') && has('y') ? [`year(${moment}) % 100 = CAST(${get('y')} AS INTEGER)`] : []),
    ...(has('H') && has('p') ? [`(hour(${moment}) >= 12) = (${isAfternoon(get)})`] : []),
  ]
  return checks.join(' AND ')
}

function typed(
  moment: Sql,
  { get, has }: { readonly get: Get; readonly has: Has },
  format: string,
  type: string,
  reading: Reading,
): Sql {
  if (type === 'TIME') return timeAlone(moment, DATE_LETTERS.some(has))
  const instant = instantOf(moment, { get, has }, format, reading)
  if (type !== 'DATE') return `CASE WHEN ${inYears(instant)} THEN ${instant} END`
  // The day is the one that is written, unless a zone says in which it is meant.
  if (reading.timeZone === undefined || !(has('z') || has('Z'))) return dayAlone(moment)
  return dayAlone(localIn(reading.timeZone, instant))
}

function instantOf(
  moment: Sql,
  { get, has }: { readonly get: Get; readonly has: Has },
  format: string,
  reading: Reading,
): Sql {
  if (has('z')) return `make_timestamptz(epoch_us(${moment}) - ${offsetOf(get('z'))})`
  if (has('Z')) {
    const zone = get('Z')
    // Parsing alone tells which names of zones there are without failing.
    const isKnown = `try_strptime('2000-01-01 ' || ${zone}, '%Y-%m-%d %Z') IS NOT NULL`
    return `CASE WHEN upper(${zone}) IN ('Z', 'UTC', 'GMT') THEN CAST(${moment} AS TIMESTAMPTZ) WHEN ${isKnown} THEN ${instantInZone(moment, zone, reading.ambiguous)} END`
  }
  return instantIn(moment, format.endsWith('Z') ? { timeZone: 'UTC' } : reading)
}

/** Microseconds of `+01:30`. */
function offsetOf(offset: Sql): Sql {
  const digits = `rpad(replace(substr(${offset}, 2), ':', ''), 4, '0')`
  const minutes = `(CAST(left(${digits}, 2) AS BIGINT) * 60 + CAST(substr(${digits}, 3, 2) AS BIGINT))`
  return `CASE WHEN lower(${offset}) = 'z' THEN 0 WHEN starts_with(${offset}, '-') THEN -60000000 * ${minutes} ELSE 60000000 * ${minutes} END`
}

/** Years that text has: 1 to 9999. @param instant of type TIMESTAMPTZ */
export function inYears(instant: Sql): Sql {
  return `${instant} >= TIMESTAMPTZ '0001-01-01 00:00:00+00' AND ${instant} < TIMESTAMPTZ '10000-01-01 00:00:00+00'`
}

/** A DATE of a local time that is midnight. */
export function dayAlone(local: Sql): Sql {
  return bound(
    local,
    'day',
    (day) =>
      // Infinity has no time of day: to ask for it is an error.
      `CASE WHEN NOT isfinite(${day}) THEN CAST(${day} AS DATE) WHEN CAST(${day} AS TIME) = TIME '00:00:00' THEN CAST(${day} AS DATE) END`,
  )
}

/** Days that stand for none: those of spreadsheets, of SQL Server and of Unix. */
const NO_DAY = `DATE '1899-12-30', DATE '1900-01-01', DATE '1970-01-01'`

/** A TIME of a local time without a day of its own. */
export function timeAlone(local: Sql, hasDay = true): Sql {
  const time = `CAST(${local} AS TIME)`
  return hasDay
    ? `CASE WHEN NOT isfinite(${local}) THEN NULL WHEN CAST(${local} AS DATE) IN (${NO_DAY}) THEN ${time} END`
    : time
}
