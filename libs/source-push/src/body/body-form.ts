import { pushErrors } from '../errors.ts'

/** The format of a pushed body. Also the extension of its name in the lake. */
export const FORMATS = ['json', 'ndjson', 'csv'] as const
export type PushFormat = (typeof FORMATS)[number]

/** The accepted content types. */
export const CONTENT_TYPES: Readonly<Record<string, PushFormat>> = {
  'application/json': 'json',
  'application/x-ndjson': 'ndjson',
  'application/ndjson': 'ndjson',
  'application/jsonl': 'ndjson',
  'text/csv': 'csv',
}

export type BodyForm = { readonly format: PushFormat; readonly isPacked: boolean }

/**
 * The format and encoding of a body, by its headers.
 * @throws {PUSH_TYPE_UNKNOWN} terminal
 */
export function bodyForm(headers: Readonly<Record<string, string | string[] | undefined>>): BodyForm {
  const [type = '', ...parameters] = String(headers['content-type'] ?? '')
    .split(';')
    .map((part) => part.trim().toLowerCase())
  const format = Object.hasOwn(CONTENT_TYPES, type) ? CONTENT_TYPES[type] : undefined
  if (format === undefined) throw pushErrors.PUSH_TYPE_UNKNOWN('content-type', Object.keys(CONTENT_TYPES).join(', '))
  const charset = parameters.find((parameter) => parameter.startsWith('charset='))?.slice('charset='.length)
  if (charset !== undefined && !/^"?utf-?8"?$/.test(charset))
    throw pushErrors.PUSH_TYPE_UNKNOWN('content-type', 'the charset utf-8')
  const encoding = String(headers['content-encoding'] ?? 'identity')
    .trim()
    .toLowerCase()
  if (encoding !== 'identity' && encoding !== 'gzip')
    throw pushErrors.PUSH_TYPE_UNKNOWN('content-encoding', 'gzip, or none')
  return { format, isPacked: encoding === 'gzip' }
}
