import type { RestAuth } from '../config/index.ts'
import type { AuthKind, TokenDeps } from './auth-kind.ts'
import { basicHeader } from './basic.ts'
import { commonFields, exchange, present, tokenIn, type Exchanged, type TokenRequest } from './token-endpoint.ts'

type OAuth = Extract<RestAuth, { type: 'oauth2' }>

/** A token of an OAuth 2.0 server, for client credentials or for a refresh token. */
export const oauth2: AuthKind<OAuth> = {
  async token(auth, deps) {
    const { grant, refreshToken: told } = auth
    const refreshToken = told === undefined ? undefined : (deps.rotated.get(told) ?? told)
    const answer = await exchange(auth.tokenUrl, oauthRequest({ ...auth, refreshToken }), deps, grant)
    if (grant === 'refreshToken') keepRotated(told ?? '', answer, deps)
    return tokenIn(answer, deps)
  },
}

/** Client credentials or a refresh token (RFC 6749, 4.4 and 6). All texts are filled. */
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

/** Servers that give a new refresh token may take the old one only once. */
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
