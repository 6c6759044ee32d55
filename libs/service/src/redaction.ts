import { createRedactor } from '@cinelake/core'
import type { Settings } from './environment.ts'

type Redact = (text: string) => string

/** Redaction of a process's texts before they are shown. */
export type Redaction = {
  /** Removes the environment's secrets, and the values given to `redactWith`, from a text. */
  readonly redact: Redact
  /** Makes `redact` remove more values: secrets that become known while the process runs. */
  readonly redactWith: (redact: Redact) => void
}

/** Knows every secret of the environment from the start. */
export function createRedaction(settings: Settings): Redaction {
  const redactors: Redact[] = [createRedactor(secretsInEnvironment(settings)).redact]
  return {
    redact: (text) => redactors.reduce((clean, redact) => redact(clean), text),
    redactWith: (redact) => void redactors.push(redact),
  }
}

/** Settings that hold a secret, by the end of their names; and those that store secrets by name. */
const SECRET_NAME =
  /(?:CONNECTION_?STRING|PASSWORD|SECRET|TOKEN|OTLP(?:_[A-Z]+)?_HEADERS|(?:^|_)(?:SAS|KEY))$|^CINELAKE_SECRET_/i

/** Common values that are never secrets: redacting them would make every log line unreadable. */
const ORDINARY = new Set(['true', 'false', 'null', 'none'])

/** The user information of an address, between `:` and `@`. A password may contain an unescaped `@`. */
const ADDRESS_PASSWORD = /[a-z][a-z0-9+.-]*:\/\/[^\s/?#:]*:([^\s/?#]+)@/gi

/**
 * Secret parts of connection strings and of addresses.
 * Sources: learn.microsoft.com/azure/storage/common/storage-configure-connection-string,
 * learn.microsoft.com/sql/connect/ado-net
 */
const SECRET_PART =
  /(?:^|[;?&\s])(?:SharedAccessKey|SharedAccessSignature|AccountKey|sig|password|pwd|secret|client_secret|token|access_token|api_?key)\s*=\s*("[^"]*"|'[^']*'|[^;&]+)/gi

/** Values of the environment that must not appear in a log, an error or an event. Exported for tests. */
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
    // A `%` that is not an escape: the text is taken literally.
    return value
  }
}
