import type { Clock, Log } from '@cinelake/core'
import type { SourcePlace } from '@cinelake/source-kind'
import type { z } from 'zod'
import type { RequestPlace } from '../errors.ts'
import type { PageRequest, SentRequest } from '../http/page-request.ts'
import type { Token, TokenCache } from './token-cache.ts'

/** One kind of authentication. A kind has `proof`, `token`, `sign`, or none of them; all receive `auth` with all placeholders filled. */
export interface AuthKind<Text extends { readonly type: string }, Auth extends { readonly type: string }> {
  /** The schema of the text in `pipeline.yaml`; secret fields are marked, and literal secrets are reported. */
  readonly text: z.ZodType<Text>
  /** The schema of the frozen form. */
  readonly checked: z.ZodType<Auth>
  /** Validates a text that matches the schema, and fills in defaults. */
  read(auth: Text, place: SourcePlace): Auth
  /** The credentials of every request: constant until the secrets are refreshed. */
  proof?(auth: Auth): Proof
  /** Obtains a token, which is cached, shared among tasks and sent as `Authorization: Bearer`. @throws {RestTokenRefusedError} terminal */
  token?(auth: Auth, deps: TokenDeps): Promise<Token>
  /**
   * Signs one request, just before it is sent: each page, each retry, and each redirect within the server.
   * @param now when it is sent, so that a signature is never older than the wait for a limit
   * @returns headers to add; they replace those of the same name
   */
  sign?(auth: Auth, request: SentRequest, now: Date): Readonly<Record<string, string>>
  /** Statuses other than 401 with which its servers refuse a credential that was replaced or expired. */
  readonly refusedWith?: readonly number[]
}

/** The credentials that are added to a request: headers, and a query parameter. */
export type Proof = {
  readonly headers: Readonly<Record<string, string>>
  readonly parameter?: readonly [name: string, value: string]
}

/** The part of an Azure identity that is used. */
export type AzureIdentity = () => Promise<{
  getToken(
    scope: string,
    options?: { readonly abortSignal?: AbortSignal },
  ): Promise<{ readonly token: string; readonly expiresOnTimestamp: number } | null>
}>

/** The part of a response that is used. */
export type Answer = { readonly body: Uint8Array }

export type TokenDeps = {
  readonly source: string
  readonly dataset: string
  /** Sends a request with these headers, with the source's retries, limits and timeouts. */
  readonly ask: (
    request: PageRequest,
    headers: Readonly<Record<string, string>>,
    place: RequestPlace,
  ) => Promise<Answer>
  readonly azure: AzureIdentity | undefined
  readonly rotated: TokenCache['rotated']
  /** Registers a value for redaction in everything that people read. */
  readonly hide: (secret: string) => void
  readonly clock: Clock
  readonly log: Log
  readonly signal: AbortSignal
}
