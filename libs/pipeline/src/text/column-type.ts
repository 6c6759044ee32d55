import type { TypingText } from './contract-schema.ts'

/** A column's type as the engine names it, or why there is none: `message`, `remedy` and the key that they are about. */
export type TypeReading =
  | { readonly type: string; readonly maxLength?: number }
  | {
      readonly message: string
      readonly remedy: string
      readonly key: 'logicalType' | 'physicalType' | 'items' | 'logicalTypeOptions'
    }

type LogicalType = NonNullable<TypingText['logicalType']>

/** The engine's types by their names in contracts. Delta has instants only, hence one type for all of them. */
const PHYSICAL: readonly (readonly [LogicalType, RegExp, string])[] = [
  ['string', /^(?:n?varchar|n?char|string|text)(?:\s*\(\s*(?<length>\d+|max)\s*\))?$/i, 'VARCHAR'],
  ['integer', /^(?:int|integer|int4|int32|smallint|int2|int16|tinyint|int8_t)$/i, 'INTEGER'],
  ['integer', /^(?:bigint|long|int8|int64)$/i, 'BIGINT'],
  ['number', /^(?:double|double precision|float|float4|float8|real)$/i, 'DOUBLE'],
  ['number', /^(?:decimal|numeric)\s*\(\s*(?<precision>\d+)\s*(?:,\s*(?<scale>\d+)\s*)?\)$/i, 'DECIMAL'],
  ['boolean', /^(?:boolean|bool|bit)$/i, 'BOOLEAN'],
  ['date', /^date$/i, 'DATE'],
  ['time', /^time$/i, 'TIME'],
  [
    'timestamp',
    /^(?:timestamp with time zone|timestamptz|timestamp|datetime|datetime2|datetimeoffset)$/i,
    'TIMESTAMP WITH TIME ZONE',
  ],
]

const DEFAULTS: Readonly<Record<Exclude<LogicalType, 'array' | 'object'>, string>> = {
  string: 'VARCHAR',
  integer: 'BIGINT',
  number: 'DOUBLE',
  boolean: 'BOOLEAN',
  date: 'DATE',
  time: 'TIME',
  timestamp: 'TIMESTAMP WITH TIME ZONE',
}

/** By `logicalTypeOptions.format`, by number of bits. */
const INTEGER_FORMATS: Readonly<Record<string, string>> = {
  i8: 'INTEGER',
  i16: 'INTEGER',
  i32: 'INTEGER',
  u8: 'INTEGER',
  u16: 'INTEGER',
  u32: 'BIGINT',
  i64: 'BIGINT',
}

/** Digits. The maximum of a DECIMAL in Delta and in the engine. Source: duckdb.org/docs/stable/sql/data_types/numeric */
const MAX_PRECISION = 38

/** The type of a column by `logicalType` and `physicalType`; either of them is enough. */
export function columnType(property: TypingText): TypeReading {
  if (property.logicalType === 'object') {
    return {
      message: 'columns of type `object` are not supported',
      remedy: 'give each of its properties a column of its own',
      key: 'logicalType',
    }
  }
  const listOf = property.physicalType === undefined ? undefined : listElement(property.physicalType)
  if (property.logicalType === 'array' || listOf !== undefined) return arrayType(property, listOf)
  if (property.physicalType !== undefined) return physicalType(property, property.physicalType)
  if (property.logicalType === undefined) {
    return {
      message: 'the column has no type',
      remedy: `add \`logicalType\`, one of ${Object.keys(DEFAULTS).join(', ')}, array`,
      key: 'logicalType',
    }
  }
  if (property.logicalType === 'integer') return integerType(property)
  return withLength({ type: DEFAULTS[property.logicalType] }, property)
}

function arrayType(property: TypingText, listOf: string | undefined): TypeReading {
  if (property.logicalType !== undefined && property.logicalType !== 'array') return mismatch(property, 'array')
  const items: TypingText = property.items ?? (listOf === undefined ? {} : { physicalType: listOf })
  if (items.logicalType === undefined && items.physicalType === undefined) {
    return {
      message: 'the array does not say what it holds',
      remedy: 'add `items: { logicalType: string }`',
      key: 'items',
    }
  }
  const item = columnType(items)
  if ('message' in item) return { ...item, key: property.items === undefined ? 'physicalType' : 'items' }
  if (item.type.endsWith('[]')) {
    return { message: 'arrays of arrays are not supported', remedy: 'hold one list per column', key: 'items' }
  }
  return { type: `${item.type}[]` }
}

function physicalType(property: TypingText, text: string): TypeReading {
  for (const [logical, pattern, type] of PHYSICAL) {
    const match = pattern.exec(text.trim())
    if (match === null) continue
    if (property.logicalType !== undefined && property.logicalType !== logical) return mismatch(property, logical)
    const { length, precision, scale } = match.groups ?? {}
    if (precision !== undefined) return decimalType(Number(precision), Number(scale ?? 0))
    const limited = length === undefined || length.toLowerCase() === 'max' ? {} : { maxLength: Number(length) }
    if (limited.maxLength === 0)
      return { message: `\`${text}\` holds nothing`, remedy: 'expected a length of 1 or more', key: 'physicalType' }
    return withLength({ type, ...limited }, property)
  }
  return {
    message: `unknown physicalType \`${text}\``,
    remedy:
      'expected one of VARCHAR, VARCHAR(n), INTEGER, BIGINT, DOUBLE, DECIMAL(p,s), BOOLEAN, DATE, TIME, TIMESTAMP WITH TIME ZONE, or any of them with [], or leave it out',
    key: 'physicalType',
  }
}

function decimalType(precision: number, scale: number): TypeReading {
  if (precision < 1 || precision > MAX_PRECISION || scale > precision) {
    return {
      message: `DECIMAL(${precision},${scale}) does not exist`,
      remedy: `expected 1 to ${MAX_PRECISION} digits, of which no more than all are behind the point`,
      key: 'physicalType',
    }
  }
  return { type: `DECIMAL(${precision},${scale})` }
}

function integerType(property: TypingText): TypeReading {
  const format = property.logicalTypeOptions?.format
  if (format === undefined) return { type: DEFAULTS.integer }
  const type = INTEGER_FORMATS[format]
  return type === undefined
    ? {
        message: `integers of format \`${format}\` are not supported`,
        remedy: `expected one of ${Object.keys(INTEGER_FORMATS).join(', ')}`,
        key: 'logicalTypeOptions',
      }
    : { type }
}

function withLength(
  reading: { readonly type: string; readonly maxLength?: number },
  property: TypingText,
): TypeReading {
  const option = property.logicalTypeOptions?.maxLength
  if (reading.type !== 'VARCHAR' || option === undefined) return reading
  return { ...reading, maxLength: Math.min(option, reading.maxLength ?? option) }
}

function mismatch(property: TypingText, logical: LogicalType): TypeReading {
  return {
    message: `physicalType \`${property.physicalType ?? ''}\` does not go with logicalType \`${property.logicalType ?? ''}\``,
    remedy: `write \`logicalType: ${logical}\`, or leave physicalType out`,
    key: 'physicalType',
  }
}

/** `VARCHAR[]` or `ARRAY<STRING>` → the type of the list's elements. */
function listElement(text: string): string | undefined {
  const match = /^(?:(.+)\[\s*\]|array\s*<(.+)>)$/i.exec(text.trim())
  return match?.[1] ?? match?.[2]
}
