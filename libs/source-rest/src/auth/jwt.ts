import { duration, durationMs, filled, mapping, secretText, template, text as anyText } from '@cinelake/config-text'
import { z } from 'zod'
import type { Clock } from '@cinelake/core'
import { signAssertion } from './sign-assertion.ts'
import {
  tokenRequest,
  tokenRequestText,
  fields,
  commonFields,
  exchange,
  present,
  tokenIn,
  type TokenRequest,
} from './token-endpoint.ts'
import type { AuthKind } from './auth-kind.ts'

/** Five minutes: some endpoints refuse more than ten. Source: docs.github.com, "Generating a JSON Web Token" */
const DEFAULT_LIFETIME_MS = 300_000

const text = mapping({
  type: z.literal('jwt'),
  as: z
    .enum(['grant', 'clientAssertion', 'token'])
    .optional()
    .describe('What the assertion is used as. Default: `grant`; without `tokenUrl`, `token`.'),
  algorithm: z.enum(['RS256', 'ES256', 'HS256']).optional().describe('Default: `RS256`.'),
  key: secretText.describe('`${secret:NAME}`: a private key (PEM), or the shared secret for HS256.'),
  keyId: filled(anyText).optional(),
  issuer: filled(anyText).optional(),
  subject: filled(anyText).optional().describe('Default: `issuer`.'),
  lifetime: duration.optional().describe('How long an assertion is valid. Default: `5m`.'),
  claims: fields('address').describe('Further claims.'),
  ...tokenRequestText,
  tokenUrl: tokenRequestText.tokenUrl.optional(),
  clientId: filled(anyText).optional(),
})

const checked = z.object({
  type: z.literal('jwt'),
  as: z.enum(['grant', 'clientAssertion', 'token']),
  algorithm: z.enum(['RS256', 'ES256', 'HS256']),
  /** PEM for RS256 and ES256, the shared secret for HS256. */
  key: template,
  keyId: template.optional(),
  issuer: template.optional(),
  subject: template.optional(),
  lifetimeMs: z.int().positive(),
  claims: z.record(z.string(), template).default({}),
  ...tokenRequest,
  /** Empty if the assertion is the token. */
  tokenUrl: template,
  clientId: template.optional(),
})

/** A signed assertion: exchanged for a token (RFC 7523), or sent as the token itself. */
export const jwt = {
  text,
  checked,
  read(auth, { text, path, problems }) {
    const { tokenUrl = '', algorithm = 'RS256', lifetime, claims = {}, parameters = {}, subject, ...rest } = auth
    const as = auth.as ?? (tokenUrl === '' ? 'token' : 'grant')
    if (as !== 'token' && tokenUrl === '') {
      problems.error(text.at(path), 'the assertion is exchanged nowhere', 'add `tokenUrl`, or say `as: token`')
    }
    return {
      ...rest,
      tokenUrl,
      as,
      algorithm,
      lifetimeMs: lifetime === undefined ? DEFAULT_LIFETIME_MS : durationMs(lifetime),
      claims,
      parameters,
      ...((subject ?? rest.issuer) === undefined ? {} : { subject: subject ?? rest.issuer }),
    }
  },
  async token(auth, deps) {
    const { source, clock, hide } = deps
    if (auth.as !== 'token')
      return tokenIn(await exchange(auth.tokenUrl, assertionRequest(auth, source, clock), deps), deps)
    const value = assertionOf(auth, source, clock)
    hide(value)
    return { value, expiresAt: clock().getTime() + auth.lifetimeMs }
  },
} as const satisfies AuthKind<z.infer<typeof text>, z.infer<typeof checked>>

type Jwt = z.infer<typeof checked>

/** An assertion as a grant or for client authentication (RFC 7523, 2.1 and 2.2). All placeholders are filled. */
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
  // The audience belongs to the assertion, not to the form.
  return {
    form: { ...form, ...present({ client_id: auth.clientId }), ...commonFields({ ...auth, audience: undefined }) },
    headers: {},
  }
}

/** The assertion itself. Its audience is the token endpoint unless another is given. */
function assertionOf(auth: Jwt, source: string, clock: Clock): string {
  const { algorithm, key, keyId, issuer, subject, audience, claims, lifetimeMs, tokenUrl } = auth
  const told = present({ iss: issuer, sub: subject, aud: audience ?? (tokenUrl === '' ? undefined : tokenUrl) })
  return signAssertion({ algorithm, key, keyId, lifetimeMs, source, now: clock(), claims: { ...told, ...claims } })
}
