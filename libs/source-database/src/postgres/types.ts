import { literal } from '@cinelake/sql'

/** A type as PostgreSQL's catalog describes it, domains followed to what they are made of. */
export type PostgresType = {
  /** `pg_type.typname`: `int4`, `numeric`, `_text`. */
  readonly name: string
  /** `pg_attribute.atttypmod`; -1 for none. */
  readonly modifier: number
  /** For arrays: `typname` of the elements and the number of dimensions declared. */
  readonly array?: { readonly element: string; readonly dimensions: number }
}

/** What becomes of a column. */
export type Landing = {
  /** The engine's type. */
  readonly type: string
  /** PostgreSQL's SQL that gives the text to send, of a column given as an SQL expression. */
  readonly toText: (column: string) => string
  /** The engine's SQL that makes a value of `type` of that text. */
  readonly fromText: (text: string) => string
}

/** Digits that the engine's decimals can hold. Source: duckdb.org/docs/stable/sql/data_types/numeric */
export const MAX_DECIMAL_DIGITS = 38

/** A rule for one value. `sendAs`: PostgreSQL's type to cast to before sending; without it the text is the type's own. */
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
 * What becomes of each type of PostgreSQL; what is not here lands as the text that the server writes (VARCHAR): uuid,
 * json, jsonb, xml, enums, timetz, interval, inet, bit strings, geometric, range and composite types, and those of
 * extensions. The session writes times in UTC, intervals as ISO 8601 durations and bytes in hex.
 */
const RULES: ReadonlyMap<string, Rule> = new Map(
  Object.entries<Rule>({
    bool: cast('BOOLEAN'),
    int2: cast('INTEGER'),
    int4: cast('INTEGER'),
    int8: cast('BIGINT'),
    oid: cast('BIGINT'),
    // From the shortest decimal that means the number, which is also what people see in the database.
    float4: cast('DOUBLE'),
    float8: cast('DOUBLE'),
    // A 64-bit count of the smallest coin, of which a currency has up to three digits.
    money: { ...cast('DECIMAL(22,3)'), sendAs: 'pg_catalog.numeric' },
    // Without the blanks that fill it up, as in PostgreSQL's own cast to text.
    bpchar: { ...asText, sendAs: 'pg_catalog.text' },
    date,
    time: cast('TIME'),
    timestamptz: instant,
    // No zone is known: taken for UTC, which is the session's zone.
    timestamp: { ...instant, sendAs: 'pg_catalog.timestamptz' },
    bytea: { type: 'BLOB', fromText: (value) => `unhex(substr(${value}, 3))` },
  }),
)

/** What becomes of a column of this type. Every type has a rule. */
export function landingOf(type: PostgresType): Landing {
  if (type.array !== undefined) return arrayLanding(type.array, type.modifier)
  const { type: landed, sendAs, fromText } = ruleFor(type.name, type.modifier)
  return { type: landed, toText: (column) => (sendAs === undefined ? column : `${column}::${sendAs}`), fromText }
}

function ruleFor(name: string, modifier: number): Rule {
  return name === 'numeric' ? numericRule(modifier) : (RULES.get(name) ?? asText)
}

/** With precision and scale a decimal; without, a value may have any number of digits, so they land as text. */
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
 * One dimension becomes a list; elements are sent as JSON strings, since only those tell a comma in a text from one
 * between texts and keep every digit. More dimensions have no type in the lake: JSON text. A value with more dimensions
 * than its column declares is sent as a text that no list can be made of, and found by the conversion that fails.
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
    toText: (column) =>
      `CASE WHEN pg_catalog.array_ndims(${column}) > 1 THEN '' ELSE pg_catalog.to_json(${list(column)})::pg_catalog.text END`,
    fromText: (value) => `list_transform(CAST(CAST(${value} AS JSON) AS VARCHAR[]), lambda v: ${fromText('v')})`,
  }
}
