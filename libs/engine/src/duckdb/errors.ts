import type { SqlPosition } from '@cinelake/sql'
import { reasonOf } from '@cinelake/core'
import { callAt, withoutData } from './data-errors.ts'
import type { Sql } from './sql.ts'
import { engineErrors, SqlFailedError, SqlInvalidError } from '../errors.ts'

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
