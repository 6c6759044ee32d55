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

/** The token endpoint, or Azure, refused. Its answer is not shown: it may repeat the request. */
export class RestTokenRefusedError extends TerminalError {
  readonly code = 'REST_TOKEN_REFUSED'

  constructor(
    source: string,
    from: string,
    got: string,
    { grant, ...options }: ErrorOptions & { readonly grant?: string } = {},
  ) {
    const remedy =
      grant === 'refreshToken'
        ? 'put a refresh token that is valid in the place of secrets; a server that gives a new refresh token each time and then refuses the old one is nothing that can be kept up with over restarts and several workers: ask its operator for one that stays, or use another `grant`'
        : "correct the source's `auth` (client, scope, audience) or the secrets that it names"
    super(
      `no token for the API [source=${source} from=${from}]: expected a token, got ${got}; ${remedy}`,
      { source, from, got },
      options,
    )
  }
}
