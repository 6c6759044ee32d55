import { ConfigError } from '@cinelake/core'
import type { DatabaseSettings } from '../settings.ts'
import { readEncryption, type MssqlEncryption } from './login.ts'

/** The address of a SQL Server and the options of the connection. */
export type MssqlAddress = MssqlEncryption & {
  readonly server: string
  readonly port: number
  readonly database: string
  /** A SQL login. Without one the service's identity in Entra is used. */
  readonly login?: { readonly userName: string; readonly password: string }
  /** For logs and errors: without credentials. */
  readonly location: string
}

/** Source: learn.microsoft.com/sql/sql-server/install/configure-the-windows-firewall-to-allow-sql-server-access */
const DEFAULT_PORT = 1433
const OPTIONS = ['encrypt', 'trustServerCertificate']

/**
 * Reads `mssql://[USER[:PASSWORD]@]HOST[:PORT]/DB[?encrypt=true|false|strict&trustServerCertificate=true|false]`.
 * Encrypted with a certificate that is checked, unless the address says otherwise.
 * @throws {ConfigError} terminal: with every problem; never quotes the address, which may hold a password
 */
export function parseMssqlAddress({ url, password, setting = 'CINELAKE_DATABASE' }: DatabaseSettings): MssqlAddress {
  const invalid = (problems: readonly string[]) => new ConfigError(`${setting} cannot be used`, problems)
  const address = URL.canParse(url) ? new URL(url) : undefined
  if (address === undefined) throw invalid([`expected mssql://HOST[:PORT]/DB, got what is no address`])
  const database = decoded(address.pathname.replace(/^\//, ''))
  const port = address.port === '' ? DEFAULT_PORT : Number(address.port)
  const userName = decoded(address.username)
  const secret = address.password === '' ? password : decoded(address.password)
  const { encrypt, trustServerCertificate, wrong, unknown } = readEncryption(address.searchParams)
  const problems = [
    ...(address.hostname === '' ? ['expected a host: mssql://HOST[:PORT]/DB, got none'] : []),
    ...(database === '' || database.includes('/') ? ['expected one database after the host: mssql://HOST/DB'] : []),
    ...(userName !== '' && secret === undefined
      ? [`expected a password for the user (${setting}_PASSWORD), got none; without a user, Entra is asked`]
      : []),
    ...(wrong.includes('encrypt') ? ['expected encrypt=true, false or strict'] : []),
    ...(wrong.includes('trustServerCertificate') ? ['expected trustServerCertificate=true or false'] : []),
    ...(encrypt === 'strict' && trustServerCertificate
      ? ['expected encrypt=true beside trustServerCertificate=true: encrypt=strict always checks the certificate']
      : []),
    ...unknown.map((name) => `expected no options but ${OPTIONS.join(' and ')}, got ${name}`),
  ]
  if (problems.length > 0) throw invalid(problems)
  return {
    server: address.hostname.replace(/^\[(.*)\]$/, '$1'),
    port,
    database,
    ...(userName === '' || secret === undefined ? {} : { login: { userName, password: secret } }),
    encrypt,
    trustServerCertificate,
    location: `mssql://${address.hostname}:${port}/${database}`,
  }
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    return part
  }
}
