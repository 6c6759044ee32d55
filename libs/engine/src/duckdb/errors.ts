import { reasonOf } from '@cinelake/core'
import { type SqlPosition, literal } from '@cinelake/sql'
import { SqlFailedError, SqlInvalidError, engineErrors } from '../errors.ts'
import type { Sql } from './sql.ts'

/**
 * DuckDB's errors with `errors_as_json`. `position` is an offset in the SQL text from 0: in bytes, but for errors of
 * syntax.
 */
type DuckDbError = {
  readonly kind: string
  readonly message: string
  readonly position?: number
  readonly isSyntax?: boolean
}

/** DuckDB's kinds of error (`exception_type`) that speak about the SQL text alone. */
const ABOUT_THE_TEXT = new Set([
  'Parser',
  'Binder',
  'Catalog',
  'Syntax',
  'Not implemented',
  'Permission',
  'Settings',
  'Parameter Not Resolved',
  'Parameter Not Allowed',
  'Expression',
  'Planner',
  'TransactionContext',
  'Dependency',
  'Missing Extension',
  'Extension Autoloading',
])

/** DuckDB's messages about truncated or modified Parquet files; they name files and lengths, never values. */
const DAMAGED =
  /no magic bytes|too small to be a parquet|parquet file.*(corrupt|invalid|truncated)|(corrupt|invalid|truncated).*parquet|TProtocolException|decompression fail|(zstd|snappy|gzip|brotli|lz4)\b.*(fail|corrupt|invalid)|out of buffer|file is (corrupt|truncated)/i

/** Kinds after which the database accepts no more work. */
const BROKEN = new Set(['INTERNAL', 'Internal', 'FATAL', 'Fatal'])

/**
 * DuckDB's error as one of ours. Without `cause`: DuckDB's own text says nothing more, and may quote values of rows.
 * @param isAboutText whether the message comes before any row is looked at, so that it cannot speak of one
 */
export async function translateError(
  thrown: unknown,
  sql: Sql,
  scratchDirectory: string,
  isAboutText: (message: string) => Promise<boolean>,
): Promise<Error> {
  const original = thrown instanceof Error ? thrown : new Error(reasonOf(thrown))
  const { kind, message, position: place, isSyntax = false } = parseError(original.message)
  // Where its grammar stops DuckDB counts characters.
  const position =
    isSyntax && place !== undefined ? Buffer.byteLength(Array.from(sql.text).slice(0, place).join('')) : place
  if (/no space left|max_temp_directory_size|failed to offload/i.test(message)) {
    return engineErrors.ENGINE_DISK_FULL(scratchDirectory, aboutFiles(message))
  }
  if (isOfDamage(kind, message)) return engineErrors.ENGINE_FILE_DAMAGED(firstLine(message))
  if (kind === 'Out of Memory') return engineErrors.ENGINE_OUT_OF_MEMORY(firstLine(message))
  if (kind === 'IO') return engineErrors.ENGINE_FILE_UNUSABLE(aboutFiles(message))
  if (BROKEN.has(kind)) return engineErrors.ENGINE_BROKEN(`${kind} error of DuckDB`)
  const offset = position === undefined ? undefined : position - sql.start
  const where = offset === undefined ? undefined : positionIn(sql.given, offset)
  const failed = where === undefined || offset === undefined ? undefined : { text: sql.given, byte: offset }
  if (ABOUT_THE_TEXT.has(kind) && (await isAboutText(original.message)))
    return new SqlInvalidError(message.trim().replaceAll(/\s*\n\s*/g, ' '), where, failed)
  if (kind === '') return original
  if (kind === 'Permission') return new SqlInvalidError(CLOSED, where, failed)
  const call = offset === undefined || offset < 0 ? undefined : callAt(sql.given, offset)
  const said = withoutData(message, sql.given)
  return new SqlFailedError(kind, call === undefined ? said : `${said}, at \`${call}\``, where, failed)
}

/** `Invalid` is what readers of Parquet end with where they did not foresee the bytes; SQL alone never does. */
function isOfDamage(kind: string, message: string): boolean {
  if (kind === 'Invalid') return true
  return (kind === 'IO' || kind === 'Invalid Input' || kind === 'Serialization') && DAMAGED.test(message)
}
/** A path may come from a row. */
const CLOSED =
  'it reaches for what is closed to it: files outside of the folders of the engine, extensions or the configuration'

/** Whether DuckDB was interrupted. */
export function isInterrupt(thrown: unknown): boolean {
  return thrown instanceof Error && parseError(thrown.message).kind.toUpperCase() === 'INTERRUPT'
}

