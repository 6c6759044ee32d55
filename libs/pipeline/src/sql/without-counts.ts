import { scanSql, type SqlPiece } from './scan.ts'

const COUNTS: ReadonlySet<string> = new Set(['count', 'approx_count_distinct', 'count_if', 'countif'])

/** The query with `count(…)` of anything as `count(*)`: how many there are says nothing about any of them. */
export function withoutCounts(sql: string): string {
  const pieces = [...scanSql(sql)]
  let text = ''
  for (let index = 0; index < pieces.length; index++) {
    const piece = pieces[index]
    const isCount = piece?.kind === 'code' && COUNTS.has(piece.text.toLowerCase())
    const open = isCount ? nextCode(pieces, index) : index
    if (isCount && pieces[open]?.text === '(') {
      text += 'count(*)'
      index = closing(pieces, open)
    } else text += piece?.text ?? ''
  }
  return text
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
