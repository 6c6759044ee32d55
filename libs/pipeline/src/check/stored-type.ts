/** The engine's types that tables do not hold, by the one that their values go into. Too large values fail the task. */
const INSTEAD: Readonly<Record<string, string>> = {
  TINYINT: 'INTEGER',
  SMALLINT: 'INTEGER',
  UTINYINT: 'INTEGER',
  USMALLINT: 'INTEGER',
  UINTEGER: 'BIGINT',
  UBIGINT: 'BIGINT',
  HUGEINT: 'BIGINT',
  UHUGEINT: 'BIGINT',
  FLOAT: 'DOUBLE',
  TIMESTAMP: 'TIMESTAMP WITH TIME ZONE',
  TIMESTAMP_S: 'TIMESTAMP WITH TIME ZONE',
  TIMESTAMP_MS: 'TIMESTAMP WITH TIME ZONE',
  TIMESTAMP_NS: 'TIMESTAMP WITH TIME ZONE',
  UUID: 'VARCHAR',
  JSON: 'VARCHAR',
}

const HELD = /^(?:BOOLEAN|INTEGER|BIGINT|DOUBLE|VARCHAR|DATE|TIME|TIMESTAMP WITH TIME ZONE|BLOB|DECIMAL\(\d+,\d+\))$/

/** The type with which a query's column is kept in a table; undefined when there is none. */
export function storedType(type: string): string | undefined {
  if (type.endsWith('[]')) {
    const item = storedType(type.slice(0, -2))
    return item === undefined || item.endsWith('[]') ? undefined : `${item}[]`
  }
  if (HELD.test(type)) return type
  return type.startsWith('ENUM(') ? 'VARCHAR' : INSTEAD[type]
}
