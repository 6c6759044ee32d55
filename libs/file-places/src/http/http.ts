import { CancelledError, isPrivateAddress, PipelineError } from '@cinelake/core'
import { lookup as resolve } from 'node:dns'
import { isIP, type LookupFunction } from 'node:net'
import { type Dispatcher, EnvHttpProxyAgent, request } from 'undici'
import {
  PlaceFileChangedError,
  PlaceFileForbiddenError,
  placeErrors,
  PlaceRefusedError,
  PlaceUnavailableError,
} from '../errors.ts'
import type { FilePlace, PlaceFile, PlaceOptions, Selection } from '../file-place.ts'
import type { PlaceAccess } from '../place-address.ts'
import { readResuming } from '../read-resuming.ts'

/** Milliseconds to connect, and without a byte. */
const CONNECT_MS = 15_000
const SILENCE_MS = 120_000

/** Redirects that are followed for one file. */
const MAX_REDIRECTS = 5

/**
 * Files of an HTTP server below an address, whose names are known: it is not listed.
 * @throws {PLACE_ADDRESS_INVALID} terminal
 */
export async function openHttpPlace(url: string, access: PlaceAccess): Promise<FilePlace> {
  const base = readAddress(url)
  const location = base.href.replace(/\/$/, '')
  const authorization = authorizationOf(access.auth)
  // The text names its own server, which may be in the company's network; where a server sends on to, it does not.
  const lookup: LookupFunction = (hostname, options, callback) =>
    resolve(hostname, { ...options, all: true }, (error, found) => {
      const [first] = found ?? []
      if (error !== null || first === undefined) return callback(error ?? new Error('no address'), '', 0)
      if (hostname !== base.hostname && found.some(({ address }) => isPrivateAddress(address)))
        return callback(privateAddress(location), '', 0)
      return options.all === true ? callback(null, found) : callback(null, first.address, first.family)
    })
  const dispatcher = new EnvHttpProxyAgent({
    allowH2: false,
    connect: { timeout: CONNECT_MS, lookup },
    headersTimeout: SILENCE_MS,
    bodyTimeout: SILENCE_MS,
  })

  /** The answer for a file, wherever the server sends on to. Its body has to be read or destroyed. */
  const ask = async (
    method: 'GET' | 'HEAD',
    name: string,
    { signal, headers = {} }: PlaceOptions & { readonly headers?: Record<string, string> },
  ): Promise<Dispatcher.ResponseData> => {
    let at = addressOf(base, name)
    for (let redirects = 0; redirects <= MAX_REDIRECTS; redirects++) {
      const isOwn = at.origin === base.origin
      const host = at.hostname.replaceAll(/[[\]]/g, '')
      if (!isOwn && isIP(host) !== 0 && isPrivateAddress(host)) throw privateAddress(location)
      const answer = await request(at, {
        method,
        dispatcher,
        headers: {
          // The bytes as the file has them, and as many as it says.
          'accept-encoding': 'identity',
          ...headers,
          ...(isOwn && authorization !== undefined && { authorization }),
        },
        ...(signal && { signal }),
      })
      const next = [301, 302, 303, 307, 308].includes(answer.statusCode) ? headerOf(answer, 'location') : undefined
      if (next === undefined) return answer
      discard(answer)
      const target = URL.parse(next, at.href)
      if (target === null || !(target.protocol === 'https:' || target.protocol === base.protocol))
        throw new PlaceRefusedError(
          location,
          'redirect',
          'the server sends on to an address that is not safe: name the right one in `path`',
        )
      at = target
    }
    throw new PlaceRefusedError(
      location,
      'redirects',
      `the server sends on more than ${MAX_REDIRECTS} times: correct \`path\``,
    )
  }
  const run = async <T>(work: () => Promise<T>, { signal }: PlaceOptions): Promise<T> => {
    try {
      return await work()
    } catch (error) {
      throw translate(error, location, signal)
    }
  }

  const stat = async (name: string, options: PlaceOptions = {}): Promise<PlaceFile | undefined> =>
    await run(async () => {
      let answer = await ask('HEAD', name, options)
      // Some servers know GET alone, and some tell no length before they send.
      const isTold = answer.statusCode === 200 && headerOf(answer, 'content-length') !== undefined
      if (!isTold && ![401, 403, 404, 410].includes(answer.statusCode)) {
        discard(answer)
        answer = await ask('GET', name, options)
      }
      if ([404, 410].includes(answer.statusCode)) {
        discard(answer)
        return undefined
      }
      check(answer, name)
      const length = headerOf(answer, 'content-length')
      const sizeBytes = length === undefined ? await lengthOf(answer.body) : Number(length)
      discard(answer)
      const { etag, modifiedMs } = versionOf(answer)
      // Of a file that has no time it is not known that it is older than now.
      return { name, sizeBytes, modifiedMs: modifiedMs ?? Date.now(), ...(etag !== undefined && { etag }) }
    }, options)

  const check = (answer: Dispatcher.ResponseData, name: string): void => {
    const { statusCode } = answer
    if (statusCode === 200 || statusCode === 206) return
    discard(answer)
    if (statusCode === 401) throw new PlaceRefusedError(location, '401', 'check the secret at `auth`')
    if (statusCode === 403) throw new PlaceFileForbiddenError(location, name, '403')
    if (statusCode >= 400 && statusCode < 500 && ![408, 425, 429].includes(statusCode))
      throw new PlaceRefusedError(
        location,
        String(statusCode),
        'the server refuses the request as it is: check the address',
      )
    throw new PlaceUnavailableError(location, String(statusCode))
  }

  const readOnly = async (): Promise<never> => {
    throw placeErrors.PLACE_READ_ONLY(location)
  }
  return {
    location,
    stat,
    write: readOnly,
    move: readOnly,
    delete: readOnly,
    async *list(wanted: Selection, options: PlaceOptions = {}) {
      const names = wanted.names()
      if (names === undefined) {
        throw placeErrors.PLACE_ADDRESS_INVALID(
          `expected names without wildcards, since an HTTP server is not listed [place=${location}]`,
        )
      }
      for (const name of names) {
        const file = wanted.takes(name) ? await stat(name, options) : undefined
        if (file !== undefined) yield file
      }
    },
    read(file, { signal } = {}) {
      return readResuming(file, bytesFrom, { location, signal })

      async function* bytesFrom(offset: number): AsyncGenerator<Uint8Array> {
        const { name, etag } = file
        try {
          const range = offset === 0 ? {} : { range: `bytes=${offset}-` }
          const answer = await ask('GET', name, { signal, headers: range })
          if ([404, 410, 412].includes(answer.statusCode)) {
            discard(answer)
            throw new PlaceFileChangedError(location, name, 'it was removed')
          }
          check(answer, name)
          const now = versionOf(answer)
          const isOther =
            etag === undefined ? now.modifiedMs !== undefined && now.modifiedMs !== file.modifiedMs : now.etag !== etag
          if (isOther || (offset > 0 && now.etag === undefined && now.modifiedMs === undefined)) {
            discard(answer)
            throw new PlaceFileChangedError(
              location,
              name,
              isOther
                ? 'it was replaced'
                : 'the connection broke off, and the server does not tell one version from another',
            )
          }
          // A server that knows no ranges sends all of it.
          let skip = answer.statusCode === 206 ? 0 : offset
          for await (const chunk of answer.body as AsyncIterable<Uint8Array>) {
            if (skip < chunk.byteLength) yield chunk.subarray(skip)
            skip = Math.max(0, skip - chunk.byteLength)
          }
        } catch (error) {
          throw translate(error, location, signal)
        }
      }
    },
    async [Symbol.asyncDispose]() {
      await dispatcher.destroy()
    },
  }
}

