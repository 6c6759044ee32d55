import type { IncomingMessage } from 'node:http'
import { Refusal } from './answer.ts'

/** A request to a storage account, whatever the style of its address. */
export type StorageRequest = {
  readonly method: string
  /** '' for the account itself. */
  readonly container: string
  /** Path of a blob, file or directory, decoded, without slashes at its ends; '' for the container itself. */
  readonly path: string
  readonly query: URLSearchParams
  /** The path as it was sent, percent-encoded: signatures are made over it. */
  readonly rawPath: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: AsyncIterable<Uint8Array>
}

/**
 * Reads an address: `http://ACCOUNT.host/container/path` or `http://host/ACCOUNT/container/path`. The Data Lake SDK
 * forgets the account in the second when it renames, so a container in its place is taken for one.
 * @throws {Refusal} 400: it names another account
 */
export function readRequest(
  message: IncomingMessage,
  account: string,
  containers: { has(name: string): boolean },
): StorageRequest {
  const url = new URL(message.url ?? '/', 'http://storage')
  const segments = url.pathname.split('/').slice(1)
  const isHostStyle = message.headers.host?.split(/[.:]/, 1)[0] === account
  if (!isHostStyle && segments[0] === account) segments.shift()
  else if (!isHostStyle && !containers.has(segments[0] ?? '')) {
    throw new Refusal(400, 'InvalidUri', `the address names no account that is served here; expected ${account}`)
  }
  const [container = '', ...path] = segments.map(decode)
  return {
    method: message.method ?? 'GET',
    container,
    path: withoutEndSlashes(path.join('/')),
    query: url.searchParams,
    rawPath: url.pathname,
    headers: headersOf(message),
    body: message,
  }
}

/** A header that the operation cannot do without. */
export function requiredHeader(request: StorageRequest, name: string): string {
  const value = request.headers[name]
  if (value === undefined) throw new Refusal(400, 'MissingRequiredHeader', `expected the header ${name}`)
  return value
}

/** The metadata that a request of the Blob API sets. */
export function metadataIn({ headers }: StorageRequest): Record<string, string> {
  const prefix = 'x-ms-meta-'
  return Object.fromEntries(
    Object.entries(headers)
      .filter(([name]) => name.startsWith(prefix))
      .map(([name, value]) => [name.slice(prefix.length), value]),
  )
}

/** The headers that an object is to be served with: `x-ms-blob-content-type` and `x-ms-content-type` alike. */
export function contentHeadersIn({ headers }: StorageRequest): Record<string, string> {
  const found: Record<string, string> = {}
  for (const [name, value] of Object.entries(headers)) {
    const known = /^x-ms-(?:blob-)?(content-(?:type|encoding|language|disposition|md5)|cache-control)$/.exec(name)
    if (known?.[1] !== undefined) found[known[1]] = value
  }
  return found
}

/** The bytes of a small body. */
export async function bytesOfBody(body: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = []
  for await (const part of body) parts.push(part)
  return Buffer.concat(parts)
}

export function withoutEndSlashes(path: string): string {
  return path.replaceAll(/^\/+|\/+$/g, '')
}

function headersOf(message: IncomingMessage): Record<string, string> {
  return Object.fromEntries(
    Object.entries(message.headers).map(([name, value]) => [
      name,
      Array.isArray(value) ? value.join(',') : (value ?? ''),
    ]),
  )
}

function decode(segment: string): string {
  try {
    return decodeURIComponent(segment)
  } catch {
    throw new Refusal(400, 'InvalidUri', 'the address is not percent-encoded as it has to be')
  }
}
