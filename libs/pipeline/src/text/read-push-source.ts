import type { PushSource, PushTokens } from '../checked/push-source.ts'
import { AS_SECRET } from './check-shape.ts'
import { durationMs } from './duration.ts'
import type { PushSourceText } from './push-source-schema.ts'
import { sizeBytes } from './size.ts'
import { checkHttpUrl, type SourcePlace } from './source-place.ts'

/** Bytes. A day's events of a large shop as JSON; files beyond that are better dropped into a folder. */
const DEFAULT_MAX_BODY_BYTES = 1_000_000_000
const DEFAULT_CONCURRENCY = 8

export function readPushSource(name: string, source: PushSourceText, place: SourcePlace): PushSource {
  const { text, path, problems } = place
  const { keys = [], entra } = source.auth
  if (keys.length === 0 && entra === undefined) {
    problems.error(
      text.at([...path, 'auth']),
      'anybody could push to this source',
      "say who may: `keys: ['${secret:NAME}']`, `entra: { tenant: …, audience: … }`, or both",
    )
  }
  for (const [index, key] of keys.entries()) {
    if (/^\$\{secret:[^}]*\}$/.test(key)) continue
    problems.error(text.at([...path, 'auth', 'keys', index]), 'the key is not kept as a secret', AS_SECRET)
  }
  const tokens = entra === undefined ? {} : { tokens: readTokens(entra, place) }
  return {
    type: 'push',
    name,
    keys,
    ...tokens,
    maxBodyBytes: source.maxBody === undefined ? DEFAULT_MAX_BODY_BYTES : Math.max(1, sizeBytes(source.maxBody)),
    concurrency: source.concurrency ?? DEFAULT_CONCURRENCY,
    limits: (source.limits ?? []).map(({ requests, per }) => ({ requests, periodMs: Math.max(1, durationMs(per)) })),
    datasets: Object.keys(source.datasets).map((dataset) => ({ name: dataset })),
  }
}

function readTokens(entra: NonNullable<PushSourceText['auth']['entra']>, place: SourcePlace): PushTokens {
  const { tenant, audience, roles = [], clients = [], issuer, jwks } = entra
  const at = (key: string): SourcePlace => ({ ...place, path: [...place.path, 'auth', 'entra', key] })
  if (roles.length === 0 && clients.length === 0) {
    place.problems.error(
      place.text.at([...place.path, 'auth', 'entra']),
      'every application of the tenant could push: each can get a token for the audience',
      'name the `roles` or the `clients` that may',
    )
  }
  if (issuer !== undefined) checkHttpUrl(issuer, at('issuer'))
  if (jwks !== undefined) checkJwks(jwks, at('jwks'))
  return {
    // Tokens of version 2 and of version 1, which an application asks for by its manifest.
    // Source: learn.microsoft.com/entra/identity-platform/access-tokens
    issuers:
      issuer === undefined
        ? [`https://login.microsoftonline.com/${tenant}/v2.0`, `https://sts.windows.net/${tenant}/`]
        : [issuer],
    audience,
    jwks: jwks ?? `https://login.microsoftonline.com/${tenant}/discovery/v2.0/keys`,
    roles,
    clients,
  }
}

/** Whoever can change the keys on their way here can push. */
function checkJwks(jwks: string, place: SourcePlace): void {
  checkHttpUrl(jwks, place)
  if (!/^http:/i.test(jwks) || /^http:\/\/(?:127\.0\.0\.1|localhost|\[::1\])[:/]/i.test(jwks)) return
  place.problems.error(
    place.text.at(place.path),
    'the keys that tokens are checked with come over `http:`',
    'expected `https://`',
  )
}
