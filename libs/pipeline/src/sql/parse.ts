import { Dialect, parse } from '@polyglot-sql/sdk'
import { codeUnits } from './position.ts'

/** A name in SQL, with its offset in the text in UTF-16 code units. */
export type SqlName = { readonly name: string; readonly qualifier: string | undefined; readonly offset: number }

/** A table where a query reads it. */
export type SqlTable = SqlName & {
  /** Where its name ends. */
  readonly end: number
  /** Whether the query gives it another name. */
  readonly hasAlias: boolean
}

export type SqlSyntaxError = { readonly message: string; readonly offset: number }

/** What a query's text says by itself. */
export type ParsedQuery = {
  /** Tables that it reads, each time that it names one; common table expressions are none. */
  readonly tables: readonly SqlTable[]
  /** Columns that it names; parameters of lambdas are none. */
  readonly columns: readonly SqlName[]
  /** Where an ascending ORDER BY leaves open where NULLs go. */
  readonly openNullOrder: boolean
  /** A LIMIT without an ORDER BY beside it. */
  readonly openLimit: boolean
  /** Names of aggregates that are asked for N values (`max_by(a, b, 3)`). */
  readonly topAggregates: readonly string[]
}

/** SELECT, and what may stand in its place. */
const QUERIES: ReadonlySet<string> = new Set(['select', 'union', 'intersect', 'except', 'subquery', 'values'])

/** Parses one query in DuckDB's dialect. */
export function parseQuery(sql: string): ParsedQuery | SqlSyntaxError {
  const parsed = parse(sql, Dialect.DuckDB)
  if (!parsed.success) {
    return { message: plainMessage(parsed.error), offset: codeUnits(sql, parsed.errorStart ?? 0) }
  }
  const statements: readonly unknown[] = parsed.ast
  const [statement] = statements
  if (statements.length !== 1) return { message: `expected one SELECT, got ${statements.length} statements`, offset: 0 }
  const kind = isNode(statement) ? Object.keys(statement)[0] : undefined
  if (kind === undefined || !QUERIES.has(kind)) {
    return { message: `expected a SELECT, got ${(kind ?? 'nothing').replaceAll('_', ' ').toUpperCase()}`, offset: 0 }
  }
  return collect(sql, statement)
}

/** Parses a condition over columns. Offsets are counted in the condition's own text. */
export function parseCondition(condition: string): ParsedQuery | SqlSyntaxError {
  // The end goes on a line of its own: a comment may stand last in the condition.
  const parsed = parseQuery(`${BEFORE}${condition}\n)`)
  if ('message' in parsed) return { ...parsed, offset: Math.max(0, parsed.offset - BEFORE.length) }
  const columns = parsed.columns.map((column) => ({ ...column, offset: column.offset - BEFORE.length }))
  const tables = parsed.tables.map((table) => ({
    ...table,
    offset: table.offset - BEFORE.length,
    end: table.end - BEFORE.length,
  }))
  return { ...parsed, columns, tables }
}

const BEFORE = 'SELECT ('

type Node = Readonly<Record<string, unknown>>
type Scope = { readonly tables: ReadonlySet<string>; readonly parameters: ReadonlySet<string> }
type Found = {
  readonly sql: string
  readonly tables: SqlTable[]
  readonly columns: SqlName[]
  readonly topAggregates: string[]
  openNullOrder: boolean
  openLimit: boolean
}

function collect(sql: string, statement: unknown): ParsedQuery {
  const found: Found = {
    sql,
    tables: [],
    columns: [],
    topAggregates: [],
    openNullOrder: false,
    openLimit: false,
  }
  walk(statement, { tables: new Set(), parameters: new Set() }, found)
  return found
}

function walk(value: unknown, scope: Scope, found: Found): void {
  if (Array.isArray(value)) {
    for (const item of value) walk(item, scope, found)
    return
  }
  if (!isNode(value)) return
  noteClauses(value, found)
  const inner = scopeInside(value, scope, found)
  for (const [key, child] of Object.entries(value)) {
    if (key === 'with') continue
    if (key === 'table' && isNode(child) && isNode(child['name'])) noteTable(child, inner, found)
    if (key === 'column' && isNode(child) && isNode(child['name'])) noteColumn(child, inner, found)
    walk(child, inner, found)
  }
}

