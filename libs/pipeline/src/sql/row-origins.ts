import { Dialect, parse } from '@polyglot-sql/sdk'

type Node = Readonly<Record<string, unknown>>

/** Calls that make a row into several, wherever they stand. */
const GENERATORS: ReadonlySet<string> = new Set([
  'unnest',
  'explode',
  'posexplode',
  'generate_subscripts',
  'regexp_split_to_table',
])

const COMPARISONS: ReadonlySet<string> = new Set([
  'lt',
  'lte',
  'gt',
  'gte',
  'eq',
  'neq',
  'between',
  'like',
  'ilike',
  'similar_to',
  'regexp_like',
  'in',
  'glob',
  'null_safe_eq',
  'null_safe_neq',
  'is_distinct_from',
  'is_not_distinct_from',
  'starts_with',
  'contains',
])
const EQUALITIES: ReadonlySet<string> = new Set([
  'eq',
  'neq',
  'null_safe_eq',
  'is_not_distinct_from',
  'is_distinct_from',
])

/** Clauses that limit how many rows there are by a number. */
const LIMITS: ReadonlySet<string> = new Set(['limit', 'offset', 'fetch'])

/**
 * The columns that decide how many rows a query makes of one row of its inputs: what is unnested or ranged over, what is
 * compared with columns of another table (but for equality of columns as they are), what a LIMIT is computed from, and
 * what a recursion goes on by. Counting such rows gives their values back, so that all columns of the result are made of them.
 * A condition on one row alone (`WHERE born < DATE '2000-01-01'`) only says whether that row is there.
 * @param known whether a name is a column of a table that the query reads
 * @returns undefined where it cannot be told
 */
export function rowOriginsOf(sql: string, known: (column: string) => boolean): readonly string[] | undefined {
  const parsed = parse(sql, Dialect.DuckDB)
  if (!parsed.success) return undefined
  const aliases = aliasesIn(parsed.ast)
  const isJoin = readsSeveral(parsed.ast)
  const found = new Set<string>()
  const take = (part: unknown) => {
    for (const name of columnsIn(part)) for (const column of resolve(name, aliases, known)) found.add(column)
  }
  for (const [kind, node] of nodesIn(parsed.ast)) {
    if (isNode(node) && GENERATORS.has(callOf(kind, node))) take(node)
    if (kind === 'from' || kind === 'joins') for (const call of tableCallsIn(node)) take(call)
    if (LIMITS.has(kind)) take(node)
    if (kind === 'where_clause' && isRecursive(parsed.ast)) take(node)
    if (isJoin && COMPARISONS.has(kind) && isNode(node) && comparesRows(kind, node)) take(node)
  }
  return [...found]
}

/** The columns that a name of a query stands for: those of its tables, through any number of aliases; else the name itself. */
export function columnsBehind(sql: string, known: (column: string) => boolean): (name: string) => readonly string[] {
  const parsed = parse(sql, Dialect.DuckDB)
  const aliases = parsed.success ? aliasesIn(parsed.ast) : new Map<string, readonly unknown[]>()
  return (name) => resolve(name, aliases, known)
}

/** Names of the tables that a query reads, lower case. */
export function tablesIn(sql: string): ReadonlySet<string> {
  const parsed = parse(sql, Dialect.DuckDB)
  const names = new Set<string>()
  if (!parsed.success) return names
  for (const [kind, node] of nodesIn(parsed.ast)) {
    if (kind === 'table' && isNode(node) && isNode(node['name'])) names.add(nameOf(node['name']).toLowerCase())
  }
  return names
}

/**
 * Whether a name stands for a column as it is in every place of the query, whatever it is called there, so that counting
 * it says how many rows have a value and nothing of the value.
 */
export function namesColumn(sql: string): (name: string) => boolean {
  const parsed = parse(sql, Dialect.DuckDB)
  if (!parsed.success) return () => false
  const aliases = aliasesIn(parsed.ast)
  const isPlain = (name: string, above: readonly string[]): boolean => {
    const lower = name.toLowerCase()
    if (above.includes(lower)) return true
    return (aliases.get(lower) ?? []).every((part) => {
      const column = bareColumn(part)
      return column !== undefined && isPlain(column, [...above, lower])
    })
  }
  return (name) => isPlain(name, [])
}

