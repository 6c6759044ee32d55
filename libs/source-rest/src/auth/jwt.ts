import type { Clock } from '@cinelake/core'
import type { RestAuth } from '../config/index.ts'
import type { AuthKind } from './auth-kind.ts'
import { signAssertion } from './sign-assertion.ts'
import { commonFields, exchange, present, tokenIn, type TokenRequest } from './token-endpoint.ts'

type Jwt = Extract<RestAuth, { type: 'jwt' }>

/** An assertion that the source's key signs: sent as the token itself, or exchanged for one. */
export const jwt: AuthKind<Jwt> = {
  async token(auth, deps) {
    const { source, clock, hide } = deps
    if (auth.as !== 'token')
      return tokenIn(await exchange(auth.tokenUrl, assertionRequest(auth, source, clock), deps), deps)
    const value = assertionOf(auth, source, clock)
    hide(value)
    return { value, expiresAt: clock().getTime() + auth.lifetimeMs }
  },
}

/** An assertion as a grant or as the client's authentication (RFC 7523, 2.1 and 2.2). All texts are filled. */
function assertionRequest(auth: Jwt, source: string, clock: Clock): TokenRequest {
  const assertion = assertionOf(auth, source, clock)
  const form: Readonly<Record<string, string>> =
    auth.as === 'grant'
      ? { grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer', assertion }
      : {
          grant_type: 'client_credentials',
          client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
          client_assertion: assertion,
        }
  // The audience is the assertion's, not the form's.
  return {
    form: { ...form, ...present({ client_id: auth.clientId }), ...commonFields({ ...auth, audience: undefined }) },
    headers: {},
  }
}

/** The assertion itself. Its audience is the token endpoint where no other is told. */
function assertionOf(auth: Jwt, source: string, clock: Clock): string {
  const { algorithm, key, keyId, issuer, subject, audience, claims, lifetimeMs, tokenUrl } = auth
  const told = present({ iss: issuer, sub: subject, aud: audience ?? (tokenUrl === '' ? undefined : tokenUrl) })
  return signAssertion({ algorithm, key, keyId, lifetimeMs, source, now: clock(), claims: { ...told, ...claims } })
}