/** What a node defines for those inside it: common table expressions (walked here, in order), lambda parameters. */
function scopeInside(node: Node, scope: Scope, found: Found): Scope {
  let { tables, parameters } = scope
  const list = node['with']
  if (isNode(list) && Array.isArray(list['ctes'])) {
    for (const cte of list['ctes'] as readonly unknown[]) {
      if (!isNode(cte)) continue
      const withItself = new Set([...tables, nameOf(cte['alias']).toLowerCase()])
      walk(cte['this'], { tables: list['recursive'] === true ? withItself : tables, parameters }, found)
      tables = withItself
    }
  }
  if (Array.isArray(node['parameters']) && 'body' in node) {
    parameters = new Set([...parameters, ...node['parameters'].map((parameter) => nameOf(parameter).toLowerCase())])
  }
  if ('iterator' in node && isNode(node['expression'])) {
    // `[y FOR y IN list]`: the variable is written as a column.
    const variable = node['expression']['column']
    if (isNode(variable)) parameters = new Set([...parameters, nameOf(variable['name']).toLowerCase()])
  }
  return { tables, parameters }
}

function noteTable(table: Node, scope: Scope, found: Found): void {
  const name = nameOf(table['name'])
  // `catalog.schema.table` is a table of nothing that a model may read.
  const parts = [table['catalog'], table['schema']].filter(isNode)
  const qualifier = parts.length === 0 ? undefined : parts.map(nameOf).join('.')
  if (qualifier === undefined && scope.tables.has(name.toLowerCase())) return
  found.tables.push({
    name,
    qualifier,
    offset: spanOf(parts[0] ?? table['name'], found.sql).start,
    end: spanOf(table['name'], found.sql).end,
    hasAlias: isNode(table['alias']),
  })
}

function noteColumn(column: Node, scope: Scope, found: Found): void {
  const name = nameOf(column['name'])
  const qualifier = isNode(column['table']) ? nameOf(column['table']) : undefined
  if (scope.parameters.has((qualifier ?? name).toLowerCase())) return
  found.columns.push({ name, qualifier, offset: spanOf(column['name'], found.sql).start })
}

function noteClauses(node: Node, found: Found): void {
  if ('nulls_first' in node && 'desc' in node && node['nulls_first'] === null && node['desc'] !== true)
    found.openNullOrder = true
  if ('limit' in node && isNode(node['limit']) && !isNode(node['order_by'])) found.openLimit = true
  const aggregate = node['aggregate_function']
  if (!isNode(aggregate) || !Array.isArray(aggregate['args']) || aggregate['args'].length < 3) return
  if (/^(max_by|min_by|arg_max|arg_min)$/i.test(String(aggregate['name'])))
    found.topAggregates.push(String(aggregate['name']))
}

function nameOf(identifier: unknown): string {
  if (!isNode(identifier)) return ''
  return isNode(identifier['name']) ? nameOf(identifier['name']) : textOf(identifier['name'])
}

const textOf = (value: unknown) => (typeof value === 'string' ? value : '')

function spanOf(identifier: unknown, sql: string): { readonly start: number; readonly end: number } {
  const span = isNode(identifier) ? identifier['span'] : undefined
  const at = (offset: unknown) => (typeof offset === 'number' ? codeUnits(sql, offset) : 0)
  return isNode(span) ? { start: at(span['start']), end: at(span['end']) } : { start: 0, end: 0 }
}

function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** What the parser says, without its place (which is given apart) and with signs instead of its words for them. */
function plainMessage(message: string): string {
  return message
    .replace(/^.*? error at line \d+, column \d+: /i, '')
    .replace(/ near \[[\s\S]*\]$/, '')
    .replaceAll(/\b(?:LParen|RParen|LBracket|RBracket|Comma|Semicolon|Eof)\b/g, (word) => SIGNS[word] ?? word)
    .replaceAll(/\s+/g, ' ')
}

const SIGNS: Readonly<Record<string, string>> = {
  LParen: '`(`',
  RParen: '`)`',
  LBracket: '`[`',
  RBracket: '`]`',
  Comma: '`,`',
  Semicolon: '`;`',
  Eof: 'the end',
}
