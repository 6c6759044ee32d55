import { identifier } from '@cinelake/sql'
import { isNumber } from '@cinelake/core'
import type { DeltaSnapshot, DeltaTable } from '@cinelake/delta'
import type { SqlSession } from '@cinelake/engine'
import type { Measure } from '@cinelake/pipeline'

/** A table under one of the texts, in the version that was made under it. */
export type TableSide = { readonly table: DeltaTable; readonly snapshot: DeltaSnapshot }

export type Comparing = {
  /** Columns by their names under both texts, including those of the key. */
  readonly columns: readonly ColumnPair[]
  /** Names after the change. Empty: rows are compared as a whole. */
  readonly key: readonly string[]
  /** Columns of the key that are personal data: none of their values is shown. */
  readonly masked: ReadonlySet<string>
  readonly session: SqlSession
  readonly signal: AbortSignal
}

export type ColumnPair = {
  readonly name: string
  readonly type: string
  readonly before: { readonly name: string; readonly type: string }
}

/** How the rows of a table differ between two texts. */
export type RowChanges = {
  readonly added: number
  readonly gone: number
  /** Rows of one key with another value in some column; none where rows are compared as a whole. */
  readonly changed: number
  /** The number of these per column in which the value differs. Only columns with such rows. */
  readonly columns: Readonly<Record<string, number>>
  /** The first keys of each kind, as `order_id=17`. */
  readonly examples: Readonly<Record<'added' | 'gone' | 'changed', readonly string[]>>
}

/** Keys shown of each kind. */
const EXAMPLES = 3

/** Characters shown of a key's value. */
const KEY_LENGTH = 80

/** Placeholder for a value of a personal column. */
const MASK = '***'

/** Relative difference below which two floating-point numbers are equal: sums of them depend on the order of rows. */
const FLOAT_NOISE = '1e-9'

/**
 * Compares the rows of two versions of a table by their key, in one query of the engine. Files that both versions share
 * have the same rows, and are not read.
 */
export async function compareTable(before: TableSide, after: TableSide, given: Comparing): Promise<RowChanges> {
  const { session, signal } = given
  const known = new Set(before.snapshot.files.map((file) => file.path))
  const shared = new Set(after.snapshot.files.flatMap((file) => (known.has(file.path) ? [file.path] : [])))
  const only = ({ table, snapshot }: TableSide) =>
    table.view(session, { version: snapshot.version, signal, keep: (file) => !shared.has(file.path) })
  await using old = await only(before)
  await using now = await only(after)
  if (old === undefined || now === undefined || given.columns.length === 0) return NOTHING
  const relations = { before: old.relation, after: now.relation }
  return given.key.length === 0 ? await compareWhole(relations, given) : await compareByKey(relations, given)
}

const NOTHING: RowChanges = {
  added: 0,
  gone: 0,
  changed: 0,
  columns: {},
  examples: { added: [], gone: [], changed: [] },
}

type Relations = { readonly before: string; readonly after: string }

async function compareByKey({ before, after }: Relations, given: Comparing): Promise<RowChanges> {
  const { columns, key, session, signal } = given
  const keys = key.map((name) => columns.findIndex((column) => column.name === name))
  const values = columns.flatMap((column, index) => (key.includes(column.name) ? [] : [{ ...column, index }]))
  const differs = values.map((column) => differsSql(column, `b.c${column.index}`, `a.c${column.index}`))
  const isKind = {
    added: 'b.here IS NULL',
    gone: 'a.here IS NULL',
    changed: `b.here AND a.here AND (${['false', ...differs].join(' OR ')})`,
  }
  const example = `[${keys.map((index) => `CAST(coalesce(a.c${index}, b.c${index}) AS VARCHAR)`).join(', ')}]`
  const counts = Object.entries(isKind).flatMap(([kind, when]) => [
    `count(*) FILTER (WHERE ${when}) AS ${kind}`,
    `min(${example}, ${EXAMPLES}) FILTER (WHERE ${when}) AS ${kind}_examples`,
  ])
  const changes = differs.map((when, at) => `count(*) FILTER (WHERE b.here AND a.here AND ${when}) AS changed_${at}`)
  const same = keys.map((index) => `b.c${index} IS NOT DISTINCT FROM a.c${index}`).join(' AND ')
  const query = `WITH b AS (SELECT true AS here, ${valuesSql(columns, 'before')} FROM ${before} AS t),
      a AS (SELECT true AS here, ${valuesSql(columns, 'after')} FROM ${after} AS t)
    SELECT ${[...counts, ...changes].join(', ')} FROM b FULL JOIN a ON ${same}`
  const [row = {}] = await session.rows(query, { signal })
  const countOf = (name: string) => Number(row[name] ?? 0)
  const examplesOf = (kind: string) => shown((row[`${kind}_examples`] ?? []) as Keys, given)
  return {
    added: countOf('added'),
    gone: countOf('gone'),
    changed: countOf('changed'),
    columns: Object.fromEntries(
      values.flatMap(({ name }, at) => (countOf(`changed_${at}`) === 0 ? [] : [[name, countOf(`changed_${at}`)]])),
    ),
    examples: { added: examplesOf('added'), gone: examplesOf('gone'), changed: examplesOf('changed') },
  }
}

