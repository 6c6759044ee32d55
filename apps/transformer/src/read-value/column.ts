import type { CheckedColumn, ColumnReading } from '@cinelake/pipeline'
import { literal } from '@cinelake/sql'
import { dateOf, straightDate } from './date.ts'
import { type Sql, type Straight, bound, cleaned, isStraight, trimmed, withValues } from './text.ts'

/** How a source's text is converted to a column's value. */
export type ColumnSql = {
  /** The value in the column's type; NULL for a missing value, or for a text that is not of the type. */
  readonly value: Sql
  /** The cleaned text. Where it is not NULL and the value is, the text is not of the type. */
  readonly text: Sql
  /** A column of texts: a text may be there that is none for it, such as an error of a formula. */
  readonly mayMisfit?: boolean
}

/**
 * @param raw an expression of type VARCHAR: the source's text
 * @param nulls the dataset's words for "no value"
 */
export function readColumn(
  { type, reading }: Pick<CheckedColumn, 'type' | 'reading'>,
  raw: Sql,
  nulls: readonly string[],
): ColumnSql {
  const { values: _, ...itemwise } = reading
  // In a list, the values are replaced item by item.
  const text = cleaned(raw, type.endsWith('[]') ? itemwise : reading, nulls)
  if (type === 'VARCHAR') return { value: text, text }
  const careful = bound(text, 'given', (given) => convert(given, type, reading))
  const cases = isStraight(reading, nulls) ? straightly(raw, type, reading) : []
  if (cases.length === 0) return { value: careful, text }
  const whens = cases.map(({ when, value }) => `WHEN ${when} THEN ${value}`)
  return { value: `CASE ${whens.join(' ')} ELSE ${careful} END`, text }
}

function straightly(raw: Sql, type: string, reading: ColumnReading): readonly Straight[] {
  if (isNumber(type)) return straightNumber(raw, type, reading)
  if (type === 'BOOLEAN') return [{ when: `${raw} IN ('true', 'false')`, value: `${raw} = 'true'` }]
  return straightDate(raw, type, reading)
}

function convert(text: Sql, type: string, reading: ColumnReading): Sql {
  if (type.endsWith('[]')) {
    const itemType = type.slice(0, -2)
    const items = itemsOf(text, reading)
    return itemType === 'VARCHAR' ? items : typedItems(items, (item) => convert(item, itemType, reading))
  }
  if (type === 'VARCHAR') return text
  if (type === 'BOOLEAN') return booleanOf(text)
  return isNumber(type) ? numberOf(text, type, reading) : dateOf(text, type, reading)
}

function booleanOf(text: Sql): Sql {
  return `CASE WHEN lower(${text}) IN ('true', 't', 'yes', 'y', '1') THEN true WHEN lower(${text}) IN ('false', 'f', 'no', 'n', '0') THEN false END`
}

function isNumber(type: string): boolean {
  return isWhole(type) || type === 'DOUBLE' || type.startsWith('DECIMAL(')
}

/** Default separators of lists. */
const SEPARATORS = ['|', ';', ',']

const QUOTED = String.raw`'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"`
/** An unquoted value within brackets: `None`, `12`. */
const BARE = String.raw`[^\[\]'",\s][^\[\]'",]*`
const ITEM = `(?:${QUOTED}|${BARE})`
/** A list as Python prints it: `['a', "it's", None]`. */
const PYTHON = String.raw`\[\s*(?:${ITEM}(?:\s*,\s*${ITEM})*\s*,?)?\s*\]`

/**
 * The items of a list from text: `["a", "b"]` (JSON), `['a', 'b']` (Python), or split at the first of the separators
 * that occurs in it. Items are trimmed; empty ones and nulls are dropped. NULL for brackets that do not form a list.
 */
function itemsOf(text: Sql, reading: ColumnReading): Sql {
  const separators = reading.separators ?? SEPARATORS
  const splits = separators.map(
    (separator) => `WHEN contains(${text}, ${literal(separator)}) THEN string_split(${text}, ${literal(separator)})`,
  )
  const items = `CASE WHEN NOT starts_with(${text}, '[') THEN CASE ${splits.join(' ')} ELSE [${text}] END \
WHEN json_valid(${text}) THEN json_extract_string(${text}, '$[*]') \
WHEN regexp_full_match(${text}, ${literal(PYTHON)}) THEN ${pythonItems(text)} END`
  const clean = (item: Sql) => withValues(trimmed(item), reading.values)
  return `list_filter(list_transform(${items}, lambda item: ${clean('item')}), lambda item: item IS NOT NULL)`
}

function pythonItems(text: Sql): Sql {
  const unescaped = (item: Sql) => `regexp_replace(substr(${item}, 2, length(${item}) - 2), '\\\\(.)', '\\1', 'g')`
  const bare = (item: Sql) => `CASE WHEN lower(rtrim(${item})) IN ('none', 'null', 'nan') THEN NULL ELSE ${item} END`
  return `list_transform(regexp_extract_all(${text}, ${literal(`${QUOTED}|${BARE}`)}), lambda part: \
CASE WHEN starts_with(part, '''') OR starts_with(part, '"') THEN ${unescaped('part')} ELSE ${bare('part')} END)`
}

/** A list of another type than text, item by item; NULL when one of them is not of that type. */
function typedItems(items: Sql, convert: (item: Sql) => Sql): Sql {
  return bound(
    `list_transform(${items}, lambda one: ${convert('one')})`,
    'converted',
    (list) => `CASE WHEN len(list_filter(${list}, lambda one: one IS NULL)) = 0 THEN ${list} END`,
  )
}

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
function straightNumber(raw: Sql, type: string, reading: ColumnReading): readonly Straight[] {
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
function numberOf(text: Sql, type: string, reading: ColumnReading): Sql {
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

function isWhole(type: string): boolean {
  return type === 'BIGINT' || type === 'INTEGER'
}

function scaleOf(type: string): number {
  return Number(/^DECIMAL\(\d+,\s*(\d+)\)$/.exec(type)?.[1] ?? 0)
}

const TEXTUAL = /^(?:VARCHAR|JSON|UUID|ENUM\()/
const NUMERIC = /^(?:U?(?:TINY|SMALL|BIG|HUGE)?INT(?:EGER)?|FLOAT|DOUBLE|DECIMAL)/
const LOCAL = /^TIMESTAMP(?:_S|_MS|_NS)?$/
const INSTANT = 'TIMESTAMP WITH TIME ZONE'

/**
 * How a column that was landed with a type is converted to one of the contract. Text is parsed like the text of a file;
 * other types are cast, and a value that the cast would change is not of the type.
 */
export function readLanded(
  { type, reading }: CheckedColumn,
  raw: string,
  landed: string,
  nulls: readonly string[],
): ColumnSql {
  const text = `CAST(${raw} AS VARCHAR)`
  if (TEXTUAL.test(landed) || type === 'VARCHAR') return readColumn({ type, reading }, text, nulls)
  const zone = literal(reading.timeZone ?? 'UTC')
  if (landed === type) return { value: raw, text }
  if (LOCAL.test(landed) && type === INSTANT) return { value: `timezone(${zone}, CAST(${raw} AS TIMESTAMP))`, text }
  if (landed === INSTANT && type === 'DATE') return { value: `CAST(timezone(${zone}, ${raw}) AS DATE)`, text }
  const cast = `try_cast(${raw} AS ${type})`
  return {
    value: NUMERIC.test(landed) && NUMERIC.test(type) ? `CASE WHEN ${cast} = ${raw} THEN ${cast} END` : cast,
    text,
  }
}
