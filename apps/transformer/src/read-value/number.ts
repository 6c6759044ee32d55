import type { ColumnReading } from '@cinelake/pipeline'
import { literal } from '@cinelake/sql'
import { type Sql, type Straight, bound } from './text.ts'

export function isNumber(type: string): boolean {
  return isWhole(type) || type === 'DOUBLE' || type.startsWith('DECIMAL(')
}

function isWhole(type: string): boolean {
  return type === 'BIGINT' || type === 'INTEGER'
}

function scaleOf(type: string): number {
  return Number(/^DECIMAL\(\d+,\s*(\d+)\)$/.exec(type)?.[1] ?? 0)
}

/** Whole numbers below it have a DOUBLE of their own: 2^53. */
export const EXACT_BELOW = '9007199254740992'

/** Fast path for an unambiguous number. */
export function straightNumber(raw: Sql, type: string, reading: ColumnReading): readonly Straight[] {
  const value = `try_cast(${raw} AS ${type})`
  // A text that the cast reproduces unchanged has no fraction to round, no exponent and no hexadecimal digits.
  const same = { when: `CAST(${value} AS VARCHAR) = ${raw}`, value }
  if (isWhole(type)) return [same]
  if (reading.decimal === ',') return []
  if (type === 'DOUBLE') {
    // Zero may be what is left of `1e-400`, and a greater number may have lost digits.
    const isKept = `CASE WHEN ${value} = 0 THEN strlen(${raw}) < 20 AND NOT contains(lower(${raw}), 'e') ELSE abs(${value}) < ${EXACT_BELOW} END`
    return [{ when: `${isKept} AND NOT contains(${raw}, '_')`, value }]
  }
  const fits = `(instr(${raw}, '.') = 0 OR strlen(${raw}) - instr(${raw}, '.') <= ${scaleOf(type)})`
  const letters = ['_', 'e', 'E'].map((letter) => `NOT contains(${raw}, '${letter}')`)
  return [same, { when: [`${value} IS NOT NULL`, fits, ...letters].join(' AND '), value }]
}

/** Thousands separators other than `.` and `,`: spaces, no-break spaces, apostrophes. */
const GAP = String.raw`[ \x{a0}\x{2009}\x{202f}'’]`
const SIGN = '[+-]?'

/** Patterns for whole numbers and fractions, and how a match is converted to digits with a decimal point. */
type Form = { readonly pattern: string; readonly point: (text: Sql) => Sql }

const asIs: Form['point'] = (text) => text
const withoutCommas: Form['point'] = (text) => `replace(${text}, ',', '')`
const withPoint: Form['point'] = (text) => `replace(${text}, ',', '.')`
const withoutPoints: Form['point'] = (text) => `replace(replace(${text}, '.', ''), ',', '.')`
const withoutGaps: Form['point'] = (text) => `replace(regexp_replace(${text}, ${literal(GAP)}, '', 'g'), ',', '.')`

const EXPONENT = String.raw`(?:[eE][+-]?\d{1,3})?`
const PLAIN = { pattern: String.raw`(?:\d+\.?\d*|\.\d+)${EXPONENT}`, point: asIs }
const COMMA = { pattern: String.raw`(?:\d+,?\d*|,\d+)${EXPONENT}`, point: withPoint }
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

/** Digits in groups of other lengths than three: `1,21,00,000`. A decimal sign of `any` would make them ambiguous. */
function groupedForms(grouping: 'indian' | 'any', decimal: '.' | ','): Form[] {
  const fraction = decimal === '.' ? String.raw`(?:\.\d*)?` : String.raw`(?:,\d*)?`
  return [
    { separator: decimal === '.' ? ',' : String.raw`\.`, point: decimal === '.' ? withoutCommas : withoutPoints },
    { separator: GAP, point: withoutGaps },
  ].map(({ separator, point }) => ({
    pattern:
      grouping === 'any'
        ? String.raw`\d+(?:${separator}\d+)+${fraction}`
        : String.raw`\d{1,2}(?:${separator}\d{2})*${separator}\d{3}${fraction}`,
    point,
  }))
}

function formsOf({ decimal = '.', grouping = 'thousands' }: ColumnReading, isOfWhole: boolean): readonly Form[] {
  if (grouping !== 'thousands' && decimal !== 'any') return [...FORMS[decimal], ...groupedForms(grouping, decimal)]
  return decimal === 'any' && isOfWhole ? WHOLE_ANY : FORMS[decimal]
}

/** A number as digits with a point and an exponent, from text in one of the forms; NULL for any other text. */
function digits(text: Sql, forms: readonly Form[]): Sql {
  const cases = forms.map(
    ({ pattern, point }) => `WHEN regexp_full_match(${text}, ${literal(`${SIGN}(?:${pattern})`)}) THEN ${point(text)}`,
  )
  return `CASE ${cases.join(' ')} END`
}

