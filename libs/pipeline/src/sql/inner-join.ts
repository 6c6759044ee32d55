import { scanSql } from './parse.ts'

/** A join that drops rows of the left table that have no partner. */
export type InnerJoin = {
  /** The tables on its two sides, as written in the SELECT; the right one may be a subquery. */
  readonly left: string
  readonly right: string
  /** A query for the number of rows of the left table (`rows`), and the number of them that have a partner (`joined`). */
  readonly countQuery: string
}

type Token = { readonly text: string; readonly word: string; readonly offset: number; readonly depth: number }

/** Keywords that end the condition of a join. */
const ENDS = new Set(
  'join inner left right full cross natural asof semi anti positional where group having qualify window order limit offset union intersect except sample'.split(
    ' ',
  ),
)
/** Keywords that combine several SELECTs. */
const SET_OPERATIONS = new Set(['union', 'intersect', 'except'])

/**
 * The first join of a SELECT, if it is an inner join of a named table. Undefined for other joins, for several combined
 * SELECTs, and for syntax that this function does not support.
 * @param sql a SELECT that the parser has accepted
 */
export function firstInnerJoin(sql: string): InnerJoin | undefined {
  const tokens = tokensOf(sql)
  const top = tokens.filter(({ depth }) => depth === 0)
  if (top.some(({ word }) => SET_OPERATIONS.has(word))) return undefined
  const select = top.findIndex(({ word }) => word === 'select')
  const from = top.findIndex(({ word }, index) => index > select && word === 'from')
  const keyword = top.findIndex(({ word }, index) => index > from && ENDS.has(word))
  if (select < 0 || from < 0 || keyword < 0) return undefined
  const isNamed = top[keyword]?.word === 'inner'
  const join = isNamed ? keyword + 1 : keyword
  const left = top.slice(from + 1, keyword)
  if (top[join]?.word !== 'join' || left.some(({ text }) => text === ',' || text === '(')) return undefined
  const condition = top.findIndex(({ word }, index) => index > join && (word === 'on' || word === 'using'))
  if (condition < 0) return undefined
  const end = top.find(({ word }, index) => index > condition && (ENDS.has(word) || word === ','))?.offset ?? sql.length
  const slice = (begin: Token | undefined, to: number) => sql.slice(begin?.offset ?? to, to).trim()
  const [beforeSelect, leftSql, rightSql] = [
    sql.slice(0, top[select]?.offset),
    slice(top[from + 1], top[keyword]?.offset ?? 0),
    slice(top[join + 1], end),
  ]
  const right = top[join + 1]
  if (leftSql === '' || right === undefined) return undefined
  return {
    left: nameFrom(left),
    right: right.text === '(' ? 'the joined subquery' : nameFrom(top.slice(join + 1, condition)),
    countQuery: `${beforeSelect}SELECT (SELECT count(*) FROM ${leftSql}\n) AS "rows", (SELECT count(*) FROM ${leftSql}\nSEMI JOIN ${rightSql}\n) AS "joined"`,
  }
}

/** `orders` of `orders AS o`, `shop.orders` of `shop.orders o`. */
function nameFrom(tokens: readonly Token[]): string {
  let name = ''
  for (const { text } of tokens) {
    if (name !== '' && text !== '.' && !name.endsWith('.')) break
    name += text
  }
  return name
}

/** Words, names and signs, each with its nesting depth of brackets; a bracket has the depth outside itself. */
function tokensOf(sql: string): Token[] {
  const tokens: Token[] = []
  let depth = 0
  for (const { kind, text, offset } of scanSql(sql)) {
    if (kind === 'comment' || text.trim() === '') continue
    if (kind === 'code' && /^[)\]}]$/.test(text)) depth -= 1
    tokens.push({ text, word: kind === 'code' ? text.toLowerCase() : '', offset, depth })
    if (kind === 'code' && /^[([{]$/.test(text)) depth += 1
  }
  return tokens
}
