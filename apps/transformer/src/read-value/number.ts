import { literal } from '@cinelake/sql'
import type { ColumnReading } from '@cinelake/pipeline'
import { bound, type Sql, type Straight } from './text.ts'

/** Thousands separators other than `.` and `,`: space, no-break spaces, apostrophes. */
const GAP = String.raw`[ \x{a0}\x{202f}'’]`
const SIGN = '[+-]?'

/** Patterns for whole numbers and fractions, and how a match is converted to digits with a decimal point. */
type Form = { readonly pattern: string; readonly point: (text: Sql) => Sql }

const asIs: Form['point'] = (text) => text
const withoutCommas: Form['point'] = (text) => `replace(${text}, ',', '')`
const withPoint: Form['point'] = (text) => `replace(${text}, ',', '.')`
const withoutPoints: Form['point'] = (text) => `replace(replace(${text}, '.', ''), ',', '.')`
const withoutGaps: Form['point'] = (text) => `replace(regexp_replace(${text}, ${literal(GAP)}, '', 'g'), ',', '.')`

const PLAIN = { pattern: String.raw`(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?`, point: asIs }
const COMMA = { pattern: String.raw`(?:\d+,?\d*|,\d+)`, point: withPoint }
const POINT_GROUPS = String.raw`[1-9]\d{0,2}(?:\.\d{3})+`

/** The forms of each decimal separator, in order of preference. */
const FORMS: Readonly<Record<'.' | ',' | 'any', readonly Form[]>> = {
  '.': [
    PLAIN,
    { pattern: String.raw`\d{1,3}(?:,\d{3})+(?:\.\d*)?`, point: withoutCommas },
    { pattern: String.raw`\d{1,3}(?:${GAP}\d{3})+(?:\.\d*)?`, point: withoutGaps },
  ],
  ',': [
    COMMA,
    { pattern: String.raw`\d{1,3}(?:\.\d{3})+(?:,\d*)?`, point: withoutPoints },
    { pattern: String.raw`\d{1,3}(?:${GAP}\d{3})+(?:,\d*)?`, point: withoutGaps },
  ],
  // `1.234` is a fraction and `1,234` a thousand, as English has it; `8,7` and `0,123` can only be fractions.
  any: [
    PLAIN,
    { pattern: String.raw`[1-9]\d{0,2}(?:,\d{3})+(?:\.\d*)?`, point: withoutCommas },
    { pattern: String.raw`${POINT_GROUPS},\d*|[1-9]\d{0,2}(?:\.\d{3}){2,}`, point: withoutPoints },
    COMMA,
    { pattern: String.raw`\d{1,3}(?:${GAP}\d{3})+(?:[.,]\d*)?`, point: withoutGaps },
  ],
}

/** In a column of whole numbers `1.234` can only be a thousand. */
const WHOLE_ANY: readonly Form[] = [{ pattern: POINT_GROUPS, point: withoutPoints }, ...FORMS.any]

/** A number as digits with a point, from text in one of the forms; NULL for any other text. */
function digits(text: Sql, forms: readonly Form[]): Sql {
  const cases = forms.map(
    ({ pattern, point }) => `WHEN regexp_full_match(${text}, ${literal(`${SIGN}(?:${pattern})`)}) THEN ${point(text)}`,
  )
  return `CASE ${cases.join(' ')} END`
}

/** Fast path for an unambiguous number. */
export function straightNumber(raw: Sql, type: string, reading: ColumnReading): readonly Straight[] {
  const value = `try_cast(${raw} AS ${type})`
  // A text that the cast reproduces unchanged has no fraction to round, no exponent and no hexadecimal digits.
  const same = { when: `CAST(${value} AS VARCHAR) = ${raw}`, value }
  if (isWhole(type)) return [same]
  if (reading.decimal === ',') return []
  if (type === 'DOUBLE') return [{ when: `isfinite(${value}) AND NOT contains(${raw}, '_')`, value }]
  const fits = `(instr(${raw}, '.') = 0 OR strlen(${raw}) - instr(${raw}, '.') <= ${scaleOf(type)})`
  const letters = ['_', 'e', 'E'].map((letter) => `NOT contains(${raw}, '${letter}')`)
  return [same, { when: [`${value} IS NOT NULL`, fits, ...letters].join(' AND '), value }]
}

/** A number from text in any of the accepted forms. NULL for a number that does not fit the type without loss. */
export function numberOf(text: Sql, type: string, reading: ColumnReading): Sql {
  const decimal = reading.decimal ?? '.'
  const forms = decimal === 'any' && isWhole(type) ? WHOLE_ANY : FORMS[decimal]
  const plain = bound(digits(text, forms), 'digits', (found) => exactly(found, type))
  if (reading.percentOf === undefined) return plain
  const percent = bound(`rtrim(left(${text}, -1))`, 'share', (share) =>
    bound(digits(share, FORMS[decimal]), 'digits', (found) => percentage(found, type, reading.percentOf ?? 100)),
  )
  return `CASE WHEN ends_with(${text}, '%') THEN ${percent} ELSE ${plain} END`
}

function exactly(found: Sql, type: string): Sql {
  if (type === 'DOUBLE')
    return bound(
      `try_cast(${found} AS DOUBLE)`,
      'number',
      (number) => `CASE WHEN isfinite(${number}) THEN ${number} END`,
    )
  // Trailing zeros are not a fraction: `795222.0` is a whole number.
  if (isWhole(type)) return `try_cast(regexp_extract(${found}, '^([+-]?\\d+)(?:\\.0*)?$', 1) AS ${type})`
  return `CASE WHEN regexp_full_match(${found}, '${SIGN}\\d*(?:\\.\\d{0,${scaleOf(type)}}0*)?') THEN try_cast(${found} AS ${type}) END`
}

/** A share of the value of 100 %, rounded to the scale of the type: the conversion makes new digits. */
function percentage(found: Sql, type: string, percentOf: number): Sql {
  const factor = (percentOf / 100).toFixed(12)
  const share = `try_cast(${found} AS DECIMAL(18, 6)) * CAST('${factor}' AS DECIMAL(18, 12))`
  return `try_cast(${share} AS ${type})`
}

export function isWhole(type: string): boolean {
  return type === 'BIGINT' || type === 'INTEGER'
}

function scaleOf(type: string): number {
  return Number(/^DECIMAL\(\d+,\s*(\d+)\)$/.exec(type)?.[1] ?? 0)
}
