import { AS_SECRET, isSecretParameter, mapping, secretWord, sensitivityOf } from '@cinelake/config-text'
import { type SourcePlace, checkHttpUrl } from '@cinelake/source-kind'
import { z } from 'zod'
import { apiKey } from './api-key.ts'
import type { AuthKind } from './auth-kind.ts'
import { awsSigV4 } from './aws-sigv4.ts'
import { azure } from './azure.ts'
import { basic } from './basic.ts'
import { bearer } from './bearer.ts'
import { jwt } from './jwt.ts'
import { oauth2 } from './oauth2.ts'

const text = mapping({ type: z.literal('none') })
const checked = z.object({ type: z.literal('none') })

/** No authentication. */
const none = {
  text,
  checked,
  read: (auth) => auth,
} as const satisfies AuthKind<z.infer<typeof text>, z.infer<typeof checked>>

/** All kinds of authentication, by `type`. */
const KINDS = { none, bearer, basic, apiKey, oauth2, jwt, azure, awsSigV4 } as const

/** The authentication of a source, as written in `pipeline.yaml`. */
export const RestAuthText = z.discriminatedUnion('type', [
  none.text,
  bearer.text,
  basic.text,
  apiKey.text,
  oauth2.text,
  jwt.text,
  azure.text,
  awsSigV4.text,
])
export type RestAuthText = z.infer<typeof RestAuthText>

/** The authentication of a REST source. */
export const RestAuth = z.discriminatedUnion('type', [
  none.checked,
  bearer.checked,
  basic.checked,
  apiKey.checked,
  oauth2.checked,
  jwt.checked,
  azure.checked,
  awsSigV4.checked,
])
export type RestAuth = z.infer<typeof RestAuth>

/** The kind of an `auth`. */
export const kindOf = ({ type }: Pick<RestAuth, 'type'>): AuthKind<RestAuthText, RestAuth> => KINDS[type]

/** Validates a source's authentication, and fills in defaults. */
export function readRestAuth(auth: RestAuthText | undefined, place: SourcePlace): RestAuth {
  if (auth === undefined) return { type: 'none' }
  for (const [key, value] of Object.entries(auth)) {
    const { secrecy } = sensitivityOf(RestAuthText, [key])
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
  return kindOf(auth).read(auth, place)
}

function secretInText(key: string, { text, path, problems }: SourcePlace): void {
  problems.error(text.at([...path, key]), `the ${secretWord(key)} stands in the text`, AS_SECRET)
}

/** Fields of a token request whose names are those of secrets. */
function checkParameters(parameters: Readonly<Record<string, string>>, place: SourcePlace): void {
  for (const [name, value] of Object.entries(parameters)) {
    if (!isSecretParameter(name) || value.includes('${')) continue
    secretInText(name, { ...place, path: [...place.path, 'parameters'] })
  }
}
