import { endOfComment } from '../query.ts'

/** The kind of a client's statement, by its first words. */
export type MartStatement =
  /** Goes to the database. `holds`: its effect lasts to the end of the client's transaction. */
  | { readonly kind: 'query'; readonly holds: boolean }
  | { readonly kind: 'begin'; readonly isSnapshot: boolean; readonly tag: string }
  | { readonly kind: 'commit' }
  | { readonly kind: 'rollback' }
  /** A setting of the client's session; without `apply` one that is taken and does nothing. */
  | { readonly kind: 'set'; readonly name: string; readonly apply: string | undefined }
  | { readonly kind: 'reset'; readonly name: string | undefined; readonly tag: string }
  /** Accepted without effect. */
  | { readonly kind: 'nothing'; readonly tag: string }
  | { readonly kind: 'empty' }
  | { readonly kind: 'refused'; readonly word: string }

/** Statements that read. The database decides what they may read. */
const READS = new Set(['SELECT', 'WITH', 'VALUES', 'TABLE', 'SHOW', 'EXPLAIN', '('])
/** Those whose effect is gone with the transaction that they were sent in. */
const HOLDS = new Set(['DECLARE', 'FETCH', 'MOVE', 'CLOSE', 'SAVEPOINT', 'RELEASE'])

/** Settings that would give the client other rights, or change how its statements are told apart. */
const FIXED = new Set([
  'role',
  'session_authorization',
  'standard_conforming_strings',
  'backslash_quote',
  'transaction_read_only',
  'default_transaction_read_only',
  'transaction_isolation',
  'default_transaction_isolation',
  'client_encoding',
])
/** Of these the server has its own. */
const OWN = new Set([
  'statement_timeout',
  'lock_timeout',
  'transaction_timeout',
  'idle_in_transaction_session_timeout',
  'idle_session_timeout',
])

/**
 * What a statement is. Its first word decides that in PostgreSQL, so it is found as PostgreSQL finds it; the statement
 * goes to the database as one, so nothing can stand behind it.
 */
export function classifyStatement(sql: string): MartStatement {
  const text = sql.slice(beginning(sql))
  const word = (/^[A-Za-z]+|^[\s\S]/.exec(text)?.[0] ?? '').toUpperCase()
  const rest = text.slice(word.length)
  if (word === '' || word === ';') return { kind: 'empty' }
  if (READS.has(word)) return { kind: 'query', holds: false }
  if (HOLDS.has(word)) return { kind: 'query', holds: true }
  switch (word) {
    case 'BEGIN':
    case 'START':
      return {
        kind: 'begin',
        isSnapshot: /\b(?:REPEATABLE\s+READ|SERIALIZABLE)\b/i.test(rest),
        tag: word === 'BEGIN' ? 'BEGIN' : 'START TRANSACTION',
      }
    case 'COMMIT':
    case 'END':
      return { kind: 'commit' }
    case 'ABORT':
      return { kind: 'rollback' }
    case 'ROLLBACK':
      return /^\s+(?:WORK\s+|TRANSACTION\s+)?TO\b/i.test(rest) ? { kind: 'query', holds: true } : { kind: 'rollback' }
    case 'SET':
      return classifySet(rest)
    case 'RESET': {
      const name = /^\s+([a-z_.]+)\s*;?\s*$/i.exec(rest)?.[1]?.toLowerCase()
      return { kind: 'reset', name: name === 'all' ? undefined : (name ?? ''), tag: 'RESET' }
    }
    case 'DISCARD':
      return { kind: 'reset', name: undefined, tag: 'DISCARD ALL' }
    case 'DEALLOCATE':
    case 'UNLISTEN':
      return { kind: 'nothing', tag: word }
    default:
      return { kind: 'refused', word }
  }
}

function classifySet(rest: string): MartStatement {
  const text = rest.trim().replace(/[;\s]+$/, '')
  if (/^(?:SESSION\s+CHARACTERISTICS\s+AS\s+)?TRANSACTION\b/i.test(text)) return { kind: 'nothing', tag: 'SET' }
  const bare = text.replace(/^(?:SESSION|LOCAL)\s+(?!AUTHORIZATION\b)/i, '')
  if (/^TIME\s+ZONE\b/i.test(bare)) return { kind: 'set', name: 'timezone', apply: `SET LOCAL ${bare}` }
  if (/^NAMES\b/i.test(bare)) return { kind: 'nothing', tag: 'SET' }
  const [, name] = /^([a-z_][a-z0-9_.]*)\s*(?:=|\s+TO\s)/i.exec(bare) ?? []
  if (name === undefined) return { kind: 'refused', word: `SET ${bare.split(/\s/)[0] ?? ''}`.trim() }
  const setting = name.toLowerCase()
  if (OWN.has(setting)) return { kind: 'nothing', tag: 'SET' }
  if (setting === 'client_encoding' && /['"=\s]UTF-?8['"]?$/i.test(bare)) return { kind: 'nothing', tag: 'SET' }
  if (setting === 'standard_conforming_strings' && /['"=\s](?:on|true|1)['"]?$/i.test(bare)) {
    return { kind: 'nothing', tag: 'SET' }
  }
  if (FIXED.has(setting)) return { kind: 'refused', word: `SET ${setting}` }
  return { kind: 'set', name: setting, apply: `SET LOCAL ${bare}` }
}

/** Where a statement begins: behind blanks and comments, those in C style nest. Source: PostgreSQL's scan.l */
function beginning(sql: string): number {
  let at = 0
  for (;;) {
    while (at < sql.length && ' \t\n\r\f\v'.includes(sql[at] ?? '')) at += 1
    if (sql.startsWith('--', at)) {
      const end = /[\n\r]/.exec(sql.slice(at))
      if (end === null) return sql.length
      at += end.index
    } else if (sql.startsWith('/*', at)) {
      at = endOfComment(sql, at)
    } else {
      return at
    }
  }
}

/** Texts, names, comments and dollar quotes as wholes, and the end of a statement. */
const PIECE =
  /(?<![\w$])[eE]'(?:[^'\\]|\\[\s\S]|'')*'|'(?:[^']|'')*'|"(?:[^"]|"")*"|--[^\n\r]*|\/\*|(?<![\w$])\$(?<tag>(?:[A-Za-z_\u0080-\uFFFF][\w\u0080-\uFFFF]*)?)\$[\s\S]*?\$\k<tag>\$|;/g

/** The statements of a text. A wrong cut makes statements that the database refuses, no other ones. */
export function splitStatements(sql: string): string[] {
  const statements: string[] = []
  let start = 0
  const scan = new RegExp(PIECE)
  for (let match = scan.exec(sql); match !== null; match = scan.exec(sql)) {
    if (match[0] === '/*') scan.lastIndex = endOfComment(sql, match.index)
    if (match[0] !== ';') continue
    statements.push(sql.slice(start, match.index))
    start = match.index + 1
  }
  statements.push(sql.slice(start))
  return statements.filter((text) => classifyStatement(text).kind !== 'empty')
}
