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
