import { analyzeQuery, Dialect, generate, parse } from '@polyglot-sql/sdk'
import type { TypedColumn } from '../sql-typer.ts'
import { columnsBehind, rowOriginsOf, tablesIn } from './row-origins.ts'
import { withoutCounts } from './without-counts.ts'

/** A column that a result's column is made of. */
export type Origin = {
  /** The table, when it is known for sure which one it is. */
  readonly table: string | undefined
  readonly column: string
}

/** The name under which a result says what decides how many rows there are of a row. */
export const ROWS = '(rows)'

/** What a result's columns are made of, by lower-case name, and its rows as `ROWS`. Undefined where that cannot be told. */
export type Lineage = ReadonlyMap<string, readonly Origin[] | undefined>

type Table = { readonly name: string; readonly columns: readonly TypedColumn[] }

/**
 * Follows each column of a query's result to the tables it comes from: through common table expressions, subqueries,
 * stars and set operations. What only decides whether a row is there (WHERE) is no origin, and neither is a column that is
 * only counted; what decides how many rows are made of one is an origin of every column.
 * @param columns the result's columns by the engine's judgement
 * @returns undefined when the query cannot be followed at all
 */
export function lineageOf(sql: string, tables: readonly Table[], columns: readonly TypedColumn[]): Lineage | undefined {
  const names = columns.map(({ name }) => name)
  const text = withoutCounts(sql)
  const steps = stepsOf(text)
  // One step at a time: followed as a whole, each use of an expression is followed anew, which takes for ever.
  if (steps === undefined) return withRows(lineageOfStep(text, tables, names), text, tables)
  const known = new Map<string, Table>(tables.map((table) => [table.name.toLowerCase(), table]))
  const followed = new Map<string, Lineage>()
  for (const { name, body, columnNames } of steps.expressions) {
    const lineage = withRows(lineageOfStep(body, [...known.values()], columnNames), body, [...known.values()])
    if (lineage === undefined) return undefined
    followed.set(name.toLowerCase(), throughSteps(lineage, followed))
    known.set(name.toLowerCase(), {
      name,
      columns: [...lineage.keys()]
        .filter((column) => column !== ROWS)
        .map((column) => ({ name: column, type: 'VARCHAR' })),
    })
  }
  const last = withRows(lineageOfStep(steps.body, [...known.values()], names), steps.body, [...known.values()])
  return last === undefined ? undefined : throughSteps(last, followed)
}

type Step = {
  readonly name: string
  readonly body: string
  /** When the expression lists them. */ readonly columnNames: readonly string[] | undefined
}

/** The common table expressions of a query and what is left of it; undefined when there are none, or recursive ones. */
function stepsOf(sql: string): { readonly expressions: readonly Step[]; readonly body: string } | undefined {
  const parsed = parse(sql, Dialect.DuckDB)
  if (!parsed.success) return undefined
  const [kind, statement] = Object.entries(parsed.ast[0] ?? {})[0] ?? []
  if (kind === undefined || !isNode(statement)) return undefined
  const list = statement['with']
  if (!isNode(list) || list['recursive'] === true || !Array.isArray(list['ctes'])) return undefined
  const expressions: Step[] = []
  for (const expression of list['ctes'].filter(isNode)) {
    const body = textOf(expression['this'])
    const columns = Array.isArray(expression['columns']) ? expression['columns'].map(nameOf) : []
    if (body === undefined) return undefined
    expressions.push({
      name: nameOf(expression['alias']),
      body,
      columnNames: columns.length === 0 ? undefined : columns,
    })
  }
  const body = textOf({ [kind]: { ...statement, with: null } })
  return body === undefined ? undefined : { expressions, body }
}

function textOf(tree: unknown): string | undefined {
  const generated = generate([tree], Dialect.DuckDB)
  return generated.success ? generated.sql?.[0] : undefined
}

