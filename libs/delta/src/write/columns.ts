import { sha256 } from '@cinelake/core'
import { identifier } from '@cinelake/sql'
import { DeltaSchemaError } from '../errors.ts'
import { type DeltaField, type DeltaType, engineTypeOf } from '../log/types.ts'

export type QueryColumn = { readonly name: string; readonly type: string }

/** A table's columns after a write, and the mapping of a query's columns to them. */
export type ColumnPlan = {
  readonly fields: readonly DeltaField[]
  /** SQL of each column, in order. */
  readonly select: string
}

/** Characters that Spark refuses in a column's name. Source: delta.io, DeltaErrors.foundInvalidCharsInColumnNames */
const REFUSED = /[ ,;{}()\n\t=]/

/** Types whose text is the same in every writer and reader, and has no other spelling. */
const PARTITION_TYPES = ['string', 'byte', 'short', 'integer', 'long', 'date', 'boolean']

/**
 * The columns of a table that a query's rows become.
 * @throws {DeltaSchemaError} names every problem
 */
export function planNewColumns(
  table: string,
  query: readonly QueryColumn[],
  partitionBy: readonly string[],
): ColumnPlan {
  const problems = namingProblems(query)
  const fields: DeltaField[] = []
  for (const column of query) {
    const type = deltaTypeOf(column.type)
    if (type instanceof NoDeltaType) problems.push(typeProblem(column.name, type))
    else fields.push({ name: column.name, type, nullable: true, metadata: {} })
    if (REFUSED.test(column.name))
      problems.push(`column ${identifier(column.name)}: expected a name without spaces and ,;{}()= , rename it with AS`)
  }
  const plan = finish(table, query, fields, problems)
  checkPartitioning(table, fields, partitionBy)
  return plan
}

/** @throws {DeltaSchemaError} a column to partition by that is not there or of a type that paths cannot carry */
export function checkPartitioning(table: string, fields: readonly DeltaField[], partitionBy: readonly string[]): void {
  const problems: string[] = []
  for (const name of partitionBy) {
    const type = fields.find((field) => field.name === name)?.type
    if (type === undefined) problems.push(`partition column ${name}: expected a column of the query, got none`)
    else if (typeof type !== 'string' || !PARTITION_TYPES.includes(type)) {
      problems.push(
        `partition column ${name}: expected text, an integer, a date or a boolean, got ${engineTypeOf(type)}; partition by a DATE or text made of it`,
      )
    }
  }
  if (partitionBy.length > 0 && fields.length === partitionBy.length)
    problems.push('expected a column in addition to the partition columns, got none')
  if (problems.length > 0) throw new DeltaSchemaError(table, problems)
}

export function sameFields(a: readonly DeltaField[], b: readonly DeltaField[]): boolean {
  return signatureOf(a) === signatureOf(b)
}

/** A digest of names and types: files with the same one have the same columns. */
export function columnsDigest(fields: readonly DeltaField[]): string {
  return sha256(signatureOf(fields)).slice(0, 16)
}

function signatureOf(fields: readonly DeltaField[]): string {
  return fields.map((field) => `${identifier(field.name)} ${engineTypeOf(field.type)}`).join(', ')
}

export function finish(
  table: string,
  query: readonly QueryColumn[],
  fields: readonly DeltaField[],
  problems: readonly string[],
): ColumnPlan {
  if (problems.length > 0) throw new DeltaSchemaError(table, problems)
  const given = new Map(query.map((column) => [column.name, column.type]))
  const select = fields.map((field) => selected(field.name, field.type, given.get(field.name)))
  return { fields, select: select.join(', ') }
}

function selected(name: string, type: DeltaType, engineType: string | undefined): string {
  const column = identifier(name)
  const target = engineTypeOf(type)
  return target === engineType ? column : `CAST(${column} AS ${target}) AS ${column}`
}

export function namingProblems(query: readonly QueryColumn[]): string[] {
  const seen = new Set<string>()
  const twice = new Set<string>()
  for (const { name } of query) {
    const folded = name.toLowerCase()
    if (seen.has(folded)) twice.add(name)
    seen.add(folded)
  }
  return [...twice].map((name) => `column ${name}: expected one of this name in any case, got more; rename one with AS`)
}

export function typeProblem(name: string, { type, remedy }: NoDeltaType): string {
  return `column ${name}: expected a type that a Delta table has, got ${type}; cast it to ${remedy}`
}

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
