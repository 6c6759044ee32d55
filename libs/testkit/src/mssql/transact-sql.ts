/**
 * T-SQL in the words of PostgreSQL, as far as statements of Cinelake go: names in brackets, texts with an N, types,
 * parameters, some functions. What has another order of words is in `statements.ts`.
 */
export function translate(sql: string): string {
  return joinedChanges(sql)
    .replaceAll(/\bCOLLATE\s+\w+/gi, 'COLLATE "C"')
    .replaceAll(TOKEN, (token) => translateToken(token))
}

const TOKEN =
  /N?'(?:[^']|'')*'|\[(?:[^\]]|\]\])*\]|"(?:[^"]|"")*"|@\w+|[a-z_]\w*(?:\(\s*(?:max|\d+(?:\s*,\s*\d+)?|)\s*\))?/gi

function translateToken(token: string): string {
  if (/^N?'/.test(token)) return token.replace(/^N/, '').replaceAll('[_]', String.raw`\_`)
  if (token.startsWith('[')) return quoted(unquoted(token))
  if (token.startsWith('@')) return `$${token.slice(1)}`
  const [, name = '', size] = /^(\w+)(?:\((.*)\))?$/.exec(token) ?? []
  return WORDS[name.toLowerCase()]?.(size) ?? token
}

const WORDS: Readonly<Record<string, (size?: string) => string>> = {
  nvarchar: (size) => (size === undefined || /max/i.test(size) ? 'text' : `varchar(${size})`),
  varbinary: () => 'bytea',
  bit: () => 'boolean',
  float: () => 'double precision',
  datetime2: (size) => `timestamp(${size ?? 6})`,
  datetimeoffset: (size) => `timestamptz(${size ?? 6})`,
  uniqueidentifier: () => 'uuid',
  clustered: () => '',
  count_big: () => 'count',
  sysutcdatetime: () => `(clock_timestamp() AT TIME ZONE 'UTC')`,
}

/** `UPDATE t … FROM a AS t INNER JOIN b AS s ON …` and the like: PostgreSQL names the changed table once, and joins by WHERE; it locks by a statement. */
function joinedChanges(sql: string): string {
  return sql
    .replace(
      /^UPDATE t SET (.+) FROM (\S.*?) AS t INNER JOIN (\S.*?) AS s ON (.+)$/s,
      (_, set: string, target: string, source: string, on: string) =>
        `UPDATE ${target} AS t SET ${set.replaceAll('t.[', '[')} FROM ${source} AS s WHERE ${on}`,
    )
    .replace(
      /^DELETE t FROM (\S.*?) AS t INNER JOIN (\S.*?) AS s ON (.+)$/s,
      (_, target: string, source: string, on: string) => `DELETE FROM ${target} AS t USING ${source} AS s WHERE ${on}`,
    )
    .replace(/^SELECT TOP .* FROM (\[.*\]) WITH \(TABLOCKX, HOLDLOCK\)$/s, 'LOCK TABLE $1')
}

/** A name as PostgreSQL quotes it. */
export function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

/** The name between brackets. */
function unquoted(name: string): string {
  return name.replace(/^\[(.*)\]$/s, '$1').replaceAll(']]', ']')
}

/** The text of a literal. */
export function stringOfLiteral(literal: string): string {
  return literal.replace(/^N?'(.*)'$/s, '$1').replaceAll("''", "'")
}

/** `[schema].[name]` → both, as they are. */
export function qualified(name: string): readonly [schema: string, name: string] {
  const [schema = '', table = ''] = name.match(/\[(?:[^\]]|\]\])*\]/g) ?? []
  return [unquoted(schema), unquoted(table)]
}

/** A text as PostgreSQL writes it. */
export function literal(text: string): string {
  return `'${text.replaceAll("'", "''")}'`
}