/** How many rows there are of a row shows in every column of them: what that depends on is an origin of all. */
function withRows(lineage: Lineage | undefined, sql: string, tables: readonly Table[]): Lineage | undefined {
  if (lineage === undefined) return undefined
  const holders = (column: string) =>
    tables.filter(({ columns }) => columns.some(({ name }) => name.toLowerCase() === column.toLowerCase()))
  const read = tablesIn(sql)
  const inherited = tables
    .filter(({ name }) => read.has(name.toLowerCase()))
    .map(({ name }): Origin => ({ table: name, column: ROWS }))
  const isKnown = (column: string) => holders(column).length > 0
  const originsOf = (column: string): Origin[] => {
    const held = holders(column)
    return held.length === 0 ? [{ table: undefined, column }] : held.map(({ name }) => ({ table: name, column }))
  }
  const own = rowOriginsOf(sql, isKnown)?.flatMap(originsOf)
  const behind = columnsBehind(sql, isKnown)
  const placed = ({ table, column }: Origin): Origin[] =>
    table === undefined ? behind(column).flatMap(originsOf) : [{ table, column }]
  const origins = own === undefined ? undefined : [...own, ...inherited]
  const columns = [...lineage].map(([name, found]) => {
    return [
      name,
      found === undefined || origins === undefined ? undefined : [...found.flatMap(placed), ...origins],
    ] as const
  })
  return new Map([...columns, [ROWS, origins]])
}

/** Puts what a step's inputs are made of in the place of those that are steps themselves. */
function throughSteps(lineage: Lineage, followed: ReadonlyMap<string, Lineage>): Lineage {
  return new Map(
    [...lineage].map(([name, origins]) => {
      const resolved = origins?.map((origin) => {
        const step = followed.get(origin.table?.toLowerCase() ?? '')
        return step === undefined ? [origin] : step.get(origin.column.toLowerCase())
      })
      return [
        name,
        resolved?.some((found) => found === undefined) === true ? undefined : resolved?.flatMap((found) => found ?? []),
      ]
    }),
  )
}

/** @param names of the result's columns; those that the parser finds when they are not known */
function lineageOfStep(
  sql: string,
  tables: readonly Table[],
  names: readonly string[] | undefined,
): Lineage | undefined {
  const schema = {
    tables: tables.map(({ name, columns }) => ({ name, columns: columns.map((column) => ({ ...column })) })),
  }
  const result = analyzeQuery(sql, { dialect: Dialect.DuckDB, schema })
  if (!result.success || result.analysis === undefined) return undefined
  const { projections } = result.analysis
  const wanted = names ?? projections.map((projection) => projection.name ?? '')
  return new Map(
    wanted.map((name, index) => {
      const byName = projections.filter((projection) => projection.name?.toLowerCase() === name.toLowerCase())
      // A column without a name has one in the engine's words and another in the parser's: the place tells.
      const byPlace =
        projections.length === wanted.length && !projections.some(isLost) ? projections.slice(index, index + 1) : []
      const found = byName.length > 0 ? byName : byPlace
      return [
        name.toLowerCase(),
        found.length === 0 || found.some(isLost)
          ? undefined
          : found.flatMap(({ upstream }) => upstream.flatMap(originOf)),
      ]
    }),
  )
}

type Projection = { readonly isStar: boolean; readonly transformFunction?: { readonly name: string } }
type Upstream = {
  readonly sourceKind: string
  readonly table?: string
  readonly column: string
  readonly confidence: string
}

/** A star that was not taken apart: `COLUMNS('…')` is one, too. */
const isLost = ({ isStar, transformFunction }: Projection) =>
  isStar || transformFunction?.name.toUpperCase() === 'COLUMNS'

function originOf({ sourceKind, table, column, confidence }: Upstream): Origin[] {
  // A recursive expression that reads itself: what it is made of stands beside it.
  if (sourceKind === 'cte' && confidence === 'resolved') return []
  return [{ table: sourceKind === 'table' && confidence === 'resolved' ? table : undefined, column }]
}

type Node = Readonly<Record<string, unknown>>

function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function nameOf(identifier: unknown): string {
  return isNode(identifier) && typeof identifier['name'] === 'string' ? identifier['name'] : ''
}
