import { literal } from '@cinelake/sql'

/** A type as described by PostgreSQL's catalog, with domains resolved to their base types. */
export type PostgresType = {
  /** `pg_type.typname`: `int4`, `numeric`, `_text`. */
  readonly name: string
  /** `pg_attribute.atttypmod`; -1 for none. */
  readonly modifier: number
  /** For arrays: `typname` of the elements and the number of dimensions declared. */
  readonly array?: { readonly element: string; readonly dimensions: number }
}

/** How a column is converted. */
export type Landing = {
  readonly type: string
  /** PostgreSQL's SQL for the text to send, given the column as an SQL expression. */
  readonly toText: (column: string) => string
  /** The engine's SQL that converts this text to `type`. */
  readonly fromText: (text: string) => string
  /** The engine's SQL for a text that does not fit as people know it. */
  readonly unfitText?: (text: string) => string
  readonly shown?: (text: string) => string
  /** Like `fromText`, with digits of a second beyond microseconds cut off. */
  readonly cutFromText?: (text: string) => string
}

/** Digits that the engine's decimals can hold. Source: duckdb.org/docs/stable/sql/data_types/numeric */
export const MAX_DECIMAL_DIGITS = 38

/** The conversion of one value. `sendAs`: PostgreSQL's type to cast to before sending; if absent, the type's own text is sent. */
type Rule = { readonly type: string; readonly sendAs?: string; readonly fromText: (text: string) => string }

const cast = (type: string): Rule => ({ type, fromText: (value) => `CAST(${value} AS ${type})` })
const asText: Rule = { type: 'VARCHAR', fromText: (value) => value }

/** PostgreSQL writes `0044-03-15 BC`, the engine reads `0044-03-15 (BC)`. */
const date: Rule = { type: 'DATE', fromText: (value) => `CAST(replace(${value}, ' BC', ' (BC)') AS DATE)` }
const instant: Rule = {
  type: 'TIMESTAMP WITH TIME ZONE',
  fromText: (value) =>
    `CAST(CASE WHEN suffix(${value}, ' BC') THEN regexp_replace(${value}, ${literal(String.raw`^(\S+) (.*) BC$`)}, ${literal(String.raw`\1 (BC) \2`)}) ELSE ${value} END AS TIMESTAMP WITH TIME ZONE)`,
}

/**
 * Types that are not listed land as the text that the server writes (VARCHAR): uuid, json, enums, interval, inet, …
 * The session writes times in UTC, intervals as ISO 8601 durations and bytes in hex.
 */
const RULES: ReadonlyMap<string, Rule> = new Map(
  Object.entries<Rule>({
    bool: cast('BOOLEAN'),
    int2: cast('INTEGER'),
    int4: cast('INTEGER'),
    int8: cast('BIGINT'),
    oid: cast('BIGINT'),
    // From the shortest decimal that identifies the number, which is also the one that the database displays.
    float4: cast('DOUBLE'),
    float8: cast('DOUBLE'),
    // A 64-bit count of the smallest currency unit, of which a currency has up to three digits.
    money: { ...cast('DECIMAL(22,3)'), sendAs: 'pg_catalog.numeric' },
    // Without padding blanks, as in PostgreSQL's own cast to text.
    bpchar: { ...asText, sendAs: 'pg_catalog.text' },
    date,
    time: cast('TIME'),
    timestamptz: instant,
    // Has no zone: interpreted as UTC, the session's zone.
    timestamp: { ...instant, sendAs: 'pg_catalog.timestamptz' },
    bytea: { type: 'BLOB', fromText: (value) => `unhex(substr(${value}, 3))` },
  }),
)

export function landingOf(type: PostgresType): Landing {
  if (type.array !== undefined) return arrayLanding(type.array, type.modifier)
  const { type: landed, sendAs, fromText } = ruleFor(type.name, type.modifier)
  return { type: landed, toText: (column) => (sendAs === undefined ? column : `${column}::${sendAs}`), fromText }
}

/**
 * For a database without an encoding (`SQL_ASCII`), whose texts may be any bytes: these are sent in hex, and are a text
 * where they are UTF-8. The driver would put U+FFFD in their place.
 */
export function landingOfBytes(landing: Landing): Landing {
  if (!landing.type.startsWith('VARCHAR')) return landing
  const decoded = (value: string) => `decode(unhex(${value}))`
  return {
    ...landing,
    toText: (column) =>
      `pg_catalog.encode(pg_catalog.convert_to(${landing.toText(column)}::pg_catalog.text, 'SQL_ASCII'), 'hex')`,
    fromText: (value) => landing.fromText(decoded(value)),
    unfitText: (value) => `coalesce(TRY(${decoded(value)}), '\\x' || ${value})`,
    shown: (text) => Buffer.from(text, 'hex').toString(),
  }
}

function ruleFor(name: string, modifier: number): Rule {
  return name === 'numeric' ? numericRule(modifier) : (RULES.get(name) ?? asText)
}

/** With precision and scale a decimal; without, a value may have any number of digits, so it lands as text. */
function numericRule(modifier: number): Rule {
  if (modifier < 0) return asText
  // precision << 16 | scale in eleven bits with sign, plus 4. Source: make_numeric_typmod in PostgreSQL's numeric.c
  const packed = modifier - 4
  const precision = packed >> 16
  const scale = ((packed & 0x7ff) ^ 1024) - 1024
  const digits = Math.max(scale < 0 ? precision - scale : precision, scale)
  return digits > MAX_DECIMAL_DIGITS ? asText : cast(`DECIMAL(${digits},${Math.max(scale, 0)})`)
}

/**
 * One dimension becomes a list; elements are sent as JSON strings, the only form that distinguishes a comma in a text from a
 * separator and keeps every digit. More dimensions have no type in the lake: JSON text. A value with more dimensions
 * than its column declares does not fit: its text is JSON as well.
 */
function arrayLanding({ element, dimensions }: { element: string; dimensions: number }, modifier: number): Landing {
  if (dimensions > 1) {
    return {
      type: asText.type,
      toText: (column) => `pg_catalog.to_json(${column})::pg_catalog.text`,
      fromText: asText.fromText,
    }
  }
  const { type, sendAs, fromText } = ruleFor(element, modifier)
  const list = (column: string) => `${sendAs === undefined ? column : `${column}::${sendAs}[]`}::pg_catalog.text[]`
  return {
    type: `${type}[]`,
    toText: (column) => `pg_catalog.to_json(${list(column)})::pg_catalog.text`,
    // Items are texts or null, so that only a value with more dimensions begins like this; without it, it is no JSON.
    fromText: (value) =>
      `list_transform(CAST(CAST(regexp_replace(${value}, '^\\[\\[', '') AS JSON) AS VARCHAR[]), lambda v: ${fromText('v')})`,
  }
}
