import type { DeltaField, DeltaType } from '../log/types.ts'

/** DuckDB's types that a Delta table has as they are. */
const SAME: Readonly<Record<string, string>> = {
  BOOLEAN: 'boolean',
  TINYINT: 'byte',
  SMALLINT: 'short',
  INTEGER: 'integer',
  BIGINT: 'long',
  FLOAT: 'float',
  DOUBLE: 'double',
  VARCHAR: 'string',
  BLOB: 'binary',
  DATE: 'date',
  'TIMESTAMP WITH TIME ZONE': 'timestamp',
  // No form of their own in a Delta table, and nothing is lost as text.
  TIME: 'string',
  UUID: 'string',
  JSON: 'string',
}

/** Suggestions for types that Delta tables do not support. */
const REMEDIES: Readonly<Record<string, string>> = {
  TIMESTAMP: 'TIMESTAMPTZ',
  TIMESTAMP_S: 'TIMESTAMPTZ',
  TIMESTAMP_MS: 'TIMESTAMPTZ',
  TIMESTAMP_NS: 'TIMESTAMPTZ',
  UTINYINT: 'SMALLINT',
  USMALLINT: 'INTEGER',
  UINTEGER: 'BIGINT',
  UBIGINT: 'DECIMAL(20,0)',
  HUGEINT: 'BIGINT or DECIMAL(38,0)',
  UHUGEINT: 'DECIMAL(38,0)',
  BIGNUM: 'DECIMAL(38,0)',
  'TIME WITH TIME ZONE': 'VARCHAR',
  INTERVAL: 'a number of seconds or VARCHAR',
  BIT: 'VARCHAR',
  GEOMETRY: 'BLOB',
}

/** A type that Delta tables do not support, and a type that it can be cast to. */
export class NoDeltaType {
  readonly type: string
  readonly remedy: string

  constructor(type: string) {
    this.type = type
    this.remedy = REMEDIES[type] ?? 'VARCHAR'
  }
}

/** The Delta form of a type as DuckDB names it: `DECIMAL(3,1)`, `VARCHAR[]`, `STRUCT(a INTEGER, "b c" DATE)`. */
export function deltaTypeOf(engineType: string): DeltaType | NoDeltaType {
  const text = engineType.trim()
  if (text.endsWith('[]')) return arrayOf(deltaTypeOf(text.slice(0, -2)))
  const known = SAME[text]
  if (known !== undefined) return known
  const decimal = /^DECIMAL\((\d+),(\d+)\)$/.exec(text)
  if (decimal !== null) return `decimal(${decimal[1]},${decimal[2]})`
  if (/^ENUM\(.*\)$/s.test(text)) return 'string'
  const [, kind = '', inner = ''] = /^(STRUCT|MAP)\((.*)\)$/s.exec(text) ?? []
  if (kind === 'STRUCT') return structOf(splitAtCommas(inner))
  if (kind === 'MAP') return mapOf(splitAtCommas(inner))
  return new NoDeltaType(text)
}

function arrayOf(elementType: DeltaType | NoDeltaType): DeltaType | NoDeltaType {
  return elementType instanceof NoDeltaType ? elementType : { type: 'array', elementType, containsNull: true }
}

function mapOf([key = '', value = '']: readonly string[]): DeltaType | NoDeltaType {
  const [keyType, valueType] = [deltaTypeOf(key), deltaTypeOf(value)]
  if (keyType instanceof NoDeltaType) return keyType
  if (valueType instanceof NoDeltaType) return valueType
  return { type: 'map', keyType, valueType, valueContainsNull: true }
}

function structOf(members: readonly string[]): DeltaType | NoDeltaType {
  const fields: DeltaField[] = []
  for (const member of members) {
    const [, quoted, plain = '', engineType = ''] = /^(?:"((?:[^"]|"")*)"|(\S+))\s+(.*)$/s.exec(member.trim()) ?? []
    const type = deltaTypeOf(engineType)
    if (type instanceof NoDeltaType) return type
    fields.push({ name: quoted?.replaceAll('""', '"') ?? plain, type, nullable: true, metadata: {} })
  }
  return { type: 'struct', fields }
}

/** Splits at commas that are in no brackets and no quotes. */
function splitAtCommas(text: string): string[] {
  const parts: string[] = ['']
  let depth = 0
  for (const [token] of text.matchAll(/"(?:[^"]|"")*"|'(?:[^']|'')*'|./gs)) {
    if (token === '(') depth += 1
    if (token === ')') depth -= 1
    if (token === ',' && depth === 0) parts.push('')
    else parts.push(`${parts.pop() ?? ''}${token}`)
  }
  return parts
}
