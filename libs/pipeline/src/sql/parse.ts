import type { SqlTyper } from '../sql-typer.ts'
import { offsetOfByte, offsetOfCharacter } from './position.ts'
import { scanSql } from './scan.ts'
import { childrenOf, isNode, listOf, locationOf, textOf, type Node } from './tree.ts'

/** A name in SQL, with its offset in the text in UTF-16 code units. */
export type SqlName = { readonly name: string; readonly qualifier: string | undefined; readonly offset: number }

/** A reference to a table in a query. */
export type SqlTable = SqlName & {
  /** The end of its name. */
  readonly end: number
  /** Whether the query gives it an alias. */
  readonly hasAlias: boolean
}

export type SqlSyntaxError = { readonly message: string; readonly offset: number }

/** Properties of a query that follow from its text alone. */
export type ParsedQuery = {
  /** Tables that it reads, once per reference, in order; without common table expressions. */
  readonly tables: readonly SqlTable[]
  /** Columns that it references, in order, each including its qualifier; without parameters of lambdas. */
  readonly columns: readonly SqlName[]
  /** Places of an ascending ORDER BY without NULLS FIRST or NULLS LAST. */
  readonly openNullOrder: boolean
  /** A LIMIT without an ORDER BY. */
  readonly openLimit: boolean
  /** Names of aggregates that are called for N values (`max_by(a, b, 3)`). */
  readonly topAggregates: readonly string[]
  /** The query's node in the engine's parse tree. */
  readonly tree: Node
}

/** A parser of SQL: a typer, or an engine's session. */
export type Parser = Pick<SqlTyper, 'parse'>

/** Parses one query in the engine's dialect. */
export async function parseQuery(parser: Parser, sql: string): Promise<ParsedQuery | SqlSyntaxError> {
  const [tree] = await parser.parse([withoutPlaceholders(sql)])
  return readTree(sql, tree)
}

/** Parses a condition over columns. Offsets are relative to the condition's own text. */
export async function parseCondition(parser: Parser, condition: string): Promise<ParsedQuery | SqlSyntaxError> {
  const parsed = await parseQuery(parser, asQuery(condition))
  const inside = (offset: number) => Math.min(Math.max(0, offset - BEFORE.length), condition.length)
  if ('message' in parsed) return { ...parsed, offset: inside(parsed.offset) }
  const columns = parsed.columns.map((column) => ({ ...column, offset: inside(column.offset) }))
  const tables = parsed.tables.map((table) => ({ ...table, offset: inside(table.offset), end: inside(table.end) }))
  return { ...parsed, columns, tables }
}

/** Parses texts in one engine call that will be requested one by one. */
export async function parseAhead(
  parser: Parser,
  { queries, conditions }: { readonly queries: readonly string[]; readonly conditions: readonly string[] },
): Promise<void> {
  await parser.parse([...queries, ...conditions.map(asQuery)].map(withoutPlaceholders))
}

/**
 * The text with a string literal of equal length for each placeholder, which the engine's parser does not support: offsets in
 * both texts are the same.
 */
export function withoutPlaceholders(sql: string): string {
  if (!sql.includes(':')) return sql
  let text = ''
  for (const { kind, text: piece } of scanSql(sql)) {
    text += kind === 'placeholder' ? `'${'_'.repeat(piece.length - 2)}'` : piece
  }
  return text
}

const BEFORE = 'SELECT ('

/** The closing bracket is put on a line of its own: the condition may end in a comment. The engine's audit does the same. */
const asQuery = (condition: string) => `${BEFORE}${condition.replace(/;\s*$/, '')}\n)`

function readTree(sql: string, tree: unknown): ParsedQuery | SqlSyntaxError {
  if (!isNode(tree)) return { message: 'expected one SELECT', offset: 0 }
  if (tree['error'] === true) return syntaxError(sql, tree)
  const statements = listOf(tree['statements'])
  const [statement] = statements
  const node = isNode(statement) ? statement['node'] : undefined
  if (statements.length !== 1 || !isNode(node)) {
    return { message: `expected one SELECT, got ${statements.length} statements`, offset: 0 }
  }
  return collect(sql, node)
}

/** The parser accepts other statements than SELECT but does not serialize them; a PIVOT is one if it depends on the data. */
function syntaxError(sql: string, error: Node): SqlSyntaxError {
  if (error['error_type'] !== 'not implemented') {
    // DuckDB's syntax errors count characters, not bytes.
    const offsetOf = error['error_subtype'] === 'SYNTAX_ERROR' ? offsetOfCharacter : offsetOfByte
    return { message: textOf(error['error_message']), offset: offsetOf(sql, Number(error['position'] ?? 0)) }
  }
  const first = [...scanSql(sql)].find(({ kind, text }) => kind === 'code' && /\w/.test(text))
  const word = first?.text.toUpperCase() ?? 'nothing'
  const offset = first?.offset ?? 0
  if (word === 'WITH') return { message: 'expected a SELECT', offset }
  if (word.endsWith('PIVOT')) return { message: 'a PIVOT needs its values: `ON column IN (…)`', offset }
  return { message: `expected a SELECT, got ${word}`, offset }
}

