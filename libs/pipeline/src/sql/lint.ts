import type { ParsedQuery } from './parse.ts'
import { scanSql } from './scan.ts'

export type Finding = {
  readonly severity: 'error' | 'warning'
  readonly offset: number
  readonly message: string
  readonly remedy: string
}

type Token = { readonly text: string; readonly offset: number; readonly next: string; readonly before: string }
type Rule = readonly [severity: Finding['severity'], fits: (token: Token) => boolean, what: string, remedy: string]

const call = (...names: string[]) => {
  const known = new Set(names)
  return ({ text, next }: Token) => next === '(' && known.has(text.toLowerCase())
}
const word = (...words: string[]) => {
  const known = new Set(words)
  return ({ text, before }: Token) => before !== '.' && known.has(text.toLowerCase())
}

/** A call that reads a file, another database or the process's environment. */
function isOutside({ text, next }: Token): boolean {
  return next === '(' && OUTSIDE.test(text)
}

const OUTSIDE =
  /^(?:read_\w+|\w+_scan|glob|sniff_csv|parquet_\w+|getenv|query|query_table|from_substrait\w*|duckdb_\w+|pragma_\w+|load_aws_credentials|\w+_(?:query|attach))$/i

/** Whether a query would read something besides tables when it is looked at. */
export function readsOutside(sql: string): boolean {
  return tokensOf(sql).some(isOutside)
}

/** `{}` is the word that was found. */
const NOT_SHARED = '`{}` is known to DuckDB and not to Spark'

/** What a model must not do, and what only one of the two engines can. Each is reported once per place. */
const RULES: readonly Rule[] = [
  [
    'error',
    isOutside,
    '`{}` reads something besides the inputs',
    'a model reads datasets and models by name; make what it needs a dataset of a source',
  ],
  [
    'error',
    call(
      'now',
      'today',
      'random',
      'uuid',
      'gen_random_uuid',
      'uuidv4',
      'uuidv7',
      'get_current_time',
      'get_current_timestamp',
      'transaction_timestamp',
      'current_localtime',
      'current_localtimestamp',
      'setseed',
      'nextval',
      'txid_current',
    ),
    '`{}` gives something else at each run',
    'use `:window_start` or `:window_end` for the time: a window that is built again must come out the same',
  ],
  [
    'error',
    word('current_date', 'current_time', 'current_timestamp', 'localtime', 'localtimestamp'),
    '`{}` gives something else at each run',
    'use `:window_start` or `:window_end`: a window that is built again must come out the same',
  ],
  ['warning', word('qualify'), NOT_SHARED, 'number the rows in a subquery and filter outside of it'],
  [
    'warning',
    call('try_strptime', 'strptime', 'strftime'),
    NOT_SHARED,
    'read dates in the contract (`formats`), and cast here',
  ],
  ['warning', call('hash'), '`{}` differs between engines and versions', 'use md5() or sha256()'],
  [
    'warning',
    ({ text, next }) =>
      next === '(' && /^(list|array)_(?!agg\b|contains\b|distinct\b|sort\b|position\b)\w+$/i.test(text),
    NOT_SHARED,
    'use unnest and aggregates in a subquery',
  ],
  [
    'warning',
    ({ text, before }) => text === '>' && before === '-',
    'lambdas are written differently in DuckDB and Spark',
    'use unnest and aggregates in a subquery',
  ],
  [
    'warning',
    word('lambda'),
    'lambdas are written differently in DuckDB and Spark',
    'use unnest and aggregates in a subquery',
  ],
  [
    'warning',
    call('quantile', 'quantile_cont', 'quantile_disc', 'approx_quantile', 'reservoir_quantile'),
    NOT_SHARED,
    'use median(), ntile() or percent_rank()',
  ],
  ['warning', word('asof'), NOT_SHARED, 'join on the greatest time before, found in a subquery'],
  [
    'warning',
    ({ text, next }) => /^distinct$/i.test(text) && /^on$/i.test(next),
    NOT_SHARED,
    'number the rows in a subquery and keep the first',
  ],
  [
    'warning',
    ({ text, before }) => before === '*' && /^(exclude|replace|rename)$/i.test(text),
    NOT_SHARED,
    'name the columns',
  ],
  ['warning', call('columns'), NOT_SHARED, 'name the columns'],
  [
    'warning',
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
  ['warning', word('tablesample'), '`{}` gives something else at each run', 'filter by a column'],
]

/** Whether a model's SQL keeps to what is repeatable and to what both engines can be made to run. */
export function lintSql(sql: string, parsed: ParsedQuery): Finding[] {
  const findings: Finding[] = []
  const tokens = tokensOf(sql)
  for (const token of tokens) {
    for (const [severity, fits, what, remedy] of RULES) {
      if (fits(token))
        findings.push({ severity, offset: token.offset, message: what.replace('{}', token.text), remedy })
    }
  }
  const place = (name: RegExp) => tokens.find(({ text }) => name.test(text))?.offset ?? 0
  if (parsed.openLimit) {
    findings.push({
      severity: 'warning',
      offset: place(/^limit$/i),
      message: 'LIMIT without ORDER BY takes any rows',
      remedy: 'add an ORDER BY that leaves no ties',
    })
  }
  if (parsed.openNullOrder) {
    findings.push({
      severity: 'warning',
      offset: place(/^order$/i),
      message: 'an ascending ORDER BY does not say where NULLs go: last in DuckDB, first in Spark',
      remedy: 'add NULLS LAST or NULLS FIRST',
    })
  }
  for (const name of parsed.topAggregates) {
    findings.push({
      severity: 'warning',
      offset: place(new RegExp(`^${name}$`, 'i')),
      message: `several values of \`${name}\` are known to DuckDB and not to Spark`,
      remedy: 'number the rows in a subquery and keep the first',
    })
  }
  return findings
}

/** What neither a model nor a rule may do: it would not come out the same again, or reads something besides its rows. */
export function forbiddenIn(sql: string, parsed: ParsedQuery): Finding[] {
  return lintSql(sql, parsed).filter(({ severity }) => severity === 'error')
}

function tokensOf(sql: string): Token[] {
  const pieces = [...scanSql(sql)].filter((piece) => piece.kind !== 'comment' && piece.text.trim() !== '')
  const textOf = (index: number) => (pieces[index]?.kind === 'code' ? (pieces[index]?.text ?? '') : '')
  return pieces.flatMap((piece, index) =>
    piece.kind === 'code'
      ? [{ text: piece.text, offset: piece.offset, next: textOf(index + 1), before: textOf(index - 1) }]
      : [],
  )
}
