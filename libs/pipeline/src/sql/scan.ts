/** A piece of SQL text. Joined in order, the pieces are the original text. */
export type SqlPiece = {
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
