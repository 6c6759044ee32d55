import { isOpen } from '../file-pattern.ts'
import { type PlaceScheme, placeSchemeOf } from '@cinelake/file-places'
import { passwordIn } from '@cinelake/config-text'
import type { SourcePlace } from '@cinelake/source-kind'

/** The part of a source's text that says where its files are. */
type PlaceText = {
  readonly path: string
  readonly auth?: Readonly<Record<string, string | undefined>> | undefined
  readonly hostKey?: string | readonly string[] | undefined
  readonly endpoint?: string | undefined
  readonly region?: string | undefined
  readonly pathStyle?: boolean | undefined
  readonly datasets: Readonly<
    Record<
      string,
      {
        readonly files?: string | undefined
        readonly windowFrom?: string | undefined
        readonly afterLanding?: string | { readonly archive: string } | undefined
      }
    >
  >
}

/** What of a source goes with which kind of place, and what a place cannot do. */
type Rules = {
  readonly called: string
  readonly auth: readonly string[]
  readonly options: readonly string[]
  /** Whether a file's time is when it came there, and not one that its writer may set. */
  readonly knowsArrival: boolean
  /** Whether files can neither be listed nor moved nor deleted. */
  readonly isReadOnly?: true
}

const RULES: { readonly [Scheme in PlaceScheme]: Rules } = {
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
const FOLDER: Rules = { called: 'a folder', auth: [], options: [], knowsArrival: true }

/** Reports what of a source does not go with its place. An address that a placeholder begins says nothing yet. */
export function checkPlace(source: PlaceText, place: SourcePlace): void {
  const { path } = source
  if (path.startsWith('${')) return
  const scheme = placeSchemeOf(path)
  const rules = scheme === undefined ? FOLDER : RULES[scheme]
  if (scheme === undefined && /^[a-z][a-z0-9+.-]+:\/\//i.test(path)) {
    place.problems.error(
      place.text.at([...place.path, 'path']),
      'no files can be read from an address of this kind',
      'expected a folder, or an address that begins with `abfss://`, `https://`, `s3://` or `sftp://`',
    )
    return
  }
  checkOptions(source, rules, place)
  if (scheme !== undefined) checkRemote(source, { ...rules, scheme }, place)
}

function checkOptions(source: PlaceText, { called, auth, options }: Rules, { text, path, problems }: SourcePlace) {
  for (const key of ['hostKey', 'endpoint', 'region', 'pathStyle'] as const) {
    if (source[key] === undefined || options.includes(key)) continue
    problems.error(text.at([...path, key]), `\`${key}\` does not go with ${called}`, 'leave it out')
  }
  const given = Object.entries(source.auth ?? {}).flatMap(([key, value]) => (value === undefined ? [] : [key]))
  for (const key of given.filter((each) => !auth.includes(each))) {
    const instead = auth.length === 0 ? 'leave it out' : `expected ${auth.map((each) => `\`${each}\``).join(' or ')}`
    problems.error(text.at([...path, 'auth', key]), `\`${key}\` does not go with ${called}`, instead)
  }
}

function checkRemote(
  source: PlaceText,
  { called, knowsArrival, isReadOnly, scheme }: Rules & { readonly scheme: PlaceScheme },
  { text, path, problems }: SourcePlace,
): void {
  const hasPassword = passwordIn(source.path) !== undefined
  if (/[?#]/.test(source.path) || hasPassword) {
    problems.error(
      text.at([...path, 'path']),
      hasPassword ? 'the address has a password in it' : 'the address has a query',
      scheme === 'azure' ? 'put a shared access signature at `auth: { sas: … }`' : 'put the secret at `auth`',
    )
  }
  if (scheme === 'sftp' && source.hostKey === undefined) {
    problems.error(
      text.at([...path, 'path']),
      'no `hostKey` says which server it is',
      'ask who runs it for the fingerprint of its host key, as `ssh-keygen -lf` shows it, and put it at `hostKey`',
    )
  }
  if (scheme === 'sftp' && source.auth?.['password'] === undefined && source.auth?.['privateKey'] === undefined) {
    problems.error(
      text.at([...path, 'path']),
      'no `auth` says how to sign in',
      'give it a `password` or a `privateKey`',
    )
  }
  for (const [name, { files, windowFrom, afterLanding }] of Object.entries(source.datasets)) {
    const at = (key: string) => text.at([...path, 'datasets', name, key])
    if (isReadOnly === true && files !== undefined && isOpen(files)) {
      problems.error(
        at('files'),
        'an HTTP server is not listed: a name cannot have wildcards',
        'write the name out, with `{yyyy}`, `{MM}`, `{dd}` for the time and `{a,b}` for several',
      )
    }
    if (isReadOnly === true && afterLanding !== undefined && afterLanding !== 'leave') {
      problems.error(at('afterLanding'), `${called} can neither move nor delete files`, 'leave it out')
      continue
    }
    if (windowFrom === 'arrival' && !knowsArrival) {
      problems.error(
        at('windowFrom'),
        `${called} cannot tell when a file came`,
        'use `modified`, or the time in the name',
      )
    }
    if (typeof afterLanding === 'object' && /^(?:[/\\]|[a-z]+:)/i.test(afterLanding.archive)) {
      problems.error(
        text.at([...path, 'datasets', name, 'afterLanding', 'archive']),
        "an archive outside the source's `path` cannot be reached",
        'expected a folder below it, such as `done`',
      )
    }
  }
}
