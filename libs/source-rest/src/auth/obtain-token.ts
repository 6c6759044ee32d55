import type { Clock, Log } from '@cinelake/core'
import type { RestAuth } from '../config/index.ts'
import { isObject, parseJson, type JsonObject, type JsonValue } from '@cinelake/json-rows'
import { RestAddressError, RestRefusedError, RestUnauthorizedError, type RequestPlace } from '../errors.ts'
import type { Answer } from '../http/send-request.ts'
import type { PageRequest } from '../http/page-request.ts'
import { RestTokenRefusedError } from './errors.ts'
import type { Token, TokenCache } from './token-cache.ts'
import { assertionOf, assertionRequest, oauthRequest, type TokenRequest } from './token-request.ts'

/** The part of an Azure identity that is needed. */
export type AzureIdentity = () => Promise<{
  getToken(
    scope: string,
    options?: { readonly abortSignal?: AbortSignal },
  ): Promise<{ readonly token: string; readonly expiresOnTimestamp: number } | null>
}>

export type TokenDeps = {
  readonly source: string
  readonly dataset: string
  /** Sends a request with these headers, with the source's repetitions, limits and time. */
  readonly ask: (
    request: PageRequest,
    headers: Readonly<Record<string, string>>,
    place: RequestPlace,
  ) => Promise<Answer>
  readonly azure: AzureIdentity | undefined
  readonly rotated: TokenCache['rotated']
  /** Keeps a value out of all that people read. */
  readonly hide: (secret: string) => void
  readonly clock: Clock
  readonly log: Log
  readonly signal: AbortSignal
}

export type TokenAuth = Extract<RestAuth, { type: 'oauth2' | 'jwt' | 'azure' }>

/**
 * Gets a token. All texts of `auth` are filled.
 * @throws {RestTokenRefusedError} terminal
 * @throws what asking for a page throws, where the endpoint does not answer
 */
export async function obtainToken(auth: TokenAuth, deps: TokenDeps): Promise<Token> {
  const { source, clock, hide } = deps
  if (auth.type === 'azure') return await azureToken(auth.scope, deps)
  if (auth.type === 'jwt' && auth.as === 'token') {
    const value = assertionOf(auth, source, clock)
    hide(value)
    return { value, expiresAt: clock().getTime() + auth.lifetimeMs }
  }
  if (auth.type === 'jwt')
    return tokenIn(await exchange(auth.tokenUrl, assertionRequest(auth, source, clock), deps), deps)
  const refreshToken =
    auth.refreshToken === undefined ? undefined : (deps.rotated.get(auth.refreshToken) ?? auth.refreshToken)
  const answer = await exchange(auth.tokenUrl, oauthRequest({ ...auth, refreshToken }), deps, auth.grant)
  if (auth.grant === 'refreshToken') keepRotated(auth.refreshToken ?? '', answer, deps)
  return tokenIn(answer, deps)
}

async function azureToken(scope: string, { source, azure, hide, signal }: TokenDeps): Promise<Token> {
  const identity = await azure?.()
  if (identity === undefined) throw new RestTokenRefusedError(source, 'Azure', 'no Azure identity in this process')
  try {
    const token = await identity.getToken(scope, { abortSignal: signal })
    if (token === null) throw new RestTokenRefusedError(source, 'Azure', 'none')
    hide(token.token)
    return { value: token.token, expiresAt: token.expiresOnTimestamp }
  } catch (error) {
    if (signal.aborted || error instanceof RestTokenRefusedError) throw error
    const name = error instanceof Error ? error.name : 'something else'
    throw new RestTokenRefusedError(source, 'Azure', name, { cause: error })
  }
}

type Exchanged = { readonly body: JsonObject; readonly from: string }

async function exchange(
  tokenUrl: string,
  { form, headers }: TokenRequest,
  deps: TokenDeps,
  grant?: string,
): Promise<Exchanged> {
  const { source, dataset } = deps
  const url = URL.parse(tokenUrl)
  if (url === null || !/^https?:$/.test(url.protocol)) throw new RestAddressError(source, 'a `tokenUrl` that is none')
  const from = `${url.origin}${url.pathname}`
  const place = { source, dataset, address: from, page: 0 }
  const text = new URLSearchParams(form).toString()
  const body = () => ({ contentType: 'application/x-www-form-urlencoded', text })
  try {
    const answer = await deps.ask({ url, method: 'POST', body }, headers, place)
    return { body: bodyOf(answer, source, from), from }
  } catch (error) {
    if (!(error instanceof RestRefusedError || error instanceof RestUnauthorizedError)) throw error
    const of = grant === undefined ? {} : { grant }
    throw new RestTokenRefusedError(source, from, `status ${String(error.context['status'])}`, { ...of, cause: error })
  }
}

function bodyOf(answer: Answer, source: string, from: string): JsonObject {
  let body: JsonValue = null
  try {
    body = parseJson(new TextDecoder().decode(answer.body))
  } catch (error) {
    // Without cause: the parser quotes what it read.
    if (!(error instanceof SyntaxError || error instanceof RangeError)) throw error
  }
  if (isObject(body)) return body
  throw new RestTokenRefusedError(source, from, 'an answer that is no JSON object')
}

function tokenIn({ body, from }: Exchanged, { source, clock, hide }: TokenDeps): Token {
  const value = body['access_token']
  if (typeof value !== 'string' || value === '') {
    throw new RestTokenRefusedError(source, from, 'an answer without `access_token`')
  }
  hide(value)
  const seconds = Number(body['expires_in'] ?? Number.NaN)
  // One that does not say how long it lasts is used until it is refused.
  return { value, expiresAt: Number.isFinite(seconds) ? clock().getTime() + seconds * 1000 : Infinity }
}

/** Servers that give a new refresh token may take the old one only once. */
function keepRotated(told: string, { body, from }: Exchanged, { source, rotated, hide, log }: TokenDeps): void {
  const next = body['refresh_token']
  if (typeof next !== 'string' || next === '' || next === (rotated.get(told) ?? told)) return
  hide(next)
  rotated.set(told, next)
  log.warn(
    { source, from },
    'the server gave a new refresh token, which only this process knows, since secrets are read and never written: if it takes the old one no more, the next start and every other worker are refused; ask for a refresh token that stays',
  )
}
