/** How a value of a column reaches PostgreSQL. */
export type PostgresType = {
  /** As in `CREATE TABLE`. */
  readonly sql: string
  /** `json`: lists and objects, sent as JSON text. `bytes`: sent as hex. */
  readonly form: 'text' | 'json' | 'bytes'
}

const PLAIN: Readonly<Record<string, string>> = {
  BOOLEAN: 'boolean',
  TINYINT: 'smallint',
  SMALLINT: 'smallint',
  INTEGER: 'integer',
  BIGINT: 'bigint',
  HUGEINT: 'numeric(39,0)',
  UTINYINT: 'smallint',
  USMALLINT: 'integer',
  UINTEGER: 'bigint',
  UBIGINT: 'numeric(20,0)',
  FLOAT: 'real',
  DOUBLE: 'double precision',
  VARCHAR: 'text',
  UUID: 'uuid',
  DATE: 'date',
  TIME: 'time',
  TIMESTAMP: 'timestamp',
  'TIMESTAMP WITH TIME ZONE': 'timestamptz',
}

/**
 * The PostgreSQL type for a type in the vocabulary of contracts.
 * @returns undefined for a type that the warehouse does not know
 */
export function postgresType(type: string): PostgresType | undefined {
  const name = type.trim().toUpperCase()
  if (/(\[\d*\]|^(STRUCT|MAP|UNION)\(.*\)|^JSON)$/.test(name)) return { sql: 'jsonb', form: 'json' }
  if (name === 'BLOB') return { sql: 'bytea', form: 'bytes' }
  const plain = PLAIN[name]
  if (plain !== undefined) return { sql: plain, form: 'text' }
  const decimal = /^DECIMAL\((\d+),\s*(\d+)\)$/.exec(name)
  if (decimal !== null) return { sql: `numeric(${decimal[1]},${decimal[2]})`, form: 'text' }
  const varchar = /^VARCHAR\((\d+)\)$/.exec(name)
  if (varchar !== null) return { sql: `varchar(${varchar[1]})`, form: 'text' }
  return undefined
}
