import { identifier } from '@cinelake/sql'
import type { ParsedQuery } from './parse.ts'

/** A query in which tables of other pipelines have unqualified names. */
export type Rewritten = {
  readonly sql: string
  /** Maps an offset to the offset in the original query. */
  before(offset: number): number
}

/**
 * Replaces each table of another pipeline, `ott.dim_title`, by the one name under which a build provides it, `"ott.dim_title"`. The
 * rest of the query still refers to it by its former name: `dim_title`, unless the query gives it an alias.
 * @param nameOf the name as `pipeline.table` for a qualified name; undefined if it is left unchanged
 * @returns undefined if nothing has to be replaced
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
