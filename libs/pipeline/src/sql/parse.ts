import { asString } from '@cinelake/config-text'
import type { SqlTyper } from '../sql-typer.ts'

/** A place in a text, counted from 1; columns in UTF-16 code units, as editors count them. */
type TextPosition = { readonly line: number; readonly column: number }

/** The place of an offset in UTF-16 code units. */
export function positionAt(text: string, offset: number): TextPosition {
  const before = text.slice(0, offset)
  const lineStart = before.lastIndexOf('\n') + 1
  return { line: before.split('\n').length, column: offset - lineStart + 1 }
}

/** The offset in UTF-16 code units of a place; the end of the text if the place is beyond it. */
export function offsetAt(text: string, { line, column }: TextPosition): number {
  let lineStart = 0
  for (let current = 1; current < line; current++) {
    const next = text.indexOf('\n', lineStart)
    if (next < 0) return text.length
    lineStart = next + 1
  }
  return Math.min(lineStart + column - 1, text.length)
}

/** The offset in UTF-16 code units of a position that the engine gives in bytes of the text. */
function offsetOfByte(text: string, byte: number): number {
  let bytes = 0
  let offset = 0
  while (bytes < byte && offset < text.length) {
    const code = text.codePointAt(offset) ?? 0
    bytes += code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4
    offset += code < 0x10000 ? 1 : 2
  }
  return offset
}

/** The offset in UTF-16 code units of a position given in Unicode characters of the text. */
function offsetOfCharacter(text: string, character: number): number {
  return Array.from(text).slice(0, character).join('').length
}

/** A piece of SQL text. Joined in order, the pieces are the original text. */
type SqlPiece = {
  /** `code`: neither of the others. `placeholder`: `:name`. */
  readonly kind: 'code' | 'string' | 'quoted' | 'comment' | 'placeholder'
  readonly text: string
  /** Where it starts, in UTF-16 code units from the beginning. */
  readonly offset: number
}

/**
 * Tokens whose content is not code, in DuckDB's syntax. Order matters: `::` before a placeholder, so that
 * the second colon of a cast does not begin one. Unterminated tokens extend to the end: the parser reports them.
 */
const FORMS: readonly (readonly [SqlPiece['kind'], RegExp])[] = [
  ['comment', /--[^\n]*/y],
  ['comment', /\/\*[\s\S]*?(?:\*\/|$)/y],
  ['string', /[eE]'(?:[^'\\]|''|\\[\s\S])*(?:'|$)/y],
  ['string', /'(?:[^']|'')*(?:'|$)/y],
  ['quoted', /"(?:[^"]|"")*(?:"|$)/y],
  ['string', /\$([A-Za-z_]*)\$[\s\S]*?(?:\$\1\$|$)/y],
  ['code', /::/y],
  ['placeholder', /:[A-Za-z_][A-Za-z0-9_]*/y],
  ['code', /[\p{L}\p{N}_]+|\s+|[\s\S]/uy],
]

/** Splits SQL into code, strings, quoted names, comments and placeholders. */
export function* scanSql(sql: string): Generator<SqlPiece> {
  let before: SqlPiece | undefined
  for (let offset = 0; offset < sql.length;) {
    const found = pieceAt(sql, offset)
    const piece: SqlPiece = found.kind === 'placeholder' && endsValue(before) ? { ...found, kind: 'code' } : found
    yield piece
    before = piece
    offset += piece.text.length
  }
}

/** A slice (`list[1:n]`) and a struct (`{'key':value}`) have a colon directly after a value; a placeholder never follows a value. */
function endsValue(piece: SqlPiece | undefined): boolean {
  if (piece === undefined || piece.kind === 'comment') return false
  return piece.kind !== 'code' || /[\p{L}\p{N}_\])}]$/u.test(piece.text)
}

function pieceAt(sql: string, offset: number): SqlPiece {
  for (const [kind, form] of FORMS) {
    form.lastIndex = offset
    const text = form.exec(sql)?.[0]
    if (text !== undefined && text !== '') return { kind, text, offset }
  }
  return { kind: 'code', text: sql.slice(offset, offset + 1), offset }
}

/** A node of the engine's parse tree: DuckDB's `json_serialize_sql`. */
export type Node = Readonly<Record<string, unknown>>

export function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

export const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : [])
/** The position of a node, in bytes of the text; undefined if the parser does not give it. */
export function locationOf(node: Node): number | undefined {
  const location = node['query_location']
  // The greatest number means no position.
  return typeof location === 'number' && location < Number.MAX_SAFE_INTEGER ? location : undefined
}

/** The child nodes of a node, including those in lists, each with its key. */
export function* childrenOf(node: Node): Generator<readonly [key: string, child: Node]> {
  for (const [key, value] of Object.entries(node)) {
    if (typeof value !== 'object' || value === null) continue
    for (const child of nodesIn(value)) yield [key, child]
  }
}

function* nodesIn(value: unknown): Generator<Node> {
  if (Array.isArray(value)) for (const item of value) yield* nodesIn(item)
  else if (isNode(value)) yield value
}

/** A name in SQL, with its offset in the text in UTF-16 code units. */
type SqlName = { readonly name: string; readonly qualifier: string | undefined; readonly offset: number }

/** A reference to a table in a query. */
export type SqlTable = SqlName & {
  /** The end of its name. */
  readonly end: number
  /** Whether the query gives it an alias. */
  readonly hasAlias: boolean
}

type SqlSyntaxError = { readonly message: string; readonly offset: number }

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
    return { message: asString(error['error_message']), offset: offsetOf(sql, Number(error['position'] ?? 0)) }
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
  if (node['type'] === 'RECURSIVE_CTE_NODE') tables = new Set([...tables, asString(node['cte_name']).toLowerCase()])
  const map = isNode(node['cte_map']) ? listOf(node['cte_map']['map']) : []
  for (const { key, value } of map.filter(isNode)) {
    if (isNode(value)) walk(value, { ...scope, tables }, found)
    tables = new Set([...tables, asString(key).toLowerCase()])
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
    return path.length === 1 ? path.map(asString) : []
  })
  return names.length === places.length ? names : undefined
}

function noteTable(node: Node, scope: Scope, found: Found): void {
  const name = asString(node['table_name'])
  // `catalog.schema.table` is never a table that a model may read.
  const parts = [asString(node['catalog_name']), asString(node['schema_name'])].filter((part) => part !== '')
  const qualifier = parts.length === 0 ? undefined : parts.join('.')
  if (qualifier === undefined && scope.tables.has(name.toLowerCase())) return
  const offset = offsetOfByte(found.sql, locationOf(node) ?? 0)
  const end = endOfName(found.sql, offset, parts.length + 1)
  found.tables.push({ name, qualifier, offset, end, hasAlias: asString(node['alias']) !== '' })
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
  const names = listOf(node['column_names']).map(asString)
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
    .map((modifier) => asString(modifier['type']))
  if (modifiers.some((type) => type.startsWith('LIMIT')) && !modifiers.includes('ORDER_MODIFIER'))
    found.openLimit = true
  const name = asString(node['function_name'])
  if (/^(max_by|min_by|arg_max|arg_min)$/i.test(name) && listOf(node['children']).length > 2) {
    found.topAggregates.push(name)
  }
}