function readAddress(url: string): URL {
  const base = URL.parse(url.endsWith('/') ? url : `${url}/`)
  if (base === null || base.search !== '' || base.hash !== '' || base.username !== '' || base.password !== '')
    throw placeErrors.PLACE_ADDRESS_INVALID('expected https://HOST/FOLDER, without user, password and query')
  return base
}

function addressOf(base: URL, name: string): URL {
  return new URL(name.split('/').map(encodeURIComponent).join('/'), base)
}

function authorizationOf({ user, password, token }: NonNullable<PlaceAccess['auth']> = {}): string | undefined {
  if (token !== undefined) return `Bearer ${token}`
  if (user === undefined && password === undefined) return undefined
  return `Basic ${Buffer.from(`${user ?? ''}:${password ?? ''}`).toString('base64')}`
}

/** Ends an answer whose body is not wanted. */
function discard({ body }: Dispatcher.ResponseData): void {
  body.on('error', () => {}).destroy()
}

function headerOf({ headers }: Dispatcher.ResponseData, name: string): string | undefined {
  const value = headers[name]
  return Array.isArray(value) ? value[0] : value
}

function versionOf(answer: Dispatcher.ResponseData): { readonly etag?: string; readonly modifiedMs?: number } {
  const etag = headerOf(answer, 'etag')
  const modifiedMs = Date.parse(headerOf(answer, 'last-modified') ?? '')
  return { ...(etag !== undefined && { etag }), ...(!Number.isNaN(modifiedMs) && { modifiedMs }) }
}

async function lengthOf(body: AsyncIterable<Uint8Array>): Promise<number> {
  let length = 0
  for await (const chunk of body) length += chunk.byteLength
  return length
}

function privateAddress(location: string): PlaceRefusedError {
  return new PlaceRefusedError(
    location,
    'private address',
    'the server sends on to an address of a private network: name that in `path`, if it is right',
  )
}

function translate(error: unknown, location: string, signal: AbortSignal | undefined): unknown {
  if (error instanceof PipelineError) return error
  if (signal?.aborted === true) return new CancelledError(`reading ${location}`, { cause: signal.reason })
  if (!(error instanceof Error)) return error
  // What stopped a connection from being made.
  if (error.cause instanceof PipelineError) return error.cause
  return new PlaceUnavailableError(
    location,
    'code' in error && typeof error.code === 'string' ? error.code : 'no answer',
  )
}
