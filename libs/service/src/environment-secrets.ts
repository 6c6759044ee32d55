import type { Settings } from './environment.ts'

/** Settings that hold a secret, by the end of their names; and those in which secrets are kept by name. */
const SECRET_NAME = /(?:CONNECTION_?STRING|PASSWORD|SECRET|TOKEN|(?:^|_)(?:SAS|KEY))$|^CINELAKE_SECRET_/i

/** Words that are values of many settings and never a secret. They would be missed in every line. */
const ORDINARY = new Set(['true', 'false', 'null', 'none'])

/** What stands between `:` and `@` of an address. A password may hold an `@` that nobody escaped. */
const ADDRESS_PASSWORD = /[a-z][a-z0-9+.-]*:\/\/[^\s/?#:]*:([^\s/?#]+)@/gi

/**
 * Secret parts of connection strings and of addresses.
 * Sources: learn.microsoft.com/azure/storage/common/storage-configure-connection-string, learn.microsoft.com/sql/connect/ado-net
 */
const SECRET_PART =
  /(?:^|[;?&\s])(?:SharedAccessKey|SharedAccessSignature|AccountKey|sig|password|pwd|secret|client_secret|token|access_token|api_?key)\s*=\s*("[^"]*"|'[^']*'|[^;&]+)/gi

/** Values of the environment that nobody may read in a log, an error or an event. */
export function secretsInEnvironment(settings: Settings): string[] {
  const found = Object.entries(settings).flatMap(([name, value]) => [
    ...(SECRET_NAME.test(name) ? [value] : []),
    ...groupsOf(ADDRESS_PASSWORD, value),
    ...groupsOf(SECRET_PART, value),
  ])
  const trimmed = found.flatMap((value) => [value, value.trim(), value.trim().replace(/^(["'])(.*)\1$/s, '$2')])
  const decoded = trimmed.flatMap((value) => [value, percentDecoded(value)])
  return [...new Set(decoded)].filter((value) => value !== '' && !ORDINARY.has(value.toLowerCase()))
}

function groupsOf(pattern: RegExp, text: string): string[] {
  return [...text.matchAll(pattern)].flatMap(([, group]) => group ?? [])
}

function percentDecoded(value: string): string {
  try {
    return decodeURIComponent(value)
  } catch {
    // A `%` that escapes nothing: then the text means itself.
    return value
  }
}
