import { childrenOf, isNode, listOf, locationOf, type Node, type Parser } from './parse.ts'

/** The notations in contracts for "the rows of this task" in a rule's query; `{object}` is the standard's own. */
const TABLE = /\$?\{(?:table|object)\}/gi
const COLUMN = /\$?\{(?:column|property)\}/gi

/** A rule's query with `{table}` for the rows and the column's quoted name in place of `{column}`. */
export function normalQuery(query: string, quotedColumn: string | undefined): string {
  const text = quotedColumn === undefined ? query : query.replaceAll(COLUMN, () => quotedColumn)
  return text.replaceAll(TABLE, '{table}')
}

/** The name of a rule's rows for the parser. */
export const ROWS = 'rows_of_task'

/** A rule's query as SQL that reads the rows from a table. */
export function queryOver(query: string, quotedTable: string = ROWS): string {
  return query.replaceAll('{table}', () => quotedTable)
}

/** Maps an offset in a rule's query with the table put in to the offset in the rule's own query. */
export function offsetInQuery(query: string, quotedTable: string, offset: number): number {
  const end = queryOver(query, quotedTable).length
  if (offset >= end) return query.length
  let shift = 0
  for (const { index } of query.matchAll(/\{table\}/g)) {
    const begin = index + shift
    if (offset < begin) break
    if (offset < begin + quotedTable.length) return index
    shift += quotedTable.length - '{table}'.length
  }
  return offset - shift
}

/** Counts the rows whose value does not convert, and all rows; `given` and `converted` are inserted. */
const COUNTS =
  'SELECT count(*) FILTER (WHERE given IS NOT NULL AND converted IS NULL) AS failing, count(*) AS checked FROM rows'

/**
 * The tree, as JSON, of a query for the rows on which a conversion fails: its columns are `failing` and `checked`, the rows that the
 * conversion is computed for. Conversions of grouped or windowed expressions cannot be counted: their query does not bind.
 * @param offset in UTF-16 code units, of the cast that fails
 * @returns undefined if there is no cast at the offset; else an argument for `json_deserialize_sql`
 */
export async function failingRowsQuery(parser: Parser, sql: string, offset: number): Promise<string | undefined> {
  const [tree, counts] = await parser.parse([sql, COUNTS])
  const [statement] = isNode(tree) ? listOf(tree['statements']) : []
  const [template] = isNode(counts) ? listOf(counts['statements']) : []
  if (!isNode(statement) || !isNode(template) || !isNode(statement['node']) || !isNode(template['node']))
    return undefined
  const found = findCast(statement['node'], Buffer.byteLength(sql.slice(0, offset)), { select: undefined, tables: [] })
  if (found === undefined) return undefined
  const { cast, select, tables } = found
  const put = { given: cast['child'], converted: { ...cast, alias: '', try_cast: true } }
  const node = {
    ...template['node'],
    select_list: putIn(template['node']['select_list'], put),
    from_table: select['from_table'],
    where_clause: select['where_clause'],
    cte_map: { map: tables },
  }
  // The value for "no location" exceeds JavaScript's numbers; locations in this query are never reported.
  const withoutPlaces = (key: string, value: unknown) => (key === 'query_location' ? 0 : value)
  return JSON.stringify({ error: false, statements: [{ ...template, node }] }, withoutPlaces)
}

type Within = { readonly select: Node | undefined; readonly tables: readonly unknown[] }
type Found = { readonly cast: Node; readonly select: Node; readonly tables: readonly unknown[] }

/** @param within the SELECT that it is computed in, and the common table expressions that are visible there */
function findCast(node: Node, location: number, within: Within): Found | undefined {
  const isSelect = node['type'] === 'SELECT_NODE'
  const own = isNode(node['cte_map']) ? listOf(node['cte_map']['map']) : []
  const inside = { select: isSelect ? node : within.select, tables: [...within.tables, ...own] }
  const { select, tables } = inside
  if (node['class'] === 'CAST' && locationOf(node) === location && select !== undefined)
    return { cast: node, select, tables }
  for (const [, child] of childrenOf(node)) {
    const found = findCast(child, location, inside)
    if (found !== undefined) return found
  }
  return undefined
}

/** A tree with expressions substituted for columns, by name. */
function putIn(value: unknown, parts: Readonly<Record<string, unknown>>): unknown {
  if (Array.isArray(value)) return value.map((item) => putIn(item, parts))
  if (!isNode(value)) return value
  const [name] = value['class'] === 'COLUMN_REF' ? listOf(value['column_names']) : []
  const part = typeof name === 'string' ? parts[name] : undefined
  return part ?? Object.fromEntries(Object.entries(value).map(([key, child]) => [key, putIn(child, parts)]))
}
