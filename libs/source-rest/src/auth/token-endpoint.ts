import { filled, mayBeSecret, template, text } from '@cinelake/config-text'
import { z } from 'zod'
import { isObject, parseJson, type JsonObject } from '@cinelake/json-rows'
import { restErrors } from '../errors.ts'
import type { TokenDeps } from './auth-kind.ts'
import { RestTokenRefusedError } from './errors.ts'
import type { Token } from './token-cache.ts'

/** Additional fields of a form, or claims. */
export const fields = (place: 'tokenField' | 'address') => z.record(text, mayBeSecret(z.string(), place)).optional()

/** The common fields of token requests, as written in `pipeline.yaml`. */
export const tokenRequestText = {
  tokenUrl: mayBeSecret(text).describe('Address that gives tokens.'),
  scope: filled(text).optional(),
  audience: filled(text).optional(),
  parameters: fields('tokenField').describe('Further fields of the token request.'),
}

/** The same in frozen form. */
export const tokenRequest = {
  tokenUrl: template,
  scope: template.optional(),
  audience: template.optional(),
  /** Additional fields of the form. */
  parameters: z.record(z.string(), template).default({}),
}

/** The form and headers of a request to a token endpoint. */
export type TokenRequest = {
  readonly form: Readonly<Record<string, string>>
  readonly headers: Readonly<Record<string, string>>
}

/** The response of a token endpoint, and its address for people. */
export type Exchanged = { readonly body: JsonObject; readonly from: string }

/**
 * Requests a token from a token endpoint.
 * @throws {RestTokenRefusedError} terminal
 * @throws all errors of requesting a page, if the endpoint does not answer
 */
export async function exchange(
  tokenUrl: string,
  { form, headers }: TokenRequest,
  deps: TokenDeps,
  grant?: string,
): Promise<Exchanged> {
  const { source, dataset } = deps
  const url = URL.parse(tokenUrl)
  if (url === null || !/^https?:$/.test(url.protocol))
    throw restErrors.REST_ADDRESS_INVALID(source, 'a `tokenUrl` that is none')
  const from = `${url.origin}${url.pathname}`
  const place = { source, dataset, address: from, page: 0 }
  const text = new URLSearchParams(form).toString()
  const body = () => ({ contentType: 'application/x-www-form-urlencoded', text })
  const refused = (status: number, answer: Uint8Array) =>
    new RestTokenRefusedError(source, from, `status ${status}`, { grant, reason: jsonObject(answer)?.['error'] })
  const answer = jsonObject((await deps.ask({ url, method: 'POST', body, refused }, headers, place)).body)
  if (answer === undefined) throw new RestTokenRefusedError(source, from, 'an answer that is no JSON object')
  return { body: answer, from }
}

/** Undefined for anything else. */
function jsonObject(bytes: Uint8Array): JsonObject | undefined {
  try {
    const value = parseJson(new TextDecoder().decode(bytes))
    return isObject(value) ? value : undefined
  } catch (error) {
    if (!(error instanceof SyntaxError || error instanceof RangeError)) throw error
    return undefined
  }
}

/** @throws {RestTokenRefusedError} terminal: the response contains no token */
export function tokenIn({ body, from }: Exchanged, { source, clock, hide }: TokenDeps): Token {
  const value = body['access_token']
  if (typeof value !== 'string' || value === '') {
    throw new RestTokenRefusedError(source, from, 'an answer without `access_token`')
  }
  hide(value)
  const seconds = Number(body['expires_in'] ?? Number.NaN)
  // A token without an expiry is used until it is refused.
  return { value, expiresAt: Number.isFinite(seconds) ? clock().getTime() + seconds * 1000 : Infinity }
}

type Common = {
  readonly scope?: string | undefined
  readonly audience?: string | undefined
  readonly parameters: Readonly<Record<string, string>>
}

/** The fields that every kind of token request may have. */
export function commonFields({ scope, audience, parameters }: Common) {
  return { ...present({ scope, audience }), ...parameters }
}

/** The fields that have a value. */
export function present(fields: Readonly<Record<string, string | undefined>>): Record<string, string> {
  const there = Object.entries(fields).filter((field): field is [string, string] => field[1] !== undefined)
  return Object.fromEntries(there)
}
