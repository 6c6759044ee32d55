import { promisify } from 'node:util'
import { brotliDecompress, gunzip, inflate, inflateRaw, zstdDecompress } from 'node:zlib'
import { request as send, type Dispatcher } from 'undici'
import { restErrors, type RequestPlace } from '../errors.ts'
import type { SignedRequest } from './page-request.ts'
import type { Transport } from './transport.ts'

/** Redirects followed for one request. Browsers allow 20; more than a few are a loop. */
const MAX_REDIRECTS = 5

/** Statuses that redirect a GET. Source: RFC 9110, 15.4 */
const REDIRECTS = new Set([301, 302, 303, 307, 308])

export type Answer = {
  readonly status: number
  /** Its address, after redirects. */
  readonly url: URL
  readonly headers: Headers
  /** Decompressed. Read only for statuses that mean success, and for refusals that the request itself translates. */
  readonly body: Buffer
  /** Gives back the body's memory, when nothing uses it any more. */
  readonly release?: () => void
}

export type SendOptions = {
  readonly signal: AbortSignal
  readonly maxBodyBytes: number
  readonly place: RequestPlace
  readonly transport: Transport
  /** The origin that the pipeline's text names: it may be on the company's own network. */
  readonly trustedOrigin?: string | undefined
}

/**
 * Sends one request and reads the whole response. Redirects are followed; the source's headers and the body, which may be
 * credentials, are sent only as long as the server stays the same. A signature is computed again for each redirect.
 *
 * @throws {REST_ADDRESS_PRIVATE} terminal
 * @throws {REST_REDIRECT_REFUSED} terminal
 * @throws {REST_BODY_TOO_LARGE} terminal
 * @throws errors of undici with a `code` if the server cannot be reached or closes the connection
 */
export async function sendRequest(request: SignedRequest, options: SendOptions): Promise<Answer> {
  let { url, method, body } = request
  const visited = new Set<string>()
  for (;;) {
    visited.add(url.href)
    options.transport.guard.check(url, options.trustedOrigin)
    const response = await sendOnce({ ...request, url, method, body }, url.origin === request.url.origin, options)
    if (!REDIRECTS.has(response.statusCode)) return await readAnswer(response, url, request, options)
    await response.body.dump()
    // These redirect as a GET, as in browsers. Source: RFC 9110, 15.4
    if (response.statusCode <= 303) [method, body] = ['GET', undefined]
    url = redirected(response, url, options.place)
    if (body !== undefined && url.origin !== request.url.origin) {
      throw restErrors.REST_REDIRECT_REFUSED(
        options.place,
        `a redirect (${response.statusCode}) to another server (${url.host})`,
      )
    }
    if (visited.has(url.href)) throw restErrors.REST_REDIRECT_REFUSED(options.place, 'redirects in a circle')
    if (visited.size > MAX_REDIRECTS)
      throw restErrors.REST_REDIRECT_REFUSED(options.place, `more than ${MAX_REDIRECTS} redirects`)
  }
}

type Response = Dispatcher.ResponseData

async function sendOnce(
  { url, method, headers: own, body, sign }: SignedRequest,
  isSameServer: boolean,
  { transport, signal }: SendOptions,
): Promise<Response> {
  const { promise: aborted, reject } = Promise.withResolvers<never>()
  const abort = () => reject(signal.reason)
  signal.throwIfAborted()
  signal.addEventListener('abort', abort, { once: true })
  const headers = {
    accept: 'application/json',
    'accept-encoding': ACCEPTED_ENCODINGS,
    'user-agent': 'cinelake',
    ...(body === undefined ? {} : { 'content-type': body.contentType }),
    ...(isSameServer ? lowerCased(own) : {}),
  }
  const signature = isSameServer ? sign?.({ method, url, headers, body: Buffer.from(body?.text ?? '') }) : undefined
  const response = send(url, {
    method,
    headers: { ...headers, ...lowerCased(signature ?? {}) },
    body: body?.text ?? null,
    dispatcher: transport.dispatcher,
    headersTimeout: transport.headersTimeoutMs,
    bodyTimeout: transport.bodyTimeoutMs,
    signal,
  })
  // undici observes the signal only after it has a connection.
  response.catch(() => {})
  return await Promise.race([response, aborted]).finally(() => signal.removeEventListener('abort', abort))
}

