import type { Fill } from '@cinelake/secrets'
import { databaseSourceErrors } from './errors.ts'

/** Address and credentials of a database. Never shown as a whole. */
export type DatabaseAddress = {
  readonly scheme: string
  readonly host: string
  /** Undefined: the default port of the scheme. */
  readonly port: number | undefined
  readonly database: string
  readonly user: string | undefined
  readonly password: string | undefined
  /** The parameters after `?`. */
  readonly parameters: ReadonlyMap<string, string>
}

/**
 * Fills the placeholders of an address. A secret within an address is one component, whatever its characters, so it
 * is escaped; an address that is a secret as a whole is used unchanged.
 */
export async function fillAddress(
  fill: Fill,
  template: string,
  options: { readonly refresh: boolean },
): Promise<string> {
  const isWhole = isPlaceholder(template)
  const filled = await fill(template, isWhole ? options : { ...options, encodeSecret: encodeURIComponent })
  return filled.trim()
}

const isPlaceholder = (template: string) => /^\$\{[^{}]*\}$/.test(template.trim())

/** Whether the whole address is a secret. */
export function isSecretAsWhole(template: string): boolean {
  return isPlaceholder(template) && hasSecret(template)
}

/** Whether refreshing the secrets could give another address. */
export function hasSecret(template: string): boolean {
  return template.includes('${secret:')
}

/** @throws {DATABASE_ADDRESS_INVALID} terminal; without the text, which may contain a password */
export function parseAddress(source: string, text: string): DatabaseAddress {
  const url = URL.parse(text)
  if (url === null) throw databaseSourceErrors.DATABASE_ADDRESS_INVALID(source, 'a text that is no address')
  if (url.hostname === '') throw databaseSourceErrors.DATABASE_ADDRESS_INVALID(source, 'an address without a host')
  if (url.port === '0') throw databaseSourceErrors.DATABASE_ADDRESS_INVALID(source, 'the port 0')
  const database = decode(source, url.pathname.replace(/^\//, ''))
  if (database === '') throw databaseSourceErrors.DATABASE_ADDRESS_INVALID(source, 'an address without a database')
  return {
    scheme: url.protocol.replace(/:$/, ''),
    // IPv6 addresses have brackets in URLs only.
    host: url.hostname.replaceAll(/^\[|\]$/g, ''),
    port: url.port === '' ? undefined : Number(url.port),
    database,
    user: url.username === '' ? undefined : decode(source, url.username),
    password: url.password === '' ? undefined : decode(source, url.password),
    parameters: new Map(url.searchParams),
  }
}

function decode(source: string, text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw databaseSourceErrors.DATABASE_ADDRESS_INVALID(
      source,
      'a user, password or database with a `%` that escapes nothing (write `%25`)',
    )
  }
}