type Keys = readonly (readonly (string | null)[])[]

function shown(keys: Keys, { key, masked }: Comparing): string[] {
  const valueOf = (name: string, value: string | null) =>
    masked.has(name) ? MASK : (value ?? 'NULL').replaceAll(/\p{Cc}/gu, '�').slice(0, KEY_LENGTH)
  const texts = keys.map((values) => key.map((name, at) => `${name}=${valueOf(name, values[at] ?? null)}`).join(' '))
  return [...new Set(texts)]
}

/** Values `c0`, `c1`, … of types that can be compared. */
function valuesSql(columns: readonly ColumnPair[], side: keyof Relations): string {
  const values = columns.map(({ name, type, before }, index) => {
    const value = identifier(side === 'before' ? before.name : name)
    const isComparable = type === before.type || (isNumber(type) && isNumber(before.type))
    return `${isComparable ? value : `CAST(${value} AS VARCHAR)`} AS c${index}`
  })
  return values.join(', ')
}

function differsSql({ type, before }: ColumnPair, old: string, now: string): string {
  const differs = `${old} IS DISTINCT FROM ${now}`
  if (![type, before.type].some(isFloat) || !isNumber(type) || !isNumber(before.type)) return differs
  const isNear = `abs(${old} - ${now}) <= ${FLOAT_NOISE} * greatest(abs(${old}), abs(${now}))`
  return `(${differs} AND NOT coalesce(${isNear}, false))`
}

const isFloat = (type: string) => type === 'DOUBLE' || type === 'FLOAT'

async function compareWhole(
  { before, after }: Relations,
  { columns, session, signal }: Comparing,
): Promise<RowChanges> {
  const old = `SELECT ${valuesSql(columns, 'before')} FROM ${before} AS t`
  const now = `SELECT ${valuesSql(columns, 'after')} FROM ${after} AS t`
  const [row] = await session.rows<{ added: number; gone: number }>(
    `SELECT (SELECT count(*) FROM ((${now}) EXCEPT ALL (${old}))) AS added,
      (SELECT count(*) FROM ((${old}) EXCEPT ALL (${now}))) AS gone`,
    { signal },
  )
  return { ...NOTHING, added: row?.added ?? 0, gone: row?.gone ?? 0 }
}

/** The values of measures over all rows of a table, as texts in the order given; null where there is no value. */
export async function totalsOf(
  { table, snapshot }: TableSide,
  measures: readonly (Pick<Measure, 'total'> & { readonly column: string })[],
  { session, signal }: Pick<Comparing, 'session' | 'signal'>,
): Promise<(string | null)[]> {
  if (measures.length === 0) return []
  await using view = await table.view(session, { version: snapshot.version, signal })
  if (view === undefined) return measures.map(() => null)
  const typeOf = (name: string) => snapshot.columns.find((column) => column.name === name)?.type ?? 'DOUBLE'
  const list = measures.map(({ column, total }, index) => {
    const value = identifier(column)
    const isExact = total === 'sum' && !isFloat(typeOf(column))
    const result = isExact ? `sum(${value})` : `round(${total === 'sum' ? 'fsum' : 'favg'}(${value}), ${DECIMALS})`
    return `CAST(${result} AS VARCHAR) AS total_${index}`
  })
  const query = `SELECT ${list.join(', ')} FROM ${view.relation} AS t`
  const [row = {}] = await session.rows<Record<string, string | null>>(query, { signal })
  return measures.map((_, index) => row[`total_${index}`] ?? null)
}

/** Decimal places of sums and means of floating-point numbers, beyond which they depend on the order of rows. */
const DECIMALS = 6
