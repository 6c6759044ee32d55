import { AS_SECRET, type Place, placeholdersOf, type Problems, passwordIn } from '@cinelake/config-text'
import { type PlaceScheme, placeSchemeOf } from '../place-address.ts'
import type { AccessText } from './access.ts'

/** What goes with which kind of place, and what a place cannot do. */
export type PlaceRules = {
  readonly called: string
  readonly auth: readonly string[]
  readonly options: readonly string[]
  /** Whether a file's time is when it came there, and not one that its writer may set. */
  readonly knowsArrival: boolean
  /** Whether files can neither be listed nor written, moved or deleted. */
  readonly isReadOnly?: true
}

const RULES: { readonly [Scheme in PlaceScheme]: PlaceRules } = {
  azure: { called: 'Azure', auth: ['sas', 'accountKey', 'connectionString'], options: [], knowsArrival: true },
  s3: {
    called: 'S3',
    auth: ['keyId', 'secretKey', 'sessionToken'],
    options: ['endpoint', 'region', 'pathStyle'],
    knowsArrival: true,
  },
  http: { called: 'HTTP', auth: ['user', 'password', 'token'], options: [], knowsArrival: false, isReadOnly: true },
  sftp: { called: 'SFTP', auth: ['password', 'privateKey', 'passphrase'], options: ['hostKey'], knowsArrival: false },
}

/** A folder needs nothing to sign in. */
const FOLDER: PlaceRules = { called: 'a folder', auth: [], options: [], knowsArrival: true }

/** What signs in and is no secret. */
const NO_SECRET = new Set(['keyId', 'user'])

type Written = AccessText & { readonly path: string }
/** Where the keys of the mapping are in the text. */
type Context = { readonly at: (...keys: string[]) => Place; readonly problems: Problems }

/**
 * Reports what is written about a place and does not go with its address.
 * @returns what the server can do; undefined for a folder, and where an address that a placeholder begins says nothing
 */
export function checkAccess(written: Written, { at, problems }: Context): PlaceRules | undefined {
  const { path } = written
  for (const [key, value] of Object.entries(written.auth ?? {})) {
    // One with placeholders is looked at with them.
    if (value === undefined || NO_SECRET.has(key) || placeholdersOf(value).found.length > 0) continue
    problems.error(at('auth', key), `the ${key} is not kept as a secret`, AS_SECRET)
  }
  if (path.startsWith('${')) return undefined
  const scheme = placeSchemeOf(path)
  if (scheme === undefined && /^[a-z][a-z0-9+.-]+:\/\//i.test(path)) {
    problems.error(
      at('path'),
      'there is no place of files of this kind',
      'expected a folder, or an address that begins with `abfss://`, `https://`, `s3://` or `sftp://`',
    )
    return undefined
  }
  const rules = scheme === undefined ? FOLDER : RULES[scheme]
  checkOptions(written, rules, { at, problems })
  if (scheme !== undefined) checkRemote(written, scheme, { at, problems })
  return scheme === undefined ? undefined : rules
}

function checkOptions(written: Written, { called, auth, options }: PlaceRules, { at, problems }: Context): void {
  for (const key of ['hostKey', 'endpoint', 'region', 'pathStyle'] as const) {
    if (written[key] === undefined || options.includes(key)) continue
    problems.error(at(key), `\`${key}\` does not go with ${called}`, 'leave it out')
  }
  const given = Object.entries(written.auth ?? {}).flatMap(([key, value]) => (value === undefined ? [] : [key]))
  for (const key of given.filter((each) => !auth.includes(each))) {
    const instead = auth.length === 0 ? 'leave it out' : `expected ${auth.map((each) => `\`${each}\``).join(' or ')}`
    problems.error(at('auth', key), `\`${key}\` does not go with ${called}`, instead)
  }
}

function checkRemote({ path, auth, hostKey }: Written, scheme: PlaceScheme, { at, problems }: Context): void {
  const hasPassword = passwordIn(path) !== undefined
  if (/[?#]/.test(path) || hasPassword) {
    problems.error(
      at('path'),
      hasPassword ? 'the address has a password in it' : 'the address has a query',
      scheme === 'azure' ? 'put a shared access signature at `auth: { sas: … }`' : 'put the secret at `auth`',
    )
  }
  if (scheme !== 'sftp') return
  if (hostKey === undefined) {
    problems.error(
      at('path'),
      'no `hostKey` says which server it is',
      'ask who runs it for the fingerprint of its host key, as `ssh-keygen -lf` shows it, and put it at `hostKey`',
    )
  }
  if (auth?.password === undefined && auth?.privateKey === undefined)
    problems.error(at('path'), 'no `auth` says how to sign in', 'give it a `password` or a `privateKey`')
}
