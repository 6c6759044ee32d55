import { ConfigError, reasonOf } from '@cinelake/core'
import { readFileSync } from 'node:fs'
import type { ConnectionOptions } from 'node:tls'
import type { DatabaseSettings } from '../settings.ts'

/** The address of a PostgreSQL server and the options of the connection. */
export type PostgresAddress = {
  readonly host: string
  readonly port: number
  readonly database: string
  readonly user: string
  /** Undefined: the service's identity in Entra is used where the server asks for a password. */
  readonly password: string | undefined
  readonly tls: false | ConnectionOptions
  /** The variable that has the address, for messages. */
  readonly setting: string
  /** For logs and errors: without credentials. */
  readonly location: string
}

/** Source: iana.org/assignments/service-names-port-numbers */
const DEFAULT_PORT = 5432
const MODES = ['disable', 'require', 'verify-ca', 'verify-full']
const OPTIONS = ['sslmode', 'sslrootcert']

/**
 * Reads `postgres://USER[:PASSWORD]@HOST[:PORT]/DB[?sslmode=disable|require|verify-ca|verify-full&sslrootcert=FILE]`.
 * Every encrypted mode also checks the server's certificate; `verify-ca` alone does not compare the name in it.
 * @throws {ConfigError} terminal: with every problem; never quotes the address, which may hold a password
 */
export function parsePostgresAddress({
  url,
  password,
  setting = 'CINELAKE_DATABASE',
}: DatabaseSettings): PostgresAddress {
  const invalid = (problems: readonly string[]) => new ConfigError(`${setting} cannot be used`, problems)
  const address = URL.parse(url)
  if (address === null) throw invalid(['expected postgres://USER@HOST[:PORT]/DB, got what is no address'])
  const mode = address.searchParams.get('sslmode') ?? 'disable'
  const file = address.searchParams.get('sslrootcert') ?? undefined
  const authority = mode === 'disable' ? undefined : readCertificate(file)
  const [database, user, ownPassword] = [address.pathname.slice(1), address.username, address.password].map(decoded)
  const problems = [
    ...(address.hostname === '' ? ['expected a host: postgres://USER@HOST[:PORT]/DB, got none'] : []),
    ...(database === '' ? ['expected a database after the host: postgres://USER@HOST/DB, got none'] : []),
    ...(user === ''
      ? ['expected a user: postgres://USER@HOST/DB, got none (for Entra, the name of the role that the identity has)']
      : []),
    ...([database, user, ownPassword].includes(undefined)
      ? ['expected `%` only as the beginning of an escape (write `%25`) in user, password and database']
      : []),
    ...(MODES.includes(mode) ? [] : [`expected sslmode=${MODES.join(', ')}, got another`]),
    ...(authority instanceof Error ? [`expected a file of certificates as sslrootcert: ${authority.message}`] : []),
    ...[...address.searchParams.keys()]
      .filter((name) => !OPTIONS.includes(name))
      .map((name) => `expected no options but ${OPTIONS.join(' and ')}, got ${name}`),
  ]
  if (problems.length > 0 || database === undefined || user === undefined) throw invalid(problems)
  const host = address.hostname.replaceAll(/^\[|\]$/g, '')
  const port = address.port === '' ? DEFAULT_PORT : Number(address.port)
  return {
    host,
    port,
    database,
    user,
    password: ownPassword === '' ? password : ownPassword,
    tls: mode === 'disable' ? false : tlsOf(mode, authority),
    setting,
    location: `postgres://${address.hostname}:${port}/${database}`,
  }
}

function tlsOf(mode: string, authority: string | Error | undefined): ConnectionOptions {
  return {
    ...(typeof authority === 'string' ? { ca: authority } : {}),
    ...(mode === 'verify-ca' ? { checkServerIdentity: () => undefined } : {}),
  }
}

function readCertificate(file: string | undefined): string | Error | undefined {
  if (file === undefined) return undefined
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    return error instanceof Error ? error : new Error(reasonOf(error))
  }
}

function decoded(part: string): string | undefined {
  try {
    return decodeURIComponent(part)
  } catch {
    return undefined
  }
}
