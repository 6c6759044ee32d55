import { z } from 'zod'
import { template } from './template.ts'

/** How a client tells a token endpoint who it is: in the Authorization header, or in the form. */
const clientAuth = z.enum(['basic', 'body'])

const tokenRequest = {
  tokenUrl: template,
  scope: template.optional(),
  audience: template.optional(),
  /** Further fields of the form. */
  parameters: z.record(z.string(), template).default({}),
}

/** How a REST source is told who asks. */
export const RestAuth = z.discriminatedUnion('type', [
  z.object({ type: z.literal('none') }),
  z.object({ type: z.literal('bearer'), token: template }),
  z.object({ type: z.literal('basic'), username: template, password: template }),
  z.object({ type: z.literal('apiKey'), key: template, in: z.enum(['header', 'query']), name: z.string() }),
  /** OAuth 2.0 (RFC 6749): client credentials, or a refresh token. */
  z.object({
    type: z.literal('oauth2'),
    grant: z.enum(['clientCredentials', 'refreshToken']),
    ...tokenRequest,
    clientId: template.optional(),
    clientSecret: template.optional(),
    clientAuth,
    refreshToken: template.optional(),
  }),
  /** A signed assertion: exchanged for a token (RFC 7523), or sent as the token itself. */
  z.object({
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
    /** Empty where the assertion is the token. */
    tokenUrl: template,
    clientId: template.optional(),
  }),
  /** The identity that Azure gives the process. */
  z.object({ type: z.literal('azure'), scope: template }),
])
export type RestAuth = z.infer<typeof RestAuth>
