import { identifier } from '@cinelake/sql'
import type { ParsedQuery } from './parse.ts'

/** A query in which tables of other pipelines have one name each. */
export type Rewritten = {
  readonly sql: string
  /** The offset in the query as it was written. */
  before(offset: number): number
}

/**
 * Writes each table of another pipeline, `ott.dim_title`, as the one name by which a build offers it, `"ott.dim_title"`. To
 * the rest of the query it keeps the name that it had: `dim_title`, unless the query gives it another.
 * @param nameOf the name as `pipeline.table` of what is read by a qualified name; undefined for what is left as it is
 * @returns undefined where there is nothing to write otherwise
 */
export function rewriteUsedTables(
  sql: string,
  { tables }: ParsedQuery,
  nameOf: (qualifier: string, name: string) => string | undefined,
): Rewritten | undefined {
  const edits = tables
    .flatMap(({ qualifier, name, offset, end, hasAlias }) => {
      const used = qualifier === undefined ? undefined : nameOf(qualifier, name)
      if (used === undefined) return []
      return [{ offset, end, text: `${identifier(used)}${hasAlias ? '' : ` AS ${identifier(name)}`}` }]
    })
    .sort((one, other) => one.offset - other.offset)
  if (edits.length === 0) return undefined
  let written = ''
  let from = 0
  const shifts: { readonly at: number; readonly end: number; readonly offset: number; readonly next: number }[] = []
  for (const { offset, end, text } of edits) {
    written += sql.slice(from, offset)
    shifts.push({ at: written.length, end: written.length + text.length, offset, next: end })
    written += text
    from = end
  }
  return {
    sql: written + sql.slice(from),
    before(offset) {
      const last = shifts.findLast(({ at }) => at <= offset)
      if (last === undefined) return offset
      return offset < last.end ? last.offset : last.next + offset - last.end
    },
  }
}
