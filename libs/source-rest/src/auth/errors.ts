import { TerminalError } from '@cinelake/core'

/** A key that cannot be used for signing. Never shows it. */
export class RestKeyError extends TerminalError {
  readonly code = 'REST_KEY_INVALID'

  constructor(source: string, algorithm: string, got: string) {
    super(
      `key cannot sign [source=${source} algorithm=${algorithm}]: expected ${KEYS[algorithm] ?? 'a key'}, got ${got}; put the right one in the place of secrets`,
      { source, algorithm, got },
    )
  }
}

const KEYS: Readonly<Record<string, string>> = {
  RS256: 'a private RSA key as PEM',
  ES256: 'a private key of the curve P-256 as PEM',
  HS256: 'a secret that is not empty',
}

/** What to do about an error code of a token endpoint. Only these are shown. Source: RFC 6749, 5.2; RFC 8707, 2 */
const REMEDIES: Readonly<Record<string, string>> = {
  invalid_request: "correct the source's `auth`: the endpoint misses a field, or does not know one (`parameters`)",
  invalid_client:
    'correct `clientId` and the secret or key that `auth` names, or how the client names itself (`clientAuth`)',
  invalid_grant: 'correct the assertion or the refresh token (issuer, subject, audience, key) that `auth` names',
  unauthorized_client: "ask the API's operator to allow the client this `grant`",
  unsupported_grant_type: 'use another `grant`, or another `type` of `auth`: the endpoint does not know this one',
  invalid_scope: 'correct `scope`: the endpoint does not know it, or does not give it to this client',
  invalid_target: 'correct `audience`: the endpoint does not know it',
}

const REMEDY = "correct the source's `auth` (client, scope, audience) or the secrets that it names"
const REFRESH_REMEDY =
  'put a refresh token that is valid in the place of secrets; a server that gives a new refresh token each time and then refuses the old one is nothing that can be kept up with over restarts and several workers: ask its operator for one that stays, or use another `grant`'

type TokenRefusal = ErrorOptions & {
  readonly grant?: string | undefined
  /** `error` of the answer, whatever it is. */
  readonly reason?: unknown
}

/** The token endpoint, or Azure, refused. Its answer is not shown, since it may repeat the request; a standard error code is. */
export class RestTokenRefusedError extends TerminalError {
  readonly code = 'REST_TOKEN_REFUSED'

  constructor(source: string, from: string, problem: string, { grant, reason, ...options }: TokenRefusal = {}) {
    const known = Object.keys(REMEDIES).find((code) => code === reason)
    const got = known === undefined ? problem : `${problem} (${known})`
    const isRefresh = grant === 'refreshToken' && (known === undefined || known === 'invalid_grant')
    const remedy = isRefresh ? REFRESH_REMEDY : (REMEDIES[known ?? ''] ?? REMEDY)
    super(
      `no token for the API [source=${source} from=${from}]: expected a token, got ${got}; ${remedy}`,
      { source, from, got },
      options,
    )
  }
}
