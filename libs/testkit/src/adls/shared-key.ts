import { createHmac, timingSafeEqual } from 'node:crypto'
import { Refusal } from './answer.ts'
import type { StorageRequest } from './request.ts'

/** An account and its key, base64. */
export type Account = { readonly name: string; readonly key: string }

/** Headers whose values are signed by position. Source: learn.microsoft.com/…/authorize-with-shared-key */
const SIGNED_HEADERS = [
  'content-encoding',
  'content-language',
  'content-length',
  'content-md5',
  'content-type',
  'date',
  'if-modified-since',
  'if-match',
  'if-none-match',
  'if-unmodified-since',
  'range',
] as const

/**
 * Checks `Authorization: SharedKey ACCOUNT:SIGNATURE`.
 * @throws {Refusal} 403: signed with another key, or not what was signed
 */
export function checkSharedKey(request: StorageRequest, account: Account): void {
  const [, name, signature = ''] = /^SharedKey ([^:]+):(.+)$/.exec(request.headers['authorization'] ?? '') ?? []
  const expected = hmac(account.key, textToSign(request, account.name))
  if (name !== account.name || !isSame(signature, expected)) {
    throw new Refusal(403, 'AuthenticationFailed', 'the signature is not that of this request with this account’s key')
  }
}

export function hmac(key: string, text: string): string {
  return createHmac('sha256', Buffer.from(key, 'base64')).update(text).digest('base64')
}

export function isSame(one: string, other: string): boolean {
  const [a, b] = [Buffer.from(one), Buffer.from(other)]
  return a.length === b.length && timingSafeEqual(a, b)
}

function textToSign(request: StorageRequest, account: string): string {
  const { method, headers } = request
  const byPosition = SIGNED_HEADERS.map((name) => {
    const value = headers[name] ?? ''
    return name === 'content-length' && value === '0' ? '' : value
  })
  return `${[method, ...byPosition].join('\n')}\n${canonicalHeaders(request)}${canonicalResource(request, account)}`
}

function canonicalHeaders({ headers }: StorageRequest): string {
  return Object.entries(headers)
    .filter(([name]) => name.startsWith('x-ms-'))
    .sort(([a], [b]) => compareHeaders(a, b))
    .map(([name, value]) => `${name}:${value.trimStart()}\n`)
    .join('')
}

/** Azure sorts headers as words: a hyphen counts only between names that are alike without it. */
function compareHeaders(a: string, b: string): number {
  const [x, y] = [a.replaceAll('-', ''), b.replaceAll('-', '')]
  if (x !== y) return x < y ? -1 : 1
  return a < b ? -1 : 1
}

function canonicalResource({ rawPath, query }: StorageRequest, account: string): string {
  const names = [...new Set([...query.keys()].map((name) => name.toLowerCase()))].sort()
  const values = new Map([...query].map(([name, value]) => [name.toLowerCase(), value]))
  return `/${account}${rawPath}${names.map((name) => `\n${name}:${values.get(name) ?? ''}`).join('')}`
}
