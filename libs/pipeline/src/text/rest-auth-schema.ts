import { z } from 'zod'
import { mapping } from './check-shape.ts'
import { duration, text } from './schema-words.ts'
import { mayBeSecret, secretText as secret } from './secrets.ts'

const fields = z.record(text, mayBeSecret(z.string())).optional()

const tokenRequest = {
  tokenUrl: mayBeSecret(text).describe('Address that gives tokens.'),
  scope: text.optional(),
  audience: text.optional(),
  parameters: fields.describe('Further fields of the token request.'),
}

/** How a source is told who asks, as it stands in `pipeline.yaml`. */
export const restAuth = z.discriminatedUnion('type', [
  mapping({ type: z.literal('none') }),
  mapping({ type: z.literal('bearer'), token: secret }),
  mapping({ type: z.literal('basic'), username: mayBeSecret(text), password: secret }),
  mapping({
    type: z.literal('apiKey'),
    key: secret,
    header: text.optional().describe('Header that carries the key. Default: `X-API-Key`.'),
    parameter: text.optional().describe('Query parameter that carries the key, in place of a header.'),
  }),
  mapping({
    type: z.literal('oauth2'),
    grant: z.enum(['clientCredentials', 'refreshToken']).optional().describe('Default: `clientCredentials`.'),
    ...tokenRequest,
    clientId: text.optional(),
    clientSecret: secret.optional(),
    clientAuth: z
      .enum(['basic', 'body'])
      .optional()
      .describe('Where the client names itself: in the Authorization header (default) or in the form.'),
    refreshToken: secret.optional(),
  }),
  mapping({
    type: z.literal('jwt'),
    as: z
      .enum(['grant', 'clientAssertion', 'token'])
      .optional()
      .describe('What the assertion is used as. Default: `grant`; without `tokenUrl`, `token`.'),
    algorithm: z.enum(['RS256', 'ES256', 'HS256']).optional().describe('Default: `RS256`.'),
    key: secret.describe('`${secret:NAME}`: a private key (PEM), or the shared secret for HS256.'),
    keyId: text.optional(),
    issuer: text.optional(),
    subject: text.optional().describe('Default: `issuer`.'),
    lifetime: duration.optional().describe('How long an assertion is valid. Default: `5m`.'),
    claims: fields.describe('Further claims.'),
    ...tokenRequest,
    tokenUrl: tokenRequest.tokenUrl.optional(),
    clientId: text.optional(),
  }),
  mapping({ type: z.literal('azure'), scope: text.describe('`api://APPLICATION/.default`') }),
])

export type RestAuthText = z.infer<typeof restAuth>