/** A number from text in any of the accepted forms. NULL for a number that does not fit the type without loss. */
export function numberOf(text: Sql, type: string, reading: ColumnReading): Sql {
  const { negatives = [], percentOf } = reading
  const suffixes = Object.entries(reading.suffixes ?? {}).toSorted(([one], [other]) => other.length - one.length)
  const plain = (given: Sql) => digits(given, formsOf(reading, isWhole(type)))
  const scaled = (stem: Sql, factor: Decimal) =>
    bound(`rtrim(${stem})`, 'stem', (given) =>
      bound(digits(given, formsOf(reading, false)), 'share', (share) => product(share, factor)),
    )
  const factors = [
    ...(percentOf === undefined ? [] : [{ suffix: '%', factor: { ...decimalOf(percentOf), hundredth: true } }]),
    ...suffixes.map(([suffix, factor]) => ({ suffix, factor: { ...decimalOf(factor), hundredth: false } })),
  ].map(({ suffix, factor }) => ({
    suffix,
    factor: { digits: factor.digits, power: factor.power - (factor.hundredth ? 2 : 0) },
  }))
  const found = (given: Sql): Sql => {
    if (factors.length === 0) return plain(given)
    const cases = factors.map(({ suffix, factor }) => {
      const { length } = Array.from(suffix)
      return `WHEN ends_with(lower(${given}), ${literal(suffix.toLowerCase())}) THEN ${scaled(`left(${given}, -${length})`, factor)}`
    })
    return `CASE ${cases.join(' ')} ELSE ${plain(given)} END`
  }
  const signs = [
    ...(negatives.includes('parentheses')
      ? [
          `WHEN starts_with(${text}, '(') AND ends_with(${text}, ')') THEN '-' || trim(substr(${text}, 2, length(${text}) - 2))`,
        ]
      : []),
    ...(negatives.includes('trailing') ? [`WHEN ends_with(${text}, '-') THEN '-' || rtrim(left(${text}, -1))`] : []),
  ]
  const all = signs.length === 0 ? found(text) : bound(`CASE ${signs.join(' ')} ELSE ${text} END`, 'signed', found)
  return bound(all, 'digits', (number) => exactly(number, type))
}

/** A number as digits and a power of ten: 2.5 is 25 and -1. */
type Decimal = { readonly digits: string; readonly power: number }

function decimalOf(number: number): Decimal {
  const [mantissa = '', exponent = '0'] = String(number).split('e')
  const [whole = '', fraction = ''] = mantissa.split('.')
  return { digits: `${whole}${fraction}`, power: Number(exponent) - fraction.length }
}

/** The parts of digits with a point and an exponent. */
function parts(number: Sql): Sql {
  return `{'sign': regexp_extract(${number}, '^[+-]?'), 'whole': regexp_extract(${number}, '^[+-]?(\\d*)', 1), \
'fraction': regexp_extract(${number}, '\\.(\\d*)', 1), \
'power': CAST(coalesce(nullif(regexp_extract(${number}, '[eE](.*)$', 1), ''), '0') AS INTEGER)}`
}

/** The exact product; NULL where it has more digits than 38. */
function product(number: Sql, factor: Decimal): Sql {
  const whole = (part: Sql) =>
    `TRY(CAST(${part}['sign'] || ${part}['whole'] || ${part}['fraction'] AS HUGEINT) * CAST('${factor.digits}' AS HUGEINT))`
  return bound(
    parts(number),
    'part',
    (part) => `(${whole(part)}) || 'e' || (${part}['power'] - length(${part}['fraction']) + ${factor.power})`,
  )
}

/** The same number without an exponent. */
function expanded(number: Sql): Sql {
  const all = (part: Sql) => `(${part}['whole'] || ${part}['fraction'])`
  const point = (part: Sql) => `(length(${part}['whole']) + ${part}['power'])`
  const moved = bound(
    parts(number),
    'part',
    (part) => `${part}['sign'] || CASE \
WHEN ${point(part)} <= 0 THEN '0.' || repeat('0', -${point(part)}) || ${all(part)} \
WHEN ${point(part)} >= length(${all(part)}) THEN ${all(part)} || repeat('0', ${point(part)} - length(${all(part)})) \
ELSE left(${all(part)}, ${point(part)}) || '.' || substr(${all(part)}, ${point(part)} + 1) END`,
  )
  return `CASE WHEN contains(lower(${number}), 'e') THEN ${moved} ELSE ${number} END`
}

/** The number of digits with a point and an exponent, in its type; NULL where the type does not hold it. */
export function exactly(number: Sql, type: string): Sql {
  if (type === 'DOUBLE') return bound(`try_cast(${number} AS DOUBLE)`, 'double', (double) => nearest(number, double))
  return bound(expanded(number), 'plain', (plain) => {
    // Trailing zeros are not a fraction: `795222.0` is a whole number.
    if (isWhole(type)) return `try_cast(regexp_extract(${plain}, '^([+-]?\\d+)(?:\\.0*)?$', 1) AS ${type})`
    return `CASE WHEN regexp_full_match(${plain}, '${SIGN}\\d*(?:\\.\\d{0,${scaleOf(type)}}0*)?') THEN try_cast(${plain} AS ${type}) END`
  })
}

/**
 * A DOUBLE is the nearest one to a fraction. A number of 2^53 or more has to be one that a DOUBLE prints: with its
 * shortest digits, with seventeen, or with all of them. `9007199254740993` is not printed by any.
 */
function nearest(number: Sql, double: Sql): Sql {
  const canonical = (text: Sql) =>
    `regexp_replace(regexp_replace(${expanded(text)}, '^\\+?(-?)0*(\\d)', '\\1\\2'), '\\.0*$', '')`
  const printed = bound(`CAST(${double} AS VARCHAR)`, 'shortest', canonical)
  return `CASE WHEN NOT isfinite(${double}) THEN NULL \
WHEN ${double} = 0 THEN CASE WHEN regexp_matches(${number}, '^[^eE]*[1-9]') THEN NULL ELSE ${double} END \
WHEN abs(${double}) < ${EXACT_BELOW} THEN ${double} \
WHEN ${canonical(number)} IN (${printed}, ${bound(`format('{:.16e}', ${double})`, 'seventeen', canonical)}, format('{:.0f}', ${double})) THEN ${double} END`
}
