import type { Clock, Log } from '@cinelake/core'
import type { RequestPlace } from '../errors.ts'
import type { PageRequest } from '../http/page-request.ts'
import type { Answer } from '../http/send-request.ts'
import type { Token, TokenCache } from './token-cache.ts'

/** One kind of authentication. All texts of `auth` are filled. A kind with neither member signs nothing. */
export type AuthKind<Auth> = {
  /** What every request carries: the same until the secrets are looked up again. */
  readonly proof?: (auth: Auth) => Proof
  /** Gets a token, which is kept, shared among tasks and sent as `Authorization: Bearer`. @throws {RestTokenRefusedError} terminal */
  readonly token?: (auth: Auth, deps: TokenDeps) => Promise<Token>
}

/** What a request is signed with: headers, and a parameter of its address. */
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
