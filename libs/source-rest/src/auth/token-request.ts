import type { Clock } from '@cinelake/core'
import type { RestAuth } from '../config/index.ts'
import { signAssertion } from './sign-assertion.ts'

/** The form and headers of a request to a token endpoint. */
export type TokenRequest = {
  readonly form: Readonly<Record<string, string>>
  readonly headers: Readonly<Record<string, string>>
}

type OAuth = Extract<RestAuth, { type: 'oauth2' }>
type Jwt = Extract<RestAuth, { type: 'jwt' }>

/** Client credentials or a refresh token (RFC 6749, 4.4 and 6). All texts are filled. */
export function oauthRequest(auth: OAuth): TokenRequest {
  const { clientId, clientSecret, clientAuth, grant, refreshToken } = auth
  const isBasic = clientAuth === 'basic' && clientId !== undefined && clientSecret !== undefined
  return {
    form: {
      grant_type: grant === 'refreshToken' ? 'refresh_token' : 'client_credentials',
      ...present({ refresh_token: grant === 'refreshToken' ? refreshToken : undefined }),
      ...(isBasic ? {} : present({ client_id: clientId, client_secret: clientSecret })),
      ...common(auth),
    },
    // Each part is form-encoded before they are joined. Source: RFC 6749, 2.3.1
    headers: isBasic ? { authorization: basic(formEncoded(clientId), formEncoded(clientSecret)) } : {},
  }
}

/** An assertion as a grant or as the client's authentication (RFC 7523, 2.1 and 2.2). All texts are filled. */
export function assertionRequest(auth: Jwt, source: string, clock: Clock): TokenRequest {
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
    form: { ...form, ...present({ client_id: auth.clientId }), ...common({ ...auth, audience: undefined }) },
    headers: {},
  }
}

/** The assertion itself. Its audience is the token endpoint where no other is told. */
export function assertionOf(auth: Jwt, source: string, clock: Clock): string {
  const { algorithm, key, keyId, issuer, subject, audience, claims, lifetimeMs, tokenUrl } = auth
  const told = present({ iss: issuer, sub: subject, aud: audience ?? (tokenUrl === '' ? undefined : tokenUrl) })
  return signAssertion({ algorithm, key, keyId, lifetimeMs, source, now: clock(), claims: { ...told, ...claims } })
}

/** What goes into an Authorization header of the scheme `Basic` (RFC 7617). */
export const basic = (user: string, password: string) =>
  `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`

type Common = Pick<OAuth, 'scope' | 'audience' | 'parameters'>

function common({ scope, audience, parameters }: { [Key in keyof Common]: Common[Key] | undefined }) {
  return { ...present({ scope, audience }), ...parameters }
}

const formEncoded = (text: string) => new URLSearchParams({ '': text }).toString().slice(1)

function present(fields: Readonly<Record<string, string | undefined>>): Record<string, string> {
  const there = Object.entries(fields).filter((field): field is [string, string] => field[1] !== undefined)
  return Object.fromEntries(there)
}
