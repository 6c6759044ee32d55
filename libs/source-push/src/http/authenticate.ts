import type { Clock, Log, Proxy } from '@cinelake/core'
import type { PushSource, PushTokens } from '../config/push-source.ts'
import { isBlank, PlaceholderError, SecretMissingError, SecretUnusableError, type Fill } from '@cinelake/secrets'
import { createRemoteJWKSet, customFetch, errors, jwtVerify, type FetchImplementation, type JWTPayload } from 'jose'
import { createHash, timingSafeEqual } from 'node:crypto'
import { EnvHttpProxyAgent, fetch } from 'undici'
import { pushErrors } from '../errors.ts'

/** The credentials of a request. */
export type Credentials = { readonly apiKey: string | undefined; readonly authorization: string | undefined }

/** Milliseconds between two refreshes of the secrets because of a wrong key: guessing clients must not cause more. */
const LOOK_AGAIN_MS = 30_000

/** Seconds by which clocks may differ. */
const CLOCK_TOLERANCE_S = 60

/** Asymmetric signature algorithms: only the issuer can sign. */
const ALGORITHMS = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA']

/** Decides whether a client may push to a source. */
export function createAuthenticate({
  fill,
  clock,
  log,
  proxy,
}: {
  readonly fill: Fill
  readonly clock: Clock
  readonly log: Log
  readonly proxy?: Proxy | undefined
}) {
  const remote = proxy === undefined ? {} : { [customFetch]: fetchThrough(proxy) }
  const lookedAt = new Map<string, number>()
  const issuers = new Map<string, ReturnType<typeof createRemoteJWKSet>>()

  /**
   * @throws {PUSH_UNAUTHORIZED} terminal
   * @throws {PUSH_FORBIDDEN} terminal
   * @throws {PUSH_KEYS_AWAY} transient
   */
  return async (source: PushSource, { apiKey, authorization }: Credentials): Promise<void> => {
    const token = /^Bearer +(\S+)$/i.exec(authorization ?? '')?.[1]
    if (token !== undefined && source.tokens !== undefined) await checkToken(source.name, source.tokens, token)
    else if (apiKey === undefined || isBlank(apiKey) || !(await isKey(source, apiKey)))
      throw pushErrors.PUSH_UNAUTHORIZED()
  }

  async function isKey({ name, keys }: PushSource, given: string): Promise<boolean> {
    const fits = async (refresh: boolean) => {
      const found = await keysThatExist(keys, (key) => fill(key, { refresh }))
      if (isOneOf(given, found.keys)) return true
      // The given key may be the one that could not be looked up.
      if (found.error !== undefined) throw found.error
      if (refresh && found.missing.length > 0) log.warn({ source: name, missing: found.missing }, 'keys are missing')
      return false
    }
    if (keys.length === 0) return false
    if (await fits(false)) return true
    // The secret may have been rotated meanwhile.
    const now = clock().getTime()
    if (now - (lookedAt.get(name) ?? -Infinity) < LOOK_AGAIN_MS) return false
    lookedAt.set(name, now)
    return await fits(true)
  }

  async function checkToken(source: string, tokens: PushTokens, token: string): Promise<void> {
    const audience = await fill(tokens.audience)
    // Without an audience, a token for any other service would be accepted.
    if (isBlank(audience)) throw pushErrors.PUSH_UNAUTHORIZED()
    const jwks = await fill(tokens.jwks)
    const keys = issuers.get(jwks) ?? createRemoteJWKSet(new URL(jwks), remote)
    issuers.set(jwks, keys)
    const expected = {
      issuer: await Promise.all(tokens.issuers.map((issuer) => fill(issuer))),
      audience,
      algorithms: ALGORITHMS,
      clockTolerance: CLOCK_TOLERANCE_S,
      currentDate: clock(),
      requiredClaims: ['exp'],
    }
    const payload = await jwtVerify(token, keys, expected).then(
      (verified) => verified.payload,
      (error: unknown) => {
        if (isAboutToken(error)) throw pushErrors.PUSH_UNAUTHORIZED()
        throw pushErrors.PUSH_KEYS_AWAY(source, { cause: error })
      },
    )
    checkRights(source, tokens, payload)
  }
}

type FoundKeys = {
  readonly keys: readonly string[]
  /** The keys as references, without their values: some are missing, or none exists, which is the reason. */
  readonly missing: readonly string[]
  readonly error: unknown
}

/** A key that is missing or blank is never accepted, and does not prevent the others from being accepted. */
async function keysThatExist(templates: readonly string[], fill: (key: string) => Promise<string>): Promise<FoundKeys> {
  const filled = await Promise.allSettled(templates.map(fill))
  const keys = filled
    .flatMap((each) => (each.status === 'fulfilled' ? [each.value.trim()] : []))
    .filter((key) => !isBlank(key))
  const errors = filled.flatMap((each): unknown[] => (each.status === 'rejected' ? [each.reason] : []))
  const absent = errors.filter(isAbsent)
  const other = errors.find((error) => !isAbsent(error))
  return {
    keys,
    missing: absent.map(({ message }) => message),
    error: other ?? (keys.length === 0 ? absent[0] : undefined),
  }
}

function isAbsent(error: unknown): error is Error {
  return (
    error instanceof SecretMissingError || error instanceof SecretUnusableError || error instanceof PlaceholderError
  )
}

/** An error that is not about the token is about fetching the keys. */
function isAboutToken(error: unknown): boolean {
  const { JOSEError, JWKSTimeout, JWKSInvalid } = errors
  if (error instanceof JWKSTimeout || error instanceof JWKSInvalid) return false
  return error instanceof JOSEError && error.code !== 'ERR_JOSE_GENERIC'
}

function checkRights(source: string, { roles, clients }: PushTokens, payload: JWTPayload): void {
  const has = Array.isArray(payload['roles']) ? payload['roles'].map(String) : []
  if (roles.length > 0 && !roles.some((role) => has.includes(role))) {
    throw pushErrors.PUSH_FORBIDDEN(source, `one of the roles ${roles.join(', ')}`)
  }
  // `azp` in tokens of version 2, `appid` in those of version 1.
  const client = payload['azp'] ?? payload['appid']
  if (clients.length > 0 && (typeof client !== 'string' || !clients.includes(client))) {
    throw pushErrors.PUSH_FORBIDDEN(source, 'one of the clients that may push')
  }
}

/** Takes constant time, whichever key matches and wherever they differ. */
function isOneOf(given: string, keys: readonly string[]): boolean {
  const digest = digestOf(given)
  let fits = false
  for (const key of keys) fits = timingSafeEqual(digest, digestOf(key)) || fits
  return fits
}

function digestOf(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}

/** Fetches an issuer's keys through the company's proxy: Node's own `fetch` uses a proxy only if it was started with that option. */
function fetchThrough({ http, https, except }: Proxy): FetchImplementation {
  const dispatcher = new EnvHttpProxyAgent({ httpProxy: http, httpsProxy: https, noProxy: except })
  return async (url, { headers, ...options }) => {
    const answer = await fetch(url, { ...options, headers: Object.fromEntries(headers), dispatcher })
    return new Response(await answer.text(), { status: answer.status })
  }
}