/** A source's own `Accept` replaces this client's; names are compared without case. */
function lowerCased(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]))
}

function redirected({ statusCode, headers }: Response, from: URL, place: RequestPlace): URL {
  const location = String(headers['location'] ?? '')
  const url = URL.parse(location, from.href)
  if (url === null || location === '') {
    throw restErrors.REST_REDIRECT_REFUSED(place, `a redirect (${statusCode}) that does not say where to`)
  }
  if (url.protocol !== 'https:' && (url.protocol !== 'http:' || from.protocol === 'https:')) {
    throw restErrors.REST_REDIRECT_REFUSED(place, 'a redirect away from https')
  }
  return url
}

async function readAnswer(
  response: Response,
  url: URL,
  { refused }: SignedRequest,
  options: SendOptions,
): Promise<Answer> {
  const status = response.statusCode
  const headers = headersOf(response)
  const isRead = (status >= 200 && status < 300) || (refused !== undefined && status >= 400 && status < 500)
  if (isRead) {
    const body = await readBody(response, headers, options)
    return { status, url, headers, body, release: () => options.transport.buffers.release(body) }
  }
  // Error pages are not shown: they may repeat the request.
  await response.body.dump()
  return { status, url, headers, body: Buffer.alloc(0) }
}

function headersOf({ headers }: Response): Headers {
  const all = new Headers()
  for (const [name, value] of Object.entries(headers)) {
    for (const each of Array.isArray(value) ? value : [value ?? '']) all.append(name, each)
  }
  return all
}

/** The limit applies to received and to decompressed bytes, so that a compression bomb cannot fill the memory either. */
async function readBody(
  { body }: Response,
  headers: Headers,
  { maxBodyBytes, place, transport }: SendOptions,
): Promise<Buffer> {
  const blocks: Buffer[] = []
  let sizeBytes = 0
  for await (const block of body as AsyncIterable<Buffer>) {
    sizeBytes += block.byteLength
    // Leaving the loop cancels the rest.
    if (sizeBytes > maxBodyBytes) throw restErrors.REST_BODY_TOO_LARGE(place, maxBodyBytes)
    blocks.push(block)
  }
  try {
    const encodings = headers.get('content-encoding')
    if (encodings === null) return transport.buffers.joined(blocks, sizeBytes)
    return await unpack(Buffer.concat(blocks), encodings, maxBodyBytes)
  } catch (error) {
    if (error instanceof RangeError) throw restErrors.REST_BODY_TOO_LARGE(place, maxBodyBytes)
    throw error
  }
}

type Unpack = (packed: Uint8Array, options: { readonly maxOutputLength: number }) => Promise<Buffer>

/** Decompressors by content coding. Source: RFC 9110, 8.4.1; RFC 7932; RFC 8878 */
const UNPACK: Readonly<Record<string, Unpack>> = {
  gzip: promisify(gunzip),
  'x-gzip': promisify(gunzip),
  br: promisify(brotliDecompress),
  zstd: promisify(zstdDecompress),
  // Some servers omit the zlib header that the standard requires; with it, the low half of the first byte is 8.
  deflate: (packed, options) => promisify(((packed[0] ?? 0) & 0x0f) === 8 ? inflate : inflateRaw)(packed, options),
}

/** The content codings that this client accepts. */
const ACCEPTED_ENCODINGS = 'gzip, br, zstd, deflate'

/**
 * Decompresses a body, in several steps if it was compressed several times.
 * @param encodings value of `Content-Encoding`
 * @throws {RangeError} the result is larger than `limitBytes`
 */
async function unpack(packed: Buffer, encodings: string | null, limitBytes: number): Promise<Buffer> {
  let bytes = packed
  for (const name of (encodings ?? '').toLowerCase().split(',').reverse()) {
    const turn = UNPACK[name.trim()]
    if (turn === undefined || bytes.byteLength === 0) continue
    try {
      bytes = await turn(bytes, { maxOutputLength: limitBytes })
    } catch (error) {
      const isTooLarge = error instanceof Error && 'code' in error && error.code === 'ERR_BUFFER_TOO_LARGE'
      if (error instanceof RangeError || isTooLarge) throw new RangeError('too large')
      throw error
    }
  }
  return bytes
}
