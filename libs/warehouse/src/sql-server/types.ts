/** How a value of a column reaches SQL Server. */
export type MssqlType = {
  /** As in `CREATE TABLE`, without NULL or NOT NULL. */
  readonly sql: string
  readonly form:
    | 'bit'
    | 'integer'
    | 'decimal'
    | 'real'
    | 'double'
    | 'text'
    /** Lists and objects, kept as JSON text. */
    | 'json'
    | 'bytes'
    | 'uuid'
    | 'date'
    | 'time'
    | 'timestamp'
    | 'instant'
  /** Of whole numbers: 16, 32 or 64. */
  readonly bits?: number
  readonly precision?: number
  readonly scale?: number
  /** UTF-16 units that fit, of `text`; undefined where there is no limit. */
  readonly length?: number
  /** Characters that the contract allows, of `text`. */
  readonly characters?: number
}

/**
 * Texts compare by code point, as they do in the lake and in PostgreSQL: under SQL Server's usual collations `a` and `A`
 * would be one key. All texts have the same one, so that any two columns can be joined.
 */
const COLLATION = 'COLLATE Latin1_General_100_BIN2'

/** UTF-16 units; longer ones are `nvarchar(max)`. Source: learn.microsoft.com/sql/t-sql/data-types/nchar-and-nvarchar-transact-sql */
const MAX_NVARCHAR = 4000
/** UTF-16 units: the 900 bytes of a clustered key. Source: learn.microsoft.com/sql/sql-server/maximum-capacity-specifications-for-sql-server */
const MAX_KEY_NVARCHAR = 450
/** Digits. Source: learn.microsoft.com/sql/t-sql/data-types/decimal-and-numeric-transact-sql */
const MAX_PRECISION = 38

const PLAIN: Readonly<Record<string, MssqlType>> = {
  BOOLEAN: { sql: 'bit', form: 'bit' },
  // SQL Server's own tinyint has no negative numbers.
  TINYINT: { sql: 'smallint', form: 'integer', bits: 16 },
  SMALLINT: { sql: 'smallint', form: 'integer', bits: 16 },
  INTEGER: { sql: 'int', form: 'integer', bits: 32 },
  BIGINT: { sql: 'bigint', form: 'integer', bits: 64 },
  HUGEINT: decimal(MAX_PRECISION, 0),
  UTINYINT: { sql: 'smallint', form: 'integer', bits: 16 },
  USMALLINT: { sql: 'int', form: 'integer', bits: 32 },
  UINTEGER: { sql: 'bigint', form: 'integer', bits: 64 },
  UBIGINT: decimal(20, 0),
  FLOAT: { sql: 'real', form: 'real' },
  DOUBLE: { sql: 'float(53)', form: 'double' },
  UUID: { sql: 'uniqueidentifier', form: 'uuid' },
  DATE: { sql: 'date', form: 'date' },
  TIME: { sql: 'time(6)', form: 'time', scale: 6 },
  TIMESTAMP: { sql: 'datetime2(6)', form: 'timestamp', scale: 6 },
  // With its offset (always +00:00) an instant cannot be taken for a local time; Power BI reads it as Date/Time/Timezone.
  'TIMESTAMP WITH TIME ZONE': { sql: 'datetimeoffset(6)', form: 'instant', scale: 6 },
}

/**
 * The SQL Server type for a type in the vocabulary of contracts.
 * @param isKey texts of a primary key are at most 450 long, so that they can be indexed
 * @returns undefined for a type that the warehouse does not know
 */
export function mssqlType(type: string, isKey: boolean): MssqlType | undefined {
  const name = type.trim().toUpperCase()
  if (isJsonType(name)) return { sql: `nvarchar(max) ${COLLATION}`, form: 'json' }
  if (name === 'BLOB') return { sql: 'varbinary(max)', form: 'bytes' }
  const plain = PLAIN[name]
  if (plain !== undefined) return plain
  const [, precision, scale] = /^DECIMAL\((\d+),\s*(\d+)\)$/.exec(name) ?? []
  if (precision !== undefined) return decimal(Number(precision), Number(scale))
  if (name === 'VARCHAR') return text(undefined, isKey)
  const [, characters] = /^VARCHAR\((\d+)\)$/.exec(name) ?? []
  return characters === undefined ? undefined : text(Number(characters), isKey)
}

/** Whether values of a type are lists or objects. */
export function isJsonType(type: string): boolean {
  return /(\[\d*\]|^(STRUCT|MAP|UNION)\(.*\)|^JSON)$/.test(type.trim().toUpperCase())
}

function decimal(precision: number, scale: number): MssqlType {
  return { sql: `decimal(${precision},${scale})`, form: 'decimal', precision, scale }
}

/** A contract counts characters, SQL Server UTF-16 units, of which a character such as 🎬 takes two. */
function text(characters: number | undefined, isKey: boolean): MssqlType {
  const limit = isKey ? MAX_KEY_NVARCHAR : MAX_NVARCHAR
  const units = characters === undefined ? undefined : characters * 2
  const length = units !== undefined && units <= limit ? units : isKey ? limit : undefined
  return {
    sql: `nvarchar(${length ?? 'max'}) ${COLLATION}`,
    form: 'text',
    ...(length === undefined ? {} : { length }),
    ...(characters === undefined ? {} : { characters }),
  }
}
