import { identifier } from '@cinelake/sql'
import { isLossless } from '@cinelake/core'

/** A type as the Delta log writes it. Source: github.com/delta-io/delta/blob/master/PROTOCOL.md#schema-serialization-format */
export type DeltaType = string | DeltaArray | DeltaStruct | DeltaMap
type DeltaArray = { readonly type: 'array'; readonly elementType: DeltaType; readonly containsNull: boolean }
type DeltaStruct = { readonly type: 'struct'; readonly fields: readonly DeltaField[] }
type DeltaMap = {
  readonly type: 'map'
  readonly keyType: DeltaType
  readonly valueType: DeltaType
  readonly valueContainsNull: boolean
}

export type DeltaField = {
  readonly name: string
  readonly type: DeltaType
  readonly nullable: boolean
  readonly metadata: Readonly<Record<string, unknown>>
}

const ENGINE_TYPES: Readonly<Record<string, string>> = {
  boolean: 'BOOLEAN',
  byte: 'TINYINT',
  short: 'SMALLINT',
  integer: 'INTEGER',
  long: 'BIGINT',
  float: 'FLOAT',
  double: 'DOUBLE',
  string: 'VARCHAR',
  binary: 'BLOB',
  date: 'DATE',
  timestamp: 'TIMESTAMP WITH TIME ZONE',
}

/** DuckDB's name of a Delta type, undefined for a type that is not known. */
export function engineTypeOf(type: DeltaType): string | undefined {
  if (typeof type === 'string') {
    const decimal = /^decimal\((\d+), ?(\d+)\)$/.exec(type)
    return decimal === null ? ENGINE_TYPES[type] : `DECIMAL(${decimal[1]},${decimal[2]})`
  }
  if (type.type === 'array') return suffixed(engineTypeOf(type.elementType), '[]')
  if (type.type === 'map') {
    const [key, value] = [engineTypeOf(type.keyType), engineTypeOf(type.valueType)]
    return key === undefined || value === undefined ? undefined : `MAP(${key}, ${value})`
  }
  const fields = type.fields.map((field) => {
    return suffixed(engineTypeOf(field.type), '', `${identifier(field.name)} `)
  })
  return fields.includes(undefined) ? undefined : `STRUCT(${fields.join(', ')})`
}

function suffixed(type: string | undefined, suffix: string, prefix = ''): string | undefined {
  return type === undefined ? undefined : `${prefix}${type}${suffix}`
}

/** Whether every value of one type is a value of another, and comes back the same. */
export function fitsInto(from: DeltaType, into: DeltaType): boolean {
  const [before, after] = [engineTypeOf(from), engineTypeOf(into)]
  return before !== undefined && after !== undefined && isLossless(before, after)
}
