import { PipelineText } from '../text/pipeline-schema.ts'
import { placeholdersOf, withoutPlaceholders } from '../text/placeholders.ts'
import { isSecretField, isSecretHeader, isSecretParameter, passwordIn, secretWord } from '../text/secret-names.ts'
import { sensitivityOf } from '../text/secrets.ts'
import type { YamlPath } from '../text/yaml-text.ts'

/** A part of a text that has to be kept as a secret. */
export type SecretPart = {
  /** What it is called in messages. */
  readonly what: string
  readonly value: string
  /** `${secret:NAME}` and no more; otherwise what tells how it is meant may stand around it: `Bearer ${secret:NAME}`. */
  readonly alone: boolean
}

/** What has to be kept as a secret of the text at a path: all of it, the password of an address, or nothing. */
export function secretPartsOf(path: YamlPath, value: string): readonly SecretPart[] {
  const name = String(path.at(-1))
  const place = path.slice(2, -1)
  if (sensitivityOf(PipelineText, path).secrecy === 'always')
    return [{ what: secretWord(typeof path.at(-1) === 'number' ? 'key' : name), value, alone: true }]
  if (place[0] === 'headers' && isSecretHeader(name)) return [{ what: `header \`${name}\``, value, alone: false }]
  if (place[0] === 'auth' && place[1] === 'parameters' && isSecretParameter(name))
    return [{ what: name, value, alone: false }]
  if (place[2] === 'query' && isSecretField(name)) return [{ what: `query parameter \`${name}\``, value, alone: false }]
  if (place[2] === 'body' && isSecretField(name))
    return [{ what: `field \`${name}\` of the body`, value, alone: false }]
  if (ADDRESSES.has(name)) return passwordsOf(value, name === 'url')
  return place[0] === 'datasets' && place.length === 2 && name === 'path' ? parametersOf(value) : []
}

const ADDRESSES = new Set(['url', 'baseUrl', 'tokenUrl'])

/**
 * Of an address, and of one that is the default of a setting.
 * @param ofDatabase a password may have slashes there; in other addresses an `@` behind one belongs to the path
 */
function passwordsOf(value: string, ofDatabase: boolean): SecretPart[] {
  const defaults = placeholdersOf(value).found.flatMap(({ fallback }) => fallback ?? [])
  return [value, ...defaults].flatMap((address) => {
    const password = passwordIn(address)
    const isNone = password === undefined || (!ofDatabase && withoutPlaceholders(password).includes('/'))
    return isNone ? [] : [{ what: 'password', value: password, alone: true }]
  })
}

function parametersOf(path: string): SecretPart[] {
  return [...new URLSearchParams(path.split('?')[1] ?? '')].flatMap(([name, value]) =>
    isSecretField(name) ? [{ what: `query parameter \`${name}\``, value, alone: false }] : [],
  )
}

/** Whether such a part is a secret. */
export function isKept({ value, alone }: SecretPart): boolean {
  const { found } = placeholdersOf(value)
  if (!alone) return found.some(({ secret }) => secret)
  return found.length > 0 && found.every(({ secret }) => secret) && withoutPlaceholders(value, '') === ''
}
