import type { Fill } from '@cinelake/secrets'
import { databaseSourceErrors } from './errors.ts'

/** Where a database is and who asks. Never shown as a whole. */
export type DatabaseAddress = {
  readonly scheme: string
  readonly host: string
  /** Undefined for the scheme's own. */
  readonly port: number | undefined
  readonly database: string
  readonly user: string | undefined
  readonly password: string | undefined
  /** What follows `?`. */
  readonly parameters: ReadonlyMap<string, string>
}

/**
 * Fills the placeholders of an address. A secret within an address is one part of it, whatever characters it has, so it
 * is escaped; an address that is a secret as a whole is taken as it is.
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

/** Whether the address is kept as a secret with all that is in it. */
export function isSecretAsWhole(template: string): boolean {
  return isPlaceholder(template) && hasSecret(template)
}

/** Whether looking the secrets up again could give another address. */
export function hasSecret(template: string): boolean {
  return template.includes('${secret:')
}

/** @throws {DATABASE_ADDRESS_INVALID} terminal; without the text, which may hold a password */
export function parseAddress(source: string, text: string): DatabaseAddress {
  const url = URL.parse(text)
  if (url === null) throw databaseSourceErrors.DATABASE_ADDRESS_INVALID(source, 'a text that is no address')
  if (url.hostname === '') throw databaseSourceErrors.DATABASE_ADDRESS_INVALID(source, 'an address without a host')
  if (url.port === '0') throw databaseSourceErrors.DATABASE_ADDRESS_INVALID(source, 'the port 0')
  const database = decode(source, url.pathname.replace(/^\//, ''))
  if (database === '') throw databaseSourceErrors.DATABASE_ADDRESS_INVALID(source, 'an address without a database')
  return {
    scheme: url.protocol.replace(/:$/, ''),
    // The address of IPv6 is in brackets only here.
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
