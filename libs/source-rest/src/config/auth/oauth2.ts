import { filled, mapping, secretText, template, text as anyText } from '@cinelake/config-text'
import { z } from 'zod'
import type { RestAuthKind } from './auth-kind.ts'
import { tokenRequest, tokenRequestText } from './token-request.ts'

const text = mapping({
  type: z.literal('oauth2'),
  grant: z.enum(['clientCredentials', 'refreshToken']).optional().describe('Default: `clientCredentials`.'),
  ...tokenRequestText,
  clientId: filled(anyText).optional(),
  clientSecret: secretText.optional(),
  clientAuth: z
    .enum(['basic', 'body'])
    .optional()
    .describe('Where the client names itself: in the Authorization header (default) or in the form.'),
  refreshToken: secretText.optional(),
})

const checked = z.object({
  type: z.literal('oauth2'),
  grant: z.enum(['clientCredentials', 'refreshToken']),
  ...tokenRequest,
  clientId: template.optional(),
  clientSecret: template.optional(),
  /** How a client tells a token endpoint who it is: in the Authorization header, or in the form. */
  clientAuth: z.enum(['basic', 'body']),
  refreshToken: template.optional(),
})

/** OAuth 2.0 (RFC 6749): client credentials, or a refresh token. */
export const oauth2 = {
  text,
  checked,
  read(auth, { text, path, problems }) {
    const { grant = 'clientCredentials', clientAuth = 'basic', parameters = {}, ...rest } = auth
    const needed = grant === 'clientCredentials' ? (['clientId', 'clientSecret'] as const) : (['refreshToken'] as const)
    for (const key of needed) {
      if (rest[key] !== undefined) continue
      problems.error(text.at(path), `\`${grant}\` without \`${key}\``, `add \`${key}\``)
    }
    return { ...rest, grant, clientAuth, parameters }
  },
} as const satisfies RestAuthKind<z.infer<typeof text>, z.infer<typeof checked>>
