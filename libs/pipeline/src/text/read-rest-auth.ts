import type { RestAuth } from '../checked/rest-auth.ts'
import { AS_SECRET } from './check-shape.ts'
import { durationMs } from './duration.ts'
import { restAuth, type RestAuthText } from './rest-auth-schema.ts'
import { isSecretParameter, secretWord } from './secret-names.ts'
import { sensitivityOf } from './secrets.ts'
import { checkHttpUrl, type SourcePlace } from './source-place.ts'

/** Five minutes: some endpoints refuse more than ten. Source: docs.github.com, "Generating a JSON Web Token" */
const DEFAULT_LIFETIME_MS = 300_000

/** Checks how a source is told who asks, and puts in defaults. */
export function readRestAuth(auth: RestAuthText | undefined, place: SourcePlace): RestAuth {
  if (auth === undefined) return { type: 'none' }
  for (const [key, value] of Object.entries(auth)) {
    const { secrecy } = sensitivityOf(restAuth, [key])
    if (secrecy === 'always' && typeof value === 'string' && !value.includes('${')) secretInText(key, place)
    if (key === 'parameters' && typeof value === 'object') checkParameters(value, place)
  }
  if ('tokenUrl' in auth && auth.tokenUrl !== undefined) {
    checkHttpUrl(
      auth.tokenUrl,
      { ...place, path: [...place.path, 'tokenUrl'] },
      'take them out: `clientId` and `clientSecret` say who asks',
    )
  }
  switch (auth.type) {
    case 'apiKey':
      return readApiKey(auth, place)
    case 'oauth2':
      return readOAuth(auth, place)
    case 'jwt':
      return readJwt(auth, place)
    default:
      return auth
  }
}

function secretInText(key: string, { text, path, problems }: SourcePlace): void {
  problems.error(text.at([...path, key]), `the ${secretWord(key)} stands in the text`, AS_SECRET)
}

/** Fields of a token request that are called as secrets are. */
function checkParameters(parameters: Readonly<Record<string, string>>, place: SourcePlace): void {
  for (const [name, value] of Object.entries(parameters)) {
    if (!isSecretParameter(name) || value.includes('${')) continue
    secretInText(name, { ...place, path: [...place.path, 'parameters'] })
  }
}

type Of<Type extends RestAuthText['type']> = Extract<RestAuthText, { type: Type }>

function readApiKey({ key, header, parameter }: Of<'apiKey'>, { text, path, problems }: SourcePlace): RestAuth {
  if (header !== undefined && parameter !== undefined) {
    problems.error(
      text.at(path),
      'the key goes both into a header and into a query parameter',
      'say `header` or `parameter`',
    )
  }
  return parameter === undefined
    ? { type: 'apiKey', key, in: 'header', name: header ?? 'X-API-Key' }
    : { type: 'apiKey', key, in: 'query', name: parameter }
}

function readOAuth(auth: Of<'oauth2'>, { text, path, problems }: SourcePlace): RestAuth {
  const { grant = 'clientCredentials', clientAuth = 'basic', parameters = {}, ...rest } = auth
  const needed = grant === 'clientCredentials' ? (['clientId', 'clientSecret'] as const) : (['refreshToken'] as const)
  for (const key of needed) {
    if (rest[key] !== undefined) continue
    problems.error(text.at(path), `\`${grant}\` without \`${key}\``, `add \`${key}\``)
  }
  return { ...rest, grant, clientAuth, parameters }
}

function readJwt(auth: Of<'jwt'>, { text, path, problems }: SourcePlace): RestAuth {
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
}
