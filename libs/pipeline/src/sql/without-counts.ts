import { namesColumn } from './row-origins.ts'
import { scanSql, type SqlPiece } from './scan.ts'

const COUNTS: ReadonlySet<string> = new Set(['count', 'approx_count_distinct', 'count_if', 'countif'])

/**
 * The query with `count(…)` of columns as `count(*)`: how many rows have a value says nothing of the value. A count of
 * something that is computed stays: how often a condition holds says something of what it looks at.
 */
export function withoutCounts(sql: string): string {
  const isColumn = namesColumn(sql)
  const pieces = [...scanSql(sql)]
  let text = ''
  for (let index = 0; index < pieces.length; index++) {
    const piece = pieces[index]
    const isCount = piece?.kind === 'code' && COUNTS.has(piece.text.toLowerCase())
    const open = isCount ? nextCode(pieces, index) : index
    const close = pieces[open]?.text === '(' ? closing(pieces, open) : index
    if (isCount && close > open && countsColumn(pieces.slice(open + 1, close), isColumn)) {
      text += 'count(*)'
      index = close
    } else text += piece?.text ?? ''
  }
  return text
}

/** `*`, `column`, `table.column`, each with or without DISTINCT. */
function countsColumn(argument: readonly SqlPiece[], isColumn: (name: string) => boolean): boolean {
  const words = argument.filter(({ kind, text }) => kind !== 'comment' && text.trim() !== '')
  const isDistinct = words[0]?.kind === 'code' && words[0].text.toLowerCase() === 'distinct'
  const name = isDistinct ? words.slice(1) : words
  if (name.length === 0 || (name.length === 1 && name[0]?.text === '*')) return true
  const isName = (piece: SqlPiece) =>
    piece.kind === 'quoted' || (piece.kind === 'code' && /^[\p{L}_][\p{L}\p{N}_]*$/u.test(piece.text))
  const isPath = name.every((piece, index) => (index % 2 === 0 ? isName(piece) : piece.text === '.'))
  const last = name.at(-1)
  if (!isPath || name.length > 3 || last === undefined || !isName(last)) return false
  return isColumn(last.kind === 'quoted' ? last.text.slice(1, -1).replaceAll('""', '"') : last.text)
}

function nextCode(pieces: readonly SqlPiece[], index: number): number {
  let next = index + 1
  while (next < pieces.length && (pieces[next]?.kind === 'comment' || pieces[next]?.text.trim() === '')) next++
  return next
}

/** The parenthesis that closes another, or the end. */
function closing(pieces: readonly SqlPiece[], open: number): number {
  let depth = 0
  for (let index = open; index < pieces.length; index++) {
    const piece = pieces[index]
    if (piece?.kind !== 'code') continue
    if (piece.text === '(') depth++
    if (piece.text === ')' && --depth === 0) return index
  }
  return pieces.length
}
