import { duration, durationMs, filled, mapping, secretText, template, text as anyText } from '@cinelake/config-text'
import { z } from 'zod'
import type { RestAuthKind } from './auth-kind.ts'
import { fields, tokenRequest, tokenRequestText } from './token-request.ts'

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
  /** Empty where the assertion is the token. */
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
} as const satisfies RestAuthKind<z.infer<typeof text>, z.infer<typeof checked>>
