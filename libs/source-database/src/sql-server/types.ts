import { MAX_DECIMAL_DIGITS, type Landing } from '../postgres/types.ts'

/** A column's type as described by SQL Server's catalog, with alias types resolved to their base types. */
export type MssqlType = {
  /** `sys.types.name` of the system type; `clr` for a type of an assembly. */
  readonly name: string
  /** Bytes; -1 for `max`. */
  readonly maxLength: number
  readonly precision: number
  readonly scale: number
}

const cast = (type: string, toText: Landing['toText']): Landing => ({
  type,
  toText,
  fromText: (text) => `CAST(${text} AS ${type})`,
})
const text = (toText: Landing['toText']): Landing => ({ type: 'VARCHAR', toText, fromText: (value) => value })
const converted = (to: string, style?: number) => (column: string) =>
  `CONVERT(${to}, ${column}${style === undefined ? '' : `, ${style}`})`

/** The seventh digit of a second's fraction, which the engine's times do not have, is cut off: to round could change the day. */
const cut = (value: string) => `regexp_replace(${value}, '([.][0-9]{6})[0-9]', '\\1')`
/** Only a zero is: any other digit leaves a text that is no time. */
const exact = (value: string) => `CASE WHEN regexp_matches(${value}, '[.][0-9]{6}[1-9]') THEN '' ELSE ${value} END`
const time = (type: string, toText: Landing['toText'], spelt = (value: string) => value): Landing => ({
  type,
  toText,
  fromText: (value) => `CAST(${spelt(exact(value))} AS ${type})`,
  cutFromText: (value) => `CAST(${spelt(cut(value))} AS ${type})`,
})
const INSTANT = 'TIMESTAMP WITH TIME ZONE'
const bytes = (toText: Landing['toText']): Landing => ({ type: 'BLOB', toText, fromText: (value) => `unhex(${value})` })
const wide = converted('nvarchar(max)')
const hex = (column: string) => `CONVERT(varchar(max), CONVERT(varbinary(max), ${column}), 2)`

const RULES: ReadonlyMap<string, Landing> = new Map(
  Object.entries<Landing>({
    bit: cast('BOOLEAN', converted('char(1)')),
    tinyint: cast('INTEGER', converted('varchar(11)')),
    smallint: cast('INTEGER', converted('varchar(11)')),
    int: cast('INTEGER', converted('varchar(11)')),
    bigint: cast('BIGINT', converted('varchar(20)')),
    money: cast('DECIMAL(19,4)', (column) => `CONVERT(varchar(41), CONVERT(decimal(19,4), ${column}))`),
    smallmoney: cast('DECIMAL(10,4)', (column) => `CONVERT(varchar(41), CONVERT(decimal(10,4), ${column}))`),
    // Style 3: 17 digits, which identify the number exactly.
    float: cast('DOUBLE', converted('varchar(32)', 3)),
    // The shortest decimal that identifies the number, which is also the one that the database displays.
    real: {
      type: 'DOUBLE',
      toText: converted('varchar(32)', 3),
      fromText: (value) => `CAST(CAST(CAST(${value} AS FLOAT) AS VARCHAR) AS DOUBLE)`,
    },
    date: cast('DATE', converted('char(10)', 23)),
    // Have no zone: interpreted as UTC, the session's zone.
    smalldatetime: cast(INSTANT, converted('char(19)', 120)),
    datetime: cast(INSTANT, converted('char(23)', 121)),
    datetime2: time(INSTANT, converted('varchar(27)', 121)),
    // The instant is kept, the original offset is not.
    datetimeoffset: time(
      INSTANT,
      converted('varchar(34)', 121),
      (value) => `replace(replace(${value}, ' +', '+'), ' -', '-')`,
    ),
    time: time('TIME', converted('varchar(16)', 121)),
    // Without padding blanks, as with PostgreSQL.
    char: text((column) => `RTRIM(${wide(column)})`),
    nchar: text((column) => `RTRIM(${column})`),
    varchar: text(wide),
    nvarchar: text((column) => column),
    text: text(wide),
    ntext: text(wide),
    xml: text(wide),
    json: text(wide),
    vector: text(wide),
    uniqueidentifier: text((column) => `LOWER(CONVERT(char(36), ${column}))`),
    hierarchyid: text((column) => `${column}.ToString()`),
    geometry: text(wellKnownText),
    geography: text(wellKnownText),
    sql_variant: text(variantText),
    binary: bytes(hex),
    varbinary: bytes(hex),
    image: bytes(hex),
    // A counter of the database's writes, far below the maximum of a BIGINT.
    timestamp: cast('BIGINT', (column) => `CONVERT(varchar(20), CONVERT(bigint, ${column}))`),
    // Types of assemblies, in their storage format.
    clr: bytes(hex),
  }),
)

/** The conversion of a column of this type. Every type has one; an unknown future type is cast to text. */
export function mssqlLandingOf({ name, maxLength, precision, scale }: MssqlType): Landing {
  if (name === 'decimal' || name === 'numeric') {
    const digits = Math.min(precision, MAX_DECIMAL_DIGITS)
    return cast(`DECIMAL(${digits},${scale})`, converted('varchar(41)'))
  }
  // Short text need not be sent as a large object.
  if (name === 'varchar' && maxLength > 0 && maxLength <= 4000) return text(converted(`nvarchar(${maxLength})`))
  return RULES.get(name) ?? text(wide)
}

/** With the reference system, which the well-known text does not include. */
function wellKnownText(column: string): string {
  return `N'SRID=' + CONVERT(nvarchar(11), ${column}.STSrid) + N';' + ${column}.ToString()`
}

/** The value as its own type would land, without the offset that text can keep. */
function variantText(column: string): string {
  const is = (...names: readonly string[]) =>
    `SQL_VARIANT_PROPERTY(${column}, 'BaseType') IN (${names.map((name) => `'${name}'`).join(', ')})`
  return `CASE WHEN ${column} IS NULL THEN NULL
    WHEN ${is('float', 'real')} THEN CONVERT(nvarchar(60), CONVERT(float, ${column}), 3)
    WHEN ${is('money', 'smallmoney')} THEN CONVERT(nvarchar(60), CONVERT(decimal(19,4), ${column}))
    WHEN ${is('date')} THEN CONVERT(nvarchar(60), CONVERT(date, ${column}), 23)
    WHEN ${is('datetime', 'smalldatetime', 'datetime2')} THEN CONVERT(nvarchar(60), CONVERT(datetime2(7), ${column}), 121)
    WHEN ${is('datetimeoffset')} THEN CONVERT(nvarchar(60), CONVERT(datetimeoffset(7), ${column}), 121)
    WHEN ${is('time')} THEN CONVERT(nvarchar(60), CONVERT(time(7), ${column}), 121)
    WHEN ${is('binary', 'varbinary')} THEN CONVERT(nvarchar(max), CONVERT(varbinary(8000), ${column}), 1)
    ELSE CONVERT(nvarchar(4000), ${column}) END`
}
