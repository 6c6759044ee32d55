import { RestBodyTooLargeError, RestRedirectError, type RequestPlace } from './errors.ts'

/** Redirects followed for one request. Browsers allow 20; more than a few are a circle. */
const MAX_REDIRECTS = 5

/** Statuses that send a GET elsewhere. Source: RFC 9110, 15.4 */
const REDIRECTS = new Set([301, 302, 303, 307, 308])

export type Answer = {
  readonly status: number
  /** Where it came from, after redirects. */
  readonly url: URL
  readonly headers: Headers
  /** Read only for statuses that mean success. */
  readonly body: Uint8Array
}

export type SendOptions = {
  readonly headers: Readonly<Record<string, string>>
  readonly signal: AbortSignal
  readonly maxBodyBytes: number
  readonly place: RequestPlace
}

/**
 * Sends one GET and reads the answer whole. Redirects are followed; the source's headers, which may be credentials, go
 * along only as long as the server stays the same.
 *
 * @throws {RestRedirectError} terminal
 * @throws {RestBodyTooLargeError} terminal
 * @throws what `fetch` throws when the server cannot be reached or hangs up
 */
export async function sendRequest(address: URL, options: SendOptions): Promise<Answer> {
  let url = address
  const visited = new Set<string>()
  for (;;) {
    visited.add(url.href)
    const response = await fetch(url, {
      headers: {
        accept: 'application/json',
        'user-agent': 'cinelake',
        ...(url.origin === address.origin ? options.headers : {}),
      },
      redirect: 'manual',
      signal: options.signal,
    })
    if (!REDIRECTS.has(response.status)) return await readAnswer(response, url, options)
    await response.body?.cancel()
    url = redirected(response, url, options.place)
    if (visited.has(url.href)) throw new RestRedirectError(options.place, 'redirects in a circle')
    if (visited.size > MAX_REDIRECTS) throw new RestRedirectError(options.place, `more than ${MAX_REDIRECTS} redirects`)
  }
}

function redirected(response: Response, from: URL, place: RequestPlace): URL {
  const url = URL.parse(response.headers.get('location') ?? '', from.href)
  if (url === null || !response.headers.has('location')) {
    throw new RestRedirectError(place, `a redirect (${response.status}) that does not say where to`)
  }
  if (url.protocol !== 'https:' && (url.protocol !== 'http:' || from.protocol === 'https:')) {
    throw new RestRedirectError(place, 'a redirect away from https')
  }
  return url
}

async function readAnswer(response: Response, url: URL, options: SendOptions): Promise<Answer> {
  const { status, headers } = response
  if (response.ok) return { status, url, headers, body: await readBody(response, options) }
  // Error pages are not shown: they may repeat what was sent.
  await response.body?.cancel()
  return { status, url, headers, body: new Uint8Array() }
}

/** The limit is on what is unpacked, so that a small packed answer cannot fill the memory either. */
async function readBody(response: Response, { maxBodyBytes, place }: SendOptions): Promise<Uint8Array> {
  const blocks: Uint8Array[] = []
  let sizeBytes = 0
  for await (const block of response.body ?? []) {
    sizeBytes += block.byteLength
    // Leaving the loop cancels the rest.
    if (sizeBytes > maxBodyBytes) throw new RestBodyTooLargeError(place, maxBodyBytes)
    blocks.push(block)
  }
  return Buffer.concat(blocks)
}
