import { filled, mapping, secretText, template, text as anyText } from '@cinelake/config-text'
import { z } from 'zod'
import { basicHeader } from './basic.ts'
import {
  tokenRequest,
  tokenRequestText,
  commonFields,
  exchange,
  present,
  tokenIn,
  type Exchanged,
  type TokenRequest,
} from './token-endpoint.ts'
import type { AuthKind, TokenDeps } from './auth-kind.ts'

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
  /** How a client authenticates at a token endpoint: in the Authorization header, or in the form. */
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
  async token(auth, deps) {
    const { grant, refreshToken: told } = auth
    const refreshToken = told === undefined ? undefined : (deps.rotated.get(told) ?? told)
    const answer = await exchange(auth.tokenUrl, oauthRequest({ ...auth, refreshToken }), deps, grant)
    if (grant === 'refreshToken') keepRotated(told ?? '', answer, deps)
    return tokenIn(answer, deps)
  },
} as const satisfies AuthKind<z.infer<typeof text>, z.infer<typeof checked>>

type OAuth = z.infer<typeof checked>

/** Client credentials or a refresh token (RFC 6749, 4.4 and 6). All placeholders are filled. */
function oauthRequest(auth: OAuth): TokenRequest {
  const { clientId, clientSecret, clientAuth, grant, refreshToken } = auth
  const isBasic = clientAuth === 'basic' && clientId !== undefined && clientSecret !== undefined
  return {
    form: {
      grant_type: grant === 'refreshToken' ? 'refresh_token' : 'client_credentials',
      ...present({ refresh_token: grant === 'refreshToken' ? refreshToken : undefined }),
      ...(isBasic ? {} : present({ client_id: clientId, client_secret: clientSecret })),
      ...commonFields(auth),
    },
    // Each part is form-encoded before they are joined. Source: RFC 6749, 2.3.1
    headers: isBasic ? { authorization: basicHeader(formEncoded(clientId), formEncoded(clientSecret)) } : {},
  }
}

const formEncoded = (text: string) => new URLSearchParams({ '': text }).toString().slice(1)

/** Servers that rotate refresh tokens may accept the old one only once. */
function keepRotated(told: string, { body, from }: Exchanged, { source, rotated, hide, log }: TokenDeps): void {
  const next = body['refresh_token']
  if (typeof next !== 'string' || next === '' || next === (rotated.get(told) ?? told)) return
  hide(next)
  rotated.set(told, next)
  log.warn(
    { source, from },
    'the server gave a new refresh token, which only this process knows, since secrets are read and never written: if it takes the old one no more, the next start and every other worker are refused; ask for a refresh token that stays',
  )
}
