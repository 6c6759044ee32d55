import { identifier } from '@cinelake/sql'
import { sha256 } from '@cinelake/core'
import { deltaTypeOf, NoDeltaType } from './engine-types.ts'
import { DeltaSchemaError } from '../errors.ts'
import { engineTypeOf, type DeltaField, type DeltaType } from '../log/types.ts'

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
