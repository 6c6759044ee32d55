import { sha256 } from '@cinelake/core'
import type { RestAuth, RestSource } from '../config/index.ts'
import type { Fill } from '@cinelake/secrets'
import { restErrors } from '../errors.ts'
import type { DatasetRequest } from '../http/dataset-request.ts'
import { isHeaderValue, type PageRequest, type SignedRequest } from '../http/page-request.ts'
import type { Proof, TokenDeps } from './auth-kind.ts'
import { RestKeyError, RestTokenRefusedError } from './errors.ts'
import { kindOf } from './kinds.ts'
import type { TokenCache } from './token-cache.ts'

/** The credentials of requests: headers, and secrets within addresses and bodies. */
export type Credentials = {
  /** Statuses other than 401 that mean: the credential was refused. */
  readonly refusedWith: readonly number[]
  /** The request with the current secrets and token. May call a token endpoint: not to be called while holding a limiter's permit. */
  sign(request: PageRequest): Promise<SignedRequest>
  /**
   * Refreshes the secrets and obtains a new token, unless that was done since the request was signed. False if there
   * are no credentials, so that nothing would change.
   */
  refresh(refused: SignedRequest): Promise<boolean>
}

export type CredentialsDeps = {
  readonly fill: Fill
  readonly tokens: TokenCache
  /** The scope in which tokens of the source are shared among tasks: its pipeline. */
  readonly pipeline: string
  readonly token: TokenDeps
}

/** The headers of a source, including its token, and the address. Secrets are looked up on first use. */
export function createCredentials(
  source: RestSource,
  target: Pick<DatasetRequest, 'current' | 'refresh'>,
  { fill, tokens, pipeline, token: tokenDeps }: CredentialsDeps,
): Credentials {
  const { auth } = source
  const kind = kindOf(auth)
  const getToken = kind.token?.bind(kind)
  const signOne = kind.sign?.bind(kind)
  const name = `${pipeline}/${source.name}/${sha256(JSON.stringify(auth))}`
  const signedIn = new WeakMap<SignedRequest, { readonly round: number; readonly token: string | undefined }>()
  let held: Promise<Held> | undefined
  let round = 0
  let refreshing: Promise<boolean> | undefined

  const obtain = (get: NonNullable<typeof getToken>, refresh: boolean) => async () => {
    const filled = await fillAuth(auth, fill, refresh)
    try {
      return await get(filled, tokenDeps)
    } catch (error) {
      if (refresh || !(error instanceof RestTokenRefusedError || error instanceof RestKeyError)) throw error
      // Secrets are cached: they may have been rotated meanwhile.
      const again = await fillAuth(auth, fill, true)
      if (JSON.stringify(again) === JSON.stringify(filled)) throw error
      return await get(again, tokenDeps)
    }
  }

  const lookAgain = async (token: string | undefined): Promise<boolean> => {
    const isTargetNew = await target.refresh()
    const hasSecrets = JSON.stringify([source.headers, auth]).includes('${secret:')
    if (hasSecrets) held = lookUp(source, fill, true)
    await held
    if (getToken !== undefined && token !== undefined)
      await tokens.renew(name, token, obtain(getToken, true), tokenDeps.signal)
    round += 1
    return isTargetNew || hasSecrets || token !== undefined
  }
  return {
    refusedWith: kind.refusedWith ?? [],
    async sign({ url, method, headers: own = {}, body }) {
      const proof = await (held ??= lookUp(source, fill, false))
      const current = round
      const token =
        getToken === undefined ? undefined : (await tokens.get(name, obtain(getToken, false), tokenDeps.signal)).value
      const authorization = token === undefined ? {} : { authorization: `Bearer ${token}` }
      const signed: SignedRequest = {
        url: withParameter(target.current(url), proof.parameter),
        method,
        headers: { ...without(proof.headers, own), ...checked(own, source.name), ...authorization },
        body: body?.(),
        sign: signOne && ((sent) => checked(signOne(proof.auth, sent, tokenDeps.clock()), source.name)),
      }
      signedIn.set(signed, { round: current, token })
      return signed
    },
    async refresh(refused) {
      const signed = signedIn.get(refused)
      if (signed !== undefined && signed.round < round) return true
      // Requests that were refused at the same time share one refresh.
      refreshing ??= lookAgain(signed?.token).finally(() => void (refreshing = undefined))
      return await refreshing
    },
  }
}

/** What the secrets give, until they are looked up again: `auth` is filled. */
type Held = Proof & { readonly auth: RestAuth }

async function lookUp(source: RestSource, fill: Fill, refresh: boolean): Promise<Held> {
  const options = { refresh, encodeSecret: (secret: string) => secret.trim() }
  const headers: Record<string, string> = {}
  for (const [name, template] of Object.entries(source.headers)) headers[name] = (await fill(template, options)).trim()
  const kind = kindOf(source.auth)
  const isNeeded = kind.proof !== undefined || kind.sign !== undefined
  const auth = isNeeded ? await fillAuth(source.auth, fill, refresh) : source.auth
  const proof = kind.proof?.(auth) ?? { headers: {} }
  for (const [name, value] of Object.entries(proof.headers)) {
    // Header names are case-insensitive; headers from `auth` take precedence over those from `headers`.
    for (const other of Object.keys(headers)) if (other.toLowerCase() === name.toLowerCase()) delete headers[other]
    headers[name] = value.trim()
  }
  return { ...proof, auth, headers: checked(headers, source.name) }
}

type HeaderFields = Readonly<Record<string, string>>

/** @throws {REST_HEADER_INVALID} terminal: a value that HTTP does not allow */
function checked(headers: HeaderFields, source: string): HeaderFields {
  for (const [name, value] of Object.entries(headers)) {
    if (!isHeaderValue(value)) throw restErrors.REST_HEADER_INVALID(source, name)
  }
  return headers
}

/** The fields that are not in the others; names are compared without case. */
function without(headers: HeaderFields, others: HeaderFields): HeaderFields {
  const names = new Set(Object.keys(others).map((name) => name.toLowerCase()))
  if (names.size === 0) return headers
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !names.has(name.toLowerCase())))
}

function withParameter(url: URL, parameter: Proof['parameter']): URL {
  if (parameter === undefined) return url
  const signed = new URL(url)
  signed.searchParams.set(...(parameter as [string, string]))
  return signed
}

/** The texts of `auth` with their placeholders filled. Line ends around a secret are trimmed. */
async function fillAuth<Auth extends RestAuth>(auth: Auth, fill: Fill, refresh: boolean): Promise<Auth> {
  const options = { refresh, encodeSecret: (secret: string) => secret.trim() }
  const filled = await Promise.all(
    Object.entries(auth).map(async ([key, value]: [string, unknown]) => [key, await fillValue(value, fill, options)]),
  )
  // The keys and the kinds of the values are unchanged: texts for texts.
  return Object.fromEntries(filled) as Auth
}

async function fillValue(value: unknown, fill: Fill, options: Parameters<Fill>[1]): Promise<unknown> {
  if (typeof value === 'string') return await fill(value, options)
  if (typeof value !== 'object' || value === null) return value
  const fields = Object.entries(value).map(async ([name, field]: [string, unknown]) => [
    name,
    await fillValue(field, fill, options),
  ])
  return Object.fromEntries(await Promise.all(fields)) as unknown
}
