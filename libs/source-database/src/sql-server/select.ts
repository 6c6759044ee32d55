import type { Landing } from '../postgres/types.ts'
import type {
  ChangeRange,
  KeyRange,
  NumberRange,
  Selection,
  SourceColumn,
  SourceTable,
  TimeRange,
} from '../source-database.ts'

export type MssqlColumn = SourceColumn & {
  readonly toText: Landing['toText']
  /** In the form that `CONVERT` expects. */
  readonly mssqlType: string
}
export type MssqlTable = Omit<SourceTable, 'columns'> & {
  readonly columns: readonly MssqlColumn[]
  readonly mssqlKind: string
  readonly estimate: number
}

/** `[Order Details]` */
export function bracketed(name: string): string {
  return `[${name.replaceAll(']', ']]')}]`
}
export function quotedTable({ table }: Pick<SourceTable, 'table'>): string {
  return `${bracketed(table.schema)}.${bracketed(table.name)}`
}
export function nationalText(value: string): string {
  return `N'${value.replaceAll("'", "''")}'`
}

export function selectOf(table: MssqlTable, selection: Selection): string {
  const { range } = selection
  const changes = range?.kind === 'changes'
  const of = (name: string) => `${changes && table.primaryKey.includes(name) ? 'ct' : 't'}.${bracketed(name)}`
  const deleted = changes ? [`CASE WHEN ${goneWhen(table)} THEN 't' ELSE 'f' END`] : []
  const texts = [...table.columns.map((column) => column.toText(of(column.name))), ...deleted]
  const digest = selection.digests === true ? [digestOf(texts)] : []
  const values = [...texts, ...digest].map((value, index) => `${value} AS c${index}`)
  // Refining changes relies on this order: deleted rows come last.
  const by = [...(changes ? [`CASE WHEN ${goneWhen(table)} THEN 1 ELSE 0 END`] : []), ...table.primaryKey.map(of)]
  const order = by.length === 0 ? '' : ` ORDER BY ${by.join(', ')}`
  return `SELECT ${values.join(', ')} FROM ${fromOf(table, range)}${whereOf(table, selection)}${order}`
}

export function countOf(table: MssqlTable, selection: Selection): string {
  return `SELECT CONVERT(varchar(20), COUNT_BIG(*)) AS n FROM ${fromOf(table, selection.range)}${whereOf(table, selection)}`
}

/** Changed rows in their current state; deleted rows with their key only. */
function fromOf(table: MssqlTable, range: Selection['range']): string {
  const name = quotedTable(table)
  if (range?.kind !== 'changes') return `${name} AS t`
  const key = table.primaryKey.map((column) => `t.${bracketed(column)} = ct.${bracketed(column)}`)
  return `CHANGETABLE(CHANGES ${name}, ${version(range)}) AS ct LEFT JOIN ${name} AS t ON ${key.join(' AND ')}`
}

function version({ since }: ChangeRange): string {
  return BigInt(since).toString()
}

function goneWhen({ primaryKey }: MssqlTable): string {
  return `t.${bracketed(primaryKey[0] ?? '')} IS NULL`
}

function whereOf(table: MssqlTable, { range, keys }: Selection): string {
  const conditions = [
    ...(range?.kind === 'time' ? [inTimes(table, range)] : []),
    ...(range?.kind === 'number' ? [inNumbers(table, range)] : []),
    ...(keys === undefined ? [] : [inKeys(table, keys)]),
  ]
  return conditions.length === 0 ? '' : ` WHERE ${conditions.join(' AND ')}`
}

function typeOf(table: MssqlTable, name: string): string {
  return table.columns.find((column) => column.name === name)?.mssqlType ?? 'nvarchar(4000)'
}

function inTimes(table: MssqlTable, { columns, since, until, timeZone }: TimeRange): string {
  const each = columns.map((name) => {
    const type = typeOf(table, name)
    const bound = (instant: string) => {
      const utc = new Date(instant).toISOString()
      if (type.startsWith('datetimeoffset')) return `CONVERT(datetimeoffset(7), ${nationalText(utc)}, 127)`
      const at = type === 'date' ? wallTime(instant, timeZone) : utc.slice(0, -1)
      return `CONVERT(datetime2(7), ${nationalText(at)}, 126)`
    }
    const column = `t.${bracketed(name)}`
    const below = `${column} < ${bound(until)}`
    return since === null ? below : `(${column} >= ${bound(since)} AND ${below})`
  })
  return `(${each.join(' OR ')})`
}

function inNumbers(table: MssqlTable, { column, since, until }: NumberRange): string {
  const type = typeOf(table, column)
  const bound = (digits: string) => {
    // A rowversion is never negative, and its bytes are unsigned.
    if (type === 'timestamp')
      return `CONVERT(binary(8), CONVERT(bigint, ${nationalText(digits.startsWith('-') ? '0' : digits)}))`
    return `CONVERT(${/^(?:decimal|numeric|money|smallmoney)/.test(type) ? 'decimal(38,10)' : 'bigint'}, ${nationalText(digits)})`
  }
  const name = `t.${bracketed(column)}`
  const upTo = `${name} <= ${bound(until)}`
  return since === null ? upTo : `(${name} > ${bound(since)} AND ${upTo})`
}

function inKeys(table: MssqlTable, { column, from, to }: KeyRange): string {
  const key = `t.${bracketed(column)}`
  const bound = (value: string) => keyBound(typeOf(table, column), value)
  const below = to === null ? '1 = 1' : `${key} < ${bound(to)}`
  // Rows without a value are in the first range.
  return from === null ? `(${below} OR ${key} IS NULL)` : `(${key} >= ${bound(from)} AND ${below})`
}

/** Dates are written in style 121, which has no effect on other types. */
function keyBound(type: string, value: string): string {
  return `CONVERT(${type}, ${nationalText(value)}${/^(?:date|time|smalldatetime)/.test(type) ? ', 121' : ''})`
}

function digestOf(texts: readonly string[]): string {
  const parts = texts.map((text) => {
    const sent = `CONVERT(nvarchar(max), ${text})`
    return `CASE WHEN ${text} IS NULL THEN N'~' ELSE CONVERT(nvarchar(20), DATALENGTH(${sent})) + N':' + ${sent} END`
  })
  return `LOWER(CONVERT(char(64), HASHBYTES('SHA2_256', ${parts.join(' + ')}), 2))`
}

/** Types whose ranges can be bounded by values written as text. */
export function isSplittable(type: string): boolean {
  return /^(?:tinyint|smallint|int|bigint|decimal|numeric|date|smalldatetime|datetime|uniqueidentifier|n?varchar|n?char)/.test(
    type,
  )
}

/** The local time of a zone at an instant: `2026-03-01T00:00:00`. */
export function wallTime(instant: string, timeZone: string): string {
  const format = new Intl.DateTimeFormat('en-US-u-ca-iso8601-nu-latn', {
    timeZone,
    hourCycle: 'h23',
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
  })
  const parts = new Map(format.formatToParts(new Date(instant)).map(({ type, value }) => [type, value]))
  const of = (type: Intl.DateTimeFormatPartTypes) => parts.get(type) ?? ''
  return `${of('year').padStart(4, '0')}-${of('month')}-${of('day')}T${of('hour')}:${of('minute')}:${of('second')}`
}
