import { placeholdersOf, withoutPlaceholders } from './placeholders.ts'
import type { Sensitivity } from './secrets.ts'

/** A part of a text that has to be kept as a secret. */
type SecretPart = {
  /** What it is called in messages. */
  readonly what: string
  readonly value: string
  /** `${secret:NAME}` and no more; otherwise what tells how it is meant may stand around it: `Bearer ${secret:NAME}`. */
  readonly alone: boolean
}

/**
 * What has to be kept as a secret of a text: all of it, the password of an address, or nothing.
 * @param name of its field; a number where it is in a list
 * @param field what its schema says of it
 */
export function secretPartsOf(
  name: string | number,
  value: string,
  { secrecy, place }: Pick<Sensitivity, 'secrecy' | 'place'>,
): readonly SecretPart[] {
  const key = String(name)
  if (secrecy === 'always') return [{ what: secretWord(typeof name === 'number' ? 'key' : name), value, alone: true }]
  if (place === 'header' && isSecretHeader(key)) return [{ what: `header \`${key}\``, value, alone: false }]
  if (place === 'tokenField' && isSecretParameter(key)) return [{ what: key, value, alone: false }]
  if (place === 'queryParameter' && isSecretField(key))
    return [{ what: `query parameter \`${key}\``, value, alone: false }]
  if (place === 'bodyField' && isSecretField(key))
    return [{ what: `field \`${key}\` of the body`, value, alone: false }]
  if (place === 'path') return parametersOf(value)
  return secrecy === undefined ? [] : passwordsOf(value, place === 'databaseAddress')
}

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

/** What is called after a secret and only says of what kind it is: `client_assertion_type`, `X-Token-Type`. */
const ABOUT_SECRET = /[_-](?:type|use|format)$/i

/** Whether a header is called as those are that carry a secret. */
export function isSecretHeader(name: string): boolean {
  return /^(?:authorization|cookie|.*(?:api-?key|token|secret).*)$/i.test(name) && !ABOUT_SECRET.test(name)
}

/** Whether a field of a token request is called as secrets are. */
export function isSecretParameter(name: string): boolean {
  return /password|secret|token|assertion/i.test(name) && !ABOUT_SECRET.test(name)
}

/** Whether a query parameter or a field of a body carries nothing but a secret. Cursors are called tokens as well. */
export function isSecretField(name: string): boolean {
  return /^(?:(?:x-)?api[_-]?key|(?:access|auth|bearer)[_-]?token|client[_-]?secret|secret|password|passwd)$/i.test(
    name,
  )
}

/** What a secret of `auth` is called in messages. */
export function secretWord(key: string): string {
  return WORDS[key] ?? key
}

const WORDS: Readonly<Record<string, string>> = { clientSecret: 'client secret', refreshToken: 'refresh token' }

/** The password of an address that is no single placeholder. */
export function passwordIn(url: string): string | undefined {
  return /^[a-z]+:\/\/(?:\$\{[^}]*\}|[^/@:$]|\$(?!\{))*:(.+)@/i.exec(url)?.[1]
}
