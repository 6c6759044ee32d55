import type { Clock, Log } from '@cinelake/core'
import type { SourcePlace } from '@cinelake/source-kind'
import type { z } from 'zod'
import type { RequestPlace } from '../errors.ts'
import type { PageRequest, SentRequest } from '../http/page-request.ts'
import type { Token, TokenCache } from './token-cache.ts'

/** One kind of authentication. A kind with none of `proof`, `token` and `sign` sends nothing; all three get the texts of `auth` filled. */
export interface AuthKind<Text extends { readonly type: string }, Auth extends { readonly type: string }> {
  /** As it stands in `pipeline.yaml`; what is secret is marked, and reported where it stands in the text. */
  readonly text: z.ZodType<Text>
  /** As it is frozen. */
  readonly checked: z.ZodType<Auth>
  /** Checks a text whose shape is right, and puts in defaults. */
  read(auth: Text, place: SourcePlace): Auth
  /** What every request carries: the same until the secrets are looked up again. */
  proof?(auth: Auth): Proof
  /** Gets a token, which is kept, shared among tasks and sent as `Authorization: Bearer`. @throws {RestTokenRefusedError} terminal */
  token?(auth: Auth, deps: TokenDeps): Promise<Token>
  /**
   * Signs one request, just before it is sent: each page, each retry, and each redirect within the server.
   * @param now when it is sent, so that a signature is never older than the wait for a limit
   * @returns headers that are sent besides, over those of the same name
   */
  sign?(auth: Auth, request: SentRequest, now: Date): Readonly<Record<string, string>>
}

/** What goes along with a request: headers, and a parameter of its address. */
export type Proof = {
  readonly headers: Readonly<Record<string, string>>
  readonly parameter?: readonly [name: string, value: string]
}

/** The part of an Azure identity that is needed. */
export type AzureIdentity = () => Promise<{
  getToken(
    scope: string,
    options?: { readonly abortSignal?: AbortSignal },
  ): Promise<{ readonly token: string; readonly expiresOnTimestamp: number } | null>
}>

/** What of an answer counts here. */
export type Answer = { readonly body: Uint8Array }

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