function parseError(text: string): DuckDbError {
  const json = text.indexOf('{"exception_type"')
  const parsed = json < 0 ? undefined : parseJson(text.slice(json))
  if (json >= 0 && parsed === undefined) return { kind: 'Unknown', message: '' }
  if (parsed !== undefined) {
    const position = Number(parsed['position'] ?? Number.NaN)
    const { exception_type: kind, exception_message: message } = parsed
    if (typeof kind !== 'string' || typeof message !== 'string') return { kind: '', message: text }
    const isSyntax = parsed['error_subtype'] === 'SYNTAX_ERROR'
    return { kind, message, isSyntax, ...(Number.isInteger(position) ? { position } : {}) }
  }
  const [, kind = '', message = text] = /^([A-Za-z ]+?) Error: ([\s\S]*)$/.exec(text) ?? []
  return { kind, message }
}

function parseJson(text: string): Record<string, unknown> | undefined {
  try {
    const parsed: unknown = JSON.parse(text)
    return typeof parsed === 'object' && parsed !== null ? { ...parsed } : undefined
  } catch {
    return undefined
  }
}

/** Files of a partition have its values in their paths: they may be personal, and errors travel. */
function aboutFiles(message: string): string {
  return firstLine(message).replaceAll(/([^/\\"'\s=]+)=[^/\\"']*/g, '$1=…')
}

function firstLine(message: string): string {
  return message.trimStart().split('\n', 1)[0]?.trim() ?? ''
}

/** The place of an offset in bytes. */
export function positionIn(sql: string, offset: number): SqlPosition | undefined {
  const bytes = Buffer.from(sql)
  if (offset < 0 || offset > bytes.length) return undefined
  const before = bytes.subarray(0, offset).toString().split('\n')
  return { line: before.length, column: (before.at(-1)?.length ?? 0) + 1 }
}

/**
 * DuckDB's messages about data, reworded without the data. Only names of existing types and of columns in the SQL are
 * passed on; for an unknown message, only its kind and position are.
 */
function withoutData(message: string, sql: string): string {
  for (const [form, say] of FORMS) {
    const found = form.exec(message)
    if (found !== null) return say(found.groups ?? {}) + columnOf(message, sql)
  }
  // Messages of the engine's own SQL by `error('…')`, which SQL of pipelines may not call.
  if (sql.includes(`error(${literal(message)})`)) return message
  return 'a value cannot be used where it is' + columnOf(message, sql)
}

/** The call or cast at a place of the SQL: the words of its author. */
function callAt(sql: string, offset: number): string | undefined {
  const rest = Buffer.from(sql).subarray(offset).toString()
  return /^(?:[A-Za-z_][A-Za-z0-9_]*(?=\s*\()|::\s*[A-Za-z_][A-Za-z0-9_]*)/.exec(rest)?.[0]
}

/** The column whose values are converted, where the SQL names it. */
function columnOf(message: string, sql: string): string {
  const name = / when casting from source column ([\w .-]{1,63})$/.exec(message)?.[1]
  const isNamed =
    name !== undefined &&
    sql
      .toLowerCase()
      .split(/[^\p{L}\p{N}_.-]+/u)
      .includes(name.toLowerCase())
  return isNamed ? ` (column ${name})` : ''
}

type Groups = Readonly<Record<string, string | undefined>>
type Form = readonly [form: RegExp, say: (groups: Groups) => string]

/** Types in DuckDB's names for them, and in those of its inside. */
const BASE_TYPE =
  '(?:U?(?:TINY|SMALL|BIG|HUGE)INT|U?INTEGER|U?INT(?:8|16|32|64|128)|BOOL(?:EAN)?|DOUBLE|FLOAT|REAL|DECIMAL(?:\\(\\d+,\\d+\\))?|VARCHAR|BLOB|BIT|UUID|DATE|TIME|TIMESTAMP(?:_S|_MS|_NS)?(?: WITH TIME ZONE)?|TIME WITH TIME ZONE|INTERVAL|JSON)'
const TYPE = `${BASE_TYPE}(?:\\[\\d*\\])*`

const form = (pattern: string, say: (groups: Groups) => string): Form => [
  new RegExp(pattern.replaceAll('TYPE', TYPE), 's'),
  say,
]
const fixed = (pattern: string, said: string): Form => form(pattern, () => said)

const FORMS: readonly Form[] = [
  form(
    '^Could not convert string .* to (?<to>TYPE)(?: when casting from source column [^\'"]*)?$',
    ({ to }) => `a text does not convert to ${to}`,
  ),
  form(
    "^Type (?<from>TYPE) with value .* can't be cast (?:because the value is out of range for|to) the destination type (?<to>TYPE)(?: when casting from source column [^'\"]*)?$",
    ({ from, to }) => `a value of type ${from} does not fit into ${to}`,
  ),
  form(
    '^Could not cast value .* (?:from (?<from>TYPE) )?to (?<to>TYPE)',
    ({ from, to }) => `a value${from === undefined ? '' : ` of type ${from}`} does not fit into ${to}`,
  ),
  form('^Casting value .* to type (?<to>TYPE) failed', ({ to }) => `a value does not fit into ${to}`),
  form(
    '^Unimplemented type for cast \\((?<from>TYPE) -> (?<to>TYPE)\\)$',
    ({ from, to }) => `${from} does not convert to ${to}`,
  ),
  form(
    '^Overflow in (?<what>addition|subtraction|multiplication|division|negation) of (?<type>TYPE)',
    ({ what, type }) => `the result of ${what} does not fit into ${type}`,
  ),
  form(
    '^Overflow in (?<what>addition|subtraction|multiplication)',
    ({ what }) => `the result of ${what} does not fit into its type`,
  ),
  fixed('^invalid date field format', 'a text is no date; expected YYYY-MM-DD'),
  fixed('^date field value out of range', 'a text is no date that exists; expected YYYY-MM-DD'),
  fixed('^invalid timestamp field format', 'a text is no timestamp; expected YYYY-MM-DD HH:MM:SS[.US][±HH[:MM]]'),
  fixed('^timestamp field value out of range', 'a text is no timestamp that exists'),
  fixed('^time field value out of range', 'a text is no time; expected HH:MM:SS[.MS]'),
  fixed('^Could not parse string .* according to format specifier', 'strptime: a text does not have the format'),
  fixed('^extract specifier', 'a text is no part of a date, such as year or month'),
  fixed('^Unknown TimeZone', 'a text is no time zone (IANA name)'),
  fixed(
    '^(?:Date|Time|Timestamp|Epoch seconds|Value|Interval value)(?: value)? (?:is )?out of range',
    'a value is out of range',
  ),
  fixed('^Cannot change configuration option', 'the configuration of the engine is locked'),
  fixed('^Malformed JSON', 'a text is no JSON'),
  fixed('^Failed to cast value', 'a value of a JSON document is of another type'),
  fixed(
    '^(?:missing [\\])]|invalid perl operator|bad repetition operator|no argument for repetition|trailing \\\\)',
    'a text is no regular expression',
  ),
  fixed('^cannot take square root of a negative number', 'cannot take square root of a negative number'),
  fixed('^cannot take logarithm of', 'cannot take logarithm of zero or of a negative number'),
  fixed('^(?:ACOS|ASIN|ATANH|ACOSH) is undefined outside', 'an inverse trigonometric function outside of its range'),
  fixed('^More than one row returned by a subquery', 'more than one row returned by a subquery used as an expression'),
  fixed('^Failure in decode', 'decode: the bytes are not UTF-8'),
  fixed('^Could not decode string .* as base64', 'a text is no base64'),
  fixed('^Invalid input for hex digit', 'a text is no hexadecimal number'),
  fixed('^Invalid input for binary digit', 'a text is no binary number'),
  fixed('^Invalid UTF8 Codepoint', 'a number is no character'),
  fixed('^Invalid character encountered in string -> bit', 'a text is no bit string'),
  fixed('^bit index .* out of valid range', 'a bit index is out of range'),
  fixed('^Cannot create a string of size', 'a text would be larger than the engine allows'),
  fixed('^(?:Substring|List|Array) .*outside of supported range', 'an offset or a length is out of range'),
  fixed('^Cannot cast array of size', 'a list is not of the size of the array'),
  fixed('^Map keys must be unique', 'map: keys must be unique'),
  fixed('^Map keys can not be NULL', 'map: keys cannot be NULL'),
  fixed('^Duplicate key', 'a key is there twice'),
  fixed('^NOT NULL constraint failed', 'a NOT NULL constraint does not hold'),
  fixed('^CHECK constraint failed', 'a CHECK constraint does not hold'),
  fixed('^(?:PRIMARY KEY or UNIQUE|Constraint)', 'a key is there twice'),
  fixed('^CSV Error on Line', 'CSV Error: a line of the file does not have the form that it was read with'),
  fixed('^Error when sniffing file', 'CSV Error: the form of the file cannot be found out'),
  fixed(
    'No magic bytes found at (?:the )?(?:end|beginning) of file',
    'No magic bytes found: the file is no Parquet file, or is cut off',
  ),
  fixed('too small to be a Parquet file', 'the file is too small to be a Parquet file'),
]
