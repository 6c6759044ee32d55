import { identifier, literal } from '@cinelake/sql'
import { fitsSql } from '@cinelake/core'
import {
  finish,
  namingProblems,
  planNewColumns,
  typeProblem,
  type ColumnPlan,
  type QueryColumn,
  deltaTypeOf,
  NoDeltaType,
} from './columns.ts'
import type { Evolution } from '../delta-table.ts'
import { DeltaSchemaError } from '../errors.ts'
import { engineTypeOf, fitsInto, type DeltaField } from '../log/types.ts'

/** A table's columns after rows of a query are added to it. */
export type EvolvedPlan = {
  readonly columns: ColumnPlan
  /** By a column's name before, its name now. */
  readonly renamed: ReadonlyMap<string, string>
  /** SQL of the columns in order, over the rows as they are; undefined where these can stay in their files. */
  readonly reshape: string | undefined
}

/** A column and where its values come from: columns of the table, the first that has a value. */
type Kept = { readonly name: string; readonly from: readonly DeltaField[] }

/**
 * The columns of a table after rows of a query are added: new ones come last and are null in older rows.
 * @throws {DeltaSchemaError} names every problem
 */
export function planMoreRows(
  table: string,
  existing: readonly DeltaField[],
  query: readonly QueryColumn[],
  evolution: Evolution = {},
): EvolvedPlan {
  const problems = namingProblems(query)
  const given = new Map(query.map((column) => [column.name, column.type]))
  const kept = keptColumns(existing, query, evolution)
  const fields = kept.map(({ name, from }) => fieldOf(name, from, given.get(name), evolution, problems))
  const known = new Map(kept.map(({ name }) => [name.toLowerCase(), name]))
  const added: QueryColumn[] = []
  for (const column of query) {
    const namesake = known.get(column.name.toLowerCase())
    if (namesake === undefined) added.push(column)
    else if (namesake !== column.name) problems.push(`column ${column.name}: expected it spelled ${namesake}`)
  }
  if (problems.length > 0) throw new DeltaSchemaError(table, problems)
  const more = added.length === 0 ? [] : planNewColumns(table, added, []).fields
  const columns = finish(table, query, [...fields, ...more], problems)
  const isSame =
    kept.length === existing.length &&
    kept.every(
      ({ name, from }, index) => from.length === 1 && from[0]?.name === name && isSameType(from[0], fields[index]),
    )
  return {
    columns,
    renamed: new Map(kept.flatMap(({ name, from }) => from.map((field) => [field.name, name] as const))),
    reshape: isSame ? undefined : reshapeSql(columns.fields, kept),
  }
}

/** The columns that are there already, under the names that they get. */
function keptColumns(
  existing: readonly DeltaField[],
  query: readonly QueryColumn[],
  { renamed = {}, dropped = [] }: Evolution,
): Kept[] {
  const find = (name: string) => existing.find((field) => field.name.toLowerCase() === name.toLowerCase())
  const wanted = new Set(query.map(({ name }) => name))
  const sources = new Map<string, DeltaField[]>()
  for (const [name, formers] of Object.entries(renamed)) {
    if (!wanted.has(name)) continue
    const found = [name, ...formers].flatMap((former) => find(former) ?? [])
    sources.set(name, [...new Set(found.filter((field) => field.name === name || !wanted.has(field.name)))])
  }
  const target = new Map([...sources].flatMap(([name, fields]) => fields.map((field) => [field.name, name] as const)))
  const gone = new Set(dropped.filter((name) => !wanted.has(name)).map((name) => name.toLowerCase()))
  const names = existing
    .filter(({ name }) => target.has(name) || !gone.has(name.toLowerCase()))
    .map(({ name }) => target.get(name) ?? name)
  return [...new Set(names)].map((name) => {
    const own = existing.find((field) => field.name === name)
    return { name, from: sources.get(name) ?? (own === undefined ? [] : [own]) }
  })
}

/** The table's type, or the query's where that holds all of the table's values. */
function fieldOf(
  name: string,
  from: readonly DeltaField[],
  engineType: string | undefined,
  { retyped = [] }: Evolution,
  problems: string[],
): DeltaField {
  const [field] = from
  const kept: DeltaField = { ...(field ?? { type: 'string', nullable: true, metadata: {} }), name }
  const expected = engineTypeOf(kept.type) ?? ''
  const type = engineType === undefined ? undefined : deltaTypeOf(engineType)
  if (type === undefined) problems.push(`column ${name}: expected ${expected}, got no such column; select it or NULL`)
  else if (type instanceof NoDeltaType) problems.push(typeProblem(name, type))
  else if (retyped.includes(name)) return { ...kept, type }
  else if (from.every((one) => fitsInto(one.type, kept.type)) && fitsInto(type, kept.type)) return kept
  else if (from.every((one) => fitsInto(one.type, type))) return { ...kept, type }
  else problems.push(`column ${name}: expected ${expected}, got ${engineType}; cast it`)
  return kept
}

function isSameType(one: DeltaField | undefined, other: DeltaField | undefined): boolean {
  return one !== undefined && other !== undefined && engineTypeOf(one.type) === engineTypeOf(other.type)
}

function reshapeSql(fields: readonly DeltaField[], kept: readonly Kept[]): string {
  const sources = new Map(kept.map(({ name, from }) => [name, from]))
  return fields
    .map(({ name, type }) => {
      const target = engineTypeOf(type) ?? ''
      const values = (sources.get(name) ?? []).map((field) => converted(field, target))
      const value = values.length > 1 ? `coalesce(${values.join(', ')})` : (values[0] ?? `CAST(NULL AS ${target})`)
      return `${value} AS ${identifier(name)}`
    })
    .join(', ')
}

/** A value that does not fit is an error: a cast alone would round it. */
function converted(field: DeltaField, target: string): string {
  const [column, type] = [identifier(field.name), engineTypeOf(field.type) ?? '']
  if (type === target) return column
  const fits = fitsSql(column, type, target)
  if (fits === 'true') return `CAST(${column} AS ${target})`
  const message = literal(`a value of column ${field.name} does not fit into ${target}`)
  return `CASE WHEN ${column} IS NULL OR ${fits} THEN TRY_CAST(${column} AS ${target}) ELSE error(${message}) END`
}

/**
 * SQL in place of a table name: the rows of a relation with the columns that a write of `target` would give them.
 * Columns of the table that the target does not have are left out.
 * @throws {DeltaSchemaError} names every problem
 */
export function reshaped(
  relation: string,
  existing: readonly QueryColumn[],
  target: readonly QueryColumn[],
  evolution: Evolution,
): string {
  const fields = existing.flatMap(({ name, type }): DeltaField[] => {
    const deltaType = deltaTypeOf(type)
    return deltaType instanceof NoDeltaType ? [] : [{ name, type: deltaType, nullable: true, metadata: {} }]
  })
  const formers = Object.values(evolution.renamed ?? {}).flat()
  const stays = new Set([...target.map(({ name }) => name), ...formers].map((name) => name.toLowerCase()))
  const dropped = fields.map(({ name }) => name).filter((name) => !stays.has(name.toLowerCase()))
  const { columns, reshape } = planMoreRows(relation, fields, target, { ...evolution, dropped })
  const select =
    reshape ??
    reshapeSql(
      columns.fields,
      fields.map((field) => ({ name: field.name, from: [field] })),
    )
  return `(SELECT ${select} FROM ${relation})`
}