/** By lower-case alias: the expressions that it is given to. */
type Aliases = ReadonlyMap<string, readonly unknown[]>

function aliasesIn(tree: unknown): Aliases {
  const aliases = new Map<string, unknown[]>()
  const add = (name: string, part: unknown) =>
    aliases.set(name.toLowerCase(), [...(aliases.get(name.toLowerCase()) ?? []), part])
  for (const [, node] of nodesIn(tree)) {
    if (!isNode(node) || !('alias' in node) || !('this' in node)) continue
    const list = [node['column_aliases'], node['columns']].find((names) => Array.isArray(names) && names.length > 0)
    // Names that a list gives to the columns of a table: any of them may be any of its columns.
    if (Array.isArray(list)) for (const each of list) add(nameOf(each), node['this'])
    else add(nameOf(node['alias']), node['this'])
  }
  return aliases
}

/** What an alias stands for, down to columns of tables; a name that is neither is given back. */
function resolve(
  name: string,
  aliases: Aliases,
  known: (column: string) => boolean,
  above: readonly string[] = [],
): string[] {
  const lower = name.toLowerCase()
  if (above.includes(lower)) return []
  const parts = aliases.get(lower)
  const own = known(lower) || parts === undefined ? [lower] : []
  const inside = (parts ?? []).flatMap((part) => [...columnsIn(part)])
  return [...own, ...inside.flatMap((each) => resolve(each, aliases, known, [...above, lower]))]
}

/** Whether both sides have columns, and it is no equality of two columns as they are. */
function comparesRows(kind: string, node: Node): boolean {
  const sides = Object.values(node).filter((side) => [...columnsIn(side)].length > 0)
  if (sides.length < 2) return false
  return !(EQUALITIES.has(kind) && sides.every((side) => bareColumn(side) !== undefined))
}

/** Functions that stand in the place of a table: `range(1, n)`. */
function* tableCallsIn(from: unknown): Generator {
  if (!isNode(from)) return
  const items = Array.isArray(from['expressions']) ? (from['expressions'] as unknown[]) : [from['this']]
  for (const item of items) {
    const inside = isNode(item) && isNode(item['alias']) ? item['alias']['this'] : item
    if (isNode(inside) && isNode(inside['function'])) yield inside['function']
  }
}

function readsSeveral(tree: unknown): boolean {
  let count = 0
  for (const [kind, node] of nodesIn(tree)) {
    if (kind === 'table' && isNode(node) && isNode(node['name'])) count += 1
    if (isNode(node) && GENERATORS.has(callOf(kind, node))) count += 1
    if (kind === 'from' || kind === 'joins') count += [...tableCallsIn(node)].length
  }
  return count > 1
}

function isRecursive(tree: unknown): boolean {
  for (const [kind, node] of nodesIn(tree))
    if (kind === 'with' && isNode(node) && node['recursive'] === true) return true
  return false
}

function callOf(kind: string, node: Node): string {
  const name = node['name']
  return (typeof name === 'string' && 'args' in node ? name : kind).toLowerCase()
}

function bareColumn(part: unknown): string | undefined {
  if (!isNode(part)) return undefined
  const [[kind, node] = ['', undefined], ...rest] = Object.entries(part)
  if (rest.length > 0) return undefined
  if (kind === 'paren' && isNode(node)) return bareColumn(node['this'])
  return kind === 'column' && isNode(node) ? nameOf(node['name']) : undefined
}

function* columnsIn(part: unknown): Generator<string> {
  for (const [kind, node] of nodesIn(part)) {
    if (kind === 'column' && isNode(node) && isNode(node['name'])) yield nameOf(node['name'])
  }
}

/** Every part of a tree with the key that it stands under. */
function* nodesIn(part: unknown, kind = ''): Generator<readonly [kind: string, node: unknown]> {
  if (Array.isArray(part)) for (const item of part) yield* nodesIn(item, kind)
  if (!isNode(part)) return
  yield [kind, part]
  for (const [key, child] of Object.entries(part)) {
    if (key !== 'span' && child !== null && typeof child === 'object') yield* nodesIn(child, key)
  }
}

function nameOf(identifier: unknown): string {
  if (typeof identifier === 'string') return identifier
  return isNode(identifier) ? nameOf(identifier['name']) : ''
}

function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
