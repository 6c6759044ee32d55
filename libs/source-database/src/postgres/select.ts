import { identifier } from '@cinelake/sql'
import { sql, type RawBuilder } from 'kysely'
import type { Landing } from './types.ts'
import type {
  KeyRange,
  NumberRange,
  RowRange,
  Selection,
  SourceColumn,
  SourceTable,
  TimeRange,
} from '../source-database.ts'

export type PostgresColumn = SourceColumn & { readonly toText: Landing['toText'] }
export type PostgresTable = Omit<SourceTable, 'columns'> & {
  readonly columns: readonly PostgresColumn[]
  readonly kind: string
  readonly estimate: number
}

/** The rows of a table as text, in key order. */
export function selectOf(table: PostgresTable, selection: Selection): RawBuilder<unknown> {
  const texts = table.columns.map((column) => column.toText(identifier(column.name)))
  const values = texts.map((text, index) => sql`${sql.raw(text)} AS ${sql.id(`c${index}`)}`)
  const digest = selection.digests === true ? [sql`${digestOf(texts)} AS digest`] : []
  const order =
    table.primaryKey.length === 0 ? sql`` : sql` ORDER BY ${sql.join(table.primaryKey.map((name) => sql.id(name)))}`
  return sql`SELECT ${sql.join([...values, ...digest])} FROM ${fromOf(table)}${whereOf(table, selection)}${order}`
}

/** A table's own rows, without those of tables that inherit from it unless they are asked for. */
export function fromOf({ table, kind, withHeirs }: PostgresTable): RawBuilder<unknown> {
  return kind === 'r' && withHeirs !== true
    ? sql`ONLY ${sql.id(table.schema, table.name)}`
    : sql.id(table.schema, table.name)
}

/** ` WHERE …`, or empty. */
export function whereOf(table: PostgresTable, { range, keys }: Selection): RawBuilder<unknown> {
  const conditions = [
    ...(range === undefined ? [] : [inRange(table, range)]),
    ...(keys === undefined ? [] : [inKeys(keys)]),
  ]
  return conditions.length === 0 ? sql`` : sql` WHERE ${sql.join(conditions, sql` AND `)}`
}

function inRange(table: PostgresTable, range: RowRange): RawBuilder<unknown> {
  if (range.kind === 'time') return inTimes(table, range)
  // Unreachable: change tracking is rejected earlier.
  return range.kind === 'number' ? inNumbers(range) : sql`false`
}

function inTimes(table: PostgresTable, range: TimeRange): RawBuilder<unknown> {
  const each = range.columns.map((name) => {
    const column = sql.id(name)
    const isDate = table.columns.some((one) => one.name === name && one.type === 'DATE')
    const bound = (instant: string) => {
      const at = sql`${sql.lit(instant)}::pg_catalog.timestamptz`
      return isDate ? sql`(${at} AT TIME ZONE ${sql.lit(range.timeZone)})` : at
    }
    const until = sql`${column} < ${bound(range.until)}`
    return range.since === null ? until : sql`(${column} >= ${bound(range.since)} AND ${until})`
  })
  return sql`(${sql.join(each, sql` OR `)})`
}

function inNumbers({ column, since, until }: NumberRange): RawBuilder<unknown> {
  const upTo = sql`${sql.id(column)} <= ${sql.lit(until)}`
  return since === null ? upTo : sql`(${sql.id(column)} > ${sql.lit(since)} AND ${upTo})`
}

/** An untyped literal is parsed as the column's type. */
function inKeys({ column, from, to }: KeyRange): RawBuilder<unknown> {
  const key = sql.id(column)
  const below = to === null ? sql`true` : sql`${key} < ${sql.lit(to)}`
  // Rows without a value are in the first range.
  return from === null ? sql`(${below} OR ${key} IS NULL)` : sql`(${key} >= ${sql.lit(from)} AND ${below})`
}

/** The same digest as `rowDigest`: `format` writes a value as it is sent. */
function digestOf(texts: readonly string[]): RawBuilder<unknown> {
  const parts = texts.map((text) => {
    const sent = `pg_catalog.format('%s', ${text})`
    const bytes = `pg_catalog.octet_length(pg_catalog.convert_to(${sent}, 'UTF8'))`
    return `CASE WHEN ${text} IS NULL THEN '~' ELSE ${bytes} || ':' || ${sent} END`
  })
  return sql.raw(`pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(${parts.join(' || ')}, 'UTF8')), 'hex')`)
}
