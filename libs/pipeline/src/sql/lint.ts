import { type ParsedQuery, scanSql } from './parse.ts'

export type Finding = {
  readonly offset: number
  readonly message: string
  readonly remedy: string
}

type Token = { readonly text: string; readonly offset: number; readonly next: string; readonly before: string }
type Rule = readonly [fits: (token: Token) => boolean, what: string, remedy: string]

const call = (...names: string[]) => {
  const known = new Set(names)
  return ({ text, next }: Token) => next === '(' && known.has(text.toLowerCase())
}
const word = (...words: string[]) => {
  const known = new Set(words)
  return ({ text, before }: Token) => before !== '.' && known.has(text.toLowerCase())
}

/** `{}` stands for the word that was found. */
const NOT_SHARED = '`{}` is known to DuckDB and not to Spark'

/** Constructs that only one of the two engines supports. Each is reported once per place. */
const RULES: readonly Rule[] = [
  [word('qualify'), NOT_SHARED, 'number the rows in a subquery and filter outside of it'],
  [call('try_strptime', 'strptime', 'strftime'), NOT_SHARED, 'read dates in the contract (`formats`), and cast here'],
  [call('hash'), '`{}` differs between engines and versions', 'use md5() or sha256()'],
  [
    ({ text, next }) =>
      next === '(' && /^(list|array)_(?!agg\b|contains\b|distinct\b|sort\b|position\b)\w+$/i.test(text),
    NOT_SHARED,
    'use unnest and aggregates in a subquery',
  ],
  [
    ({ text, before }) => text === '>' && before === '-',
    'lambdas are written differently in DuckDB and Spark',
    'use unnest and aggregates in a subquery',
  ],
  [word('lambda'), 'lambdas are written differently in DuckDB and Spark', 'use unnest and aggregates in a subquery'],
  [
    call('quantile', 'quantile_cont', 'quantile_disc', 'approx_quantile', 'reservoir_quantile'),
    NOT_SHARED,
    'use median(), ntile() or percent_rank()',
  ],
  [word('asof'), NOT_SHARED, 'join on the greatest time before, found in a subquery'],
  [
    ({ text, next }) => /^distinct$/i.test(text) && /^on$/i.test(next),
    NOT_SHARED,
    'number the rows in a subquery and keep the first',
  ],
  [({ text, before }) => before === '*' && /^(exclude|replace|rename)$/i.test(text), NOT_SHARED, 'name the columns'],
  [call('columns'), NOT_SHARED, 'name the columns'],
  [
    call(
      'struct_pack',
      'row_to_json',
      'generate_series',
      'string_split',
      'regexp_matches',
      'regexp_full_match',
      'epoch_ms',
      'date_diff',
      'datesub',
    ),
    NOT_SHARED,
    'use what both have, or cast',
  ],
]

/** Checks that a model's SQL uses only constructs that both engines can be made to run. */
export function lintSql(sql: string, parsed: ParsedQuery): Finding[] {
  const findings: Finding[] = []
  const tokens = tokensOf(sql)
  for (const token of tokens) {
    for (const [fits, what, remedy] of RULES) {
      if (fits(token)) findings.push({ offset: token.offset, message: what.replace('{}', token.text), remedy })
    }
  }
  const place = (name: RegExp) => tokens.find(({ text }) => name.test(text))?.offset ?? 0
  if (parsed.openLimit) {
    findings.push({
      offset: place(/^limit$/i),
      message: 'LIMIT without ORDER BY takes any rows',
      remedy: 'add an ORDER BY that leaves no ties',
    })
  }
  if (parsed.openNullOrder) {
    findings.push({
      offset: place(/^order$/i),
      message: 'an ascending ORDER BY does not say where NULLs go: last in DuckDB, first in Spark',
      remedy: 'add NULLS LAST or NULLS FIRST',
    })
  }
  for (const name of parsed.topAggregates) {
    findings.push({
      offset: place(new RegExp(`^${name}$`, 'i')),
      message: `several values of \`${name}\` are known to DuckDB and not to Spark`,
      remedy: 'number the rows in a subquery and keep the first',
    })
  }
  for (const { offset, by } of tiedRowNumbers(tokens)) {
    findings.push({
      offset,
      message: `\`row_number()\` over rows in order of \`${by}(…)\` alone: rows with the same value may be numbered otherwise each time`,
      remedy: 'add columns to its ORDER BY until it leaves no ties, such as the key',
    })
  }
  return findings
}

/** Row numbers ordered by one computed value, such as a sum, are not deterministic: several rows may have the same value. */
function tiedRowNumbers(tokens: readonly Token[]): { readonly offset: number; readonly by: string }[] {
  return tokens.flatMap(({ text, next, offset }, index) => {
    if (!/^row_number$/i.test(text) || next !== '(') return []
    const [over, open] = tokens.slice(index + 3)
    if (!/^over$/i.test(over?.text ?? '') || open?.text !== '(') return []
    const inside = insideOf(tokens.slice(index + 5))
    const order = inside.findIndex((token) => token.depth === 0 && /^order$/i.test(token.text))
    const terms = order < 0 ? [] : inside.slice(order + 2)
    const [first] = terms
    const isOne = terms.every(({ depth, text: sign }) => depth > 0 || sign !== ',')
    return first !== undefined && isOne && first.next === '(' && /^\w+$/.test(first.text)
      ? [{ offset, by: first.text.toLowerCase() }]
      : []
  })
}

/** The tokens up to the closing bracket, each with its nesting depth of brackets. */
function insideOf(tokens: readonly Token[]): (Token & { readonly depth: number })[] {
  const inside: (Token & { readonly depth: number })[] = []
  let depth = 0
  for (const token of tokens) {
    if (token.text === ')') depth -= 1
    if (depth < 0) break
    inside.push({ ...token, depth })
    if (token.text === '(') depth += 1
  }
  return inside
}

function tokensOf(sql: string): Token[] {
  const pieces = [...scanSql(sql)].filter((piece) => piece.kind !== 'comment' && piece.text.trim() !== '')
  const codeText = (index: number) => (pieces[index]?.kind === 'code' ? (pieces[index]?.text ?? '') : '')
  return pieces.flatMap((piece, index) =>
    piece.kind === 'code'
      ? [{ text: piece.text, offset: piece.offset, next: codeText(index + 1), before: codeText(index - 1) }]
      : [],
  )
}