type Scope = { readonly tables: ReadonlySet<string>; readonly parameters: ReadonlySet<string> }
type Found = {
  readonly sql: string
  readonly tables: SqlTable[]
  readonly columns: SqlName[]
  readonly topAggregates: string[]
  openNullOrder: boolean
  openLimit: boolean
}

function collect(sql: string, tree: Node): ParsedQuery {
  const found: Found = { sql, tables: [], columns: [], topAggregates: [], openNullOrder: false, openLimit: false }
  walk(tree, { tables: new Set(), parameters: new Set() }, found)
  const inOrder = (one: SqlName, other: SqlName) => one.offset - other.offset
  found.tables.sort(inOrder)
  found.columns.sort(inOrder)
  const { sql: _, ...parsed } = found
  return { ...parsed, tree }
}

function walk(node: Node, scope: Scope, found: Found): void {
  noteClauses(node, found)
  if (node['class'] === 'COLUMN_REF') noteColumn(node, scope, found)
  if (node['type'] === 'BASE_TABLE') noteTable(node, scope, found)
  if (node['class'] === 'LAMBDA') return walkLambda(node, scope, found)
  const inner = withCommonTables(node, scope, found)
  for (const [key, child] of childrenOf(node)) if (key !== 'cte_map') walk(child, inner, found)
}

/** Common table expressions are tables for later ones and for the query itself, and for themselves if they are recursive. */
function withCommonTables(node: Node, scope: Scope, found: Found): Scope {
  let { tables } = scope
  if (node['type'] === 'RECURSIVE_CTE_NODE') tables = new Set([...tables, textOf(node['cte_name']).toLowerCase()])
  const map = isNode(node['cte_map']) ? listOf(node['cte_map']['map']) : []
  for (const { key, value } of map.filter(isNode)) {
    if (isNode(value)) walk(value, { ...scope, tables }, found)
    tables = new Set([...tables, textOf(key).toLowerCase()])
  }
  return { ...scope, tables }
}

function walkLambda(node: Node, scope: Scope, found: Found): void {
  const { lhs: left, expr: body } = node
  const parameters = parametersOf(node)
  if (parameters === undefined && isNode(left)) walk(left, scope, found)
  const names = (parameters ?? []).map((name) => name.toLowerCase())
  if (isNode(body)) walk(body, { ...scope, parameters: new Set([...scope.parameters, ...names]) }, found)
}

/**
 * The parameters of a lambda. The parser takes `column -> '$.path'` for one: only the engine knows the column's type.
 * @returns undefined if there are no parameters before the arrow: `CAST(column AS JSON) -> '$.path'`
 */
export function parametersOf(lambda: Node): string[] | undefined {
  const left = lambda['lhs']
  if (!isNode(left)) return undefined
  const places = left['function_name'] === 'row' ? listOf(left['children']) : [left]
  const names = places.flatMap((place) => {
    const path = isNode(place) && place['class'] === 'COLUMN_REF' ? listOf(place['column_names']) : []
    return path.length === 1 ? path.map(textOf) : []
  })
  return names.length === places.length ? names : undefined
}

function noteTable(node: Node, scope: Scope, found: Found): void {
  const name = textOf(node['table_name'])
  // `catalog.schema.table` is never a table that a model may read.
  const parts = [textOf(node['catalog_name']), textOf(node['schema_name'])].filter((part) => part !== '')
  const qualifier = parts.length === 0 ? undefined : parts.join('.')
  if (qualifier === undefined && scope.tables.has(name.toLowerCase())) return
  const offset = offsetOfByte(found.sql, locationOf(node) ?? 0)
  const end = endOfName(found.sql, offset, parts.length + 1)
  found.tables.push({ name, qualifier, offset, end, hasAlias: textOf(node['alias']) !== '' })
}

/** The end of a qualified name that begins at an offset. */
function endOfName(sql: string, offset: number, partCount: number): number {
  let parts = 0
  for (const piece of scanSql(sql.slice(offset))) {
    const isPart = piece.kind === 'quoted' || (piece.kind === 'code' && /[\p{L}\p{N}_]/u.test(piece.text))
    if (isPart) parts += 1
    if (parts === partCount) return offset + piece.offset + piece.text.length
  }
  return sql.length
}

function noteColumn(node: Node, { parameters }: Scope, found: Found): void {
  const names = listOf(node['column_names']).map(textOf)
  const [first = ''] = names
  if (parameters.has(first.toLowerCase())) return
  found.columns.push({
    name: names.at(-1) ?? '',
    qualifier: names.length > 1 ? first : undefined,
    offset: offsetOfByte(found.sql, locationOf(node) ?? 0),
  })
}

function noteClauses(node: Node, found: Found): void {
  if ('null_order' in node && node['null_order'] === 'ORDER_DEFAULT' && node['type'] !== 'DESCENDING') {
    found.openNullOrder = true
  }
  const modifiers = listOf(node['modifiers'])
    .filter(isNode)
    .map((modifier) => textOf(modifier['type']))
  if (modifiers.some((type) => type.startsWith('LIMIT')) && !modifiers.includes('ORDER_MODIFIER'))
    found.openLimit = true
  const name = textOf(node['function_name'])
  if (/^(max_by|min_by|arg_max|arg_min)$/i.test(name) && listOf(node['children']).length > 2) {
    found.topAggregates.push(name)
  }
}
