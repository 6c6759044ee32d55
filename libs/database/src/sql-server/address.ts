import { ConfigError } from '@cinelake/core'
import {
  locationOf,
  parseServerAddress,
  unknownParameters,
  type AddressProblem,
  type ServerAddress,
} from '../address.ts'
import type { DatabaseSettings } from '../database.ts'

type MssqlEncryption = {
  /** `strict` is TDS 8.0, where TLS comes before anything else. */
  readonly encrypt: boolean | 'strict'
  readonly trustServerCertificate: boolean
}

export type MssqlAddress = MssqlEncryption & {
  readonly server: string
  /** Undefined: the default port. */
  readonly port: number | undefined
  readonly database: string
  /** A SQL login. Without one an identity in Entra is used. */
  readonly login?: { readonly userName: string; readonly password: string }
}

/** Of the run history or the warehouse. */
export type MssqlSettings = MssqlAddress & {
  readonly location: string
}

/** Source: learn.microsoft.com/sql/sql-server/install/configure-the-windows-firewall-to-allow-sql-server-access */
export const DEFAULT_PORT = 1433

/** `encrypt` and `trustServerCertificate`. Encrypted, with a checked certificate, unless the address says otherwise. */
export function readEncryption(
  address: ServerAddress,
): MssqlEncryption & { readonly problems: readonly AddressProblem[] } {
  const { encrypt = 'true', trustServerCertificate: trust = 'false' } = Object.fromEntries(address.parameters)
  const problems = unknownParameters(address, ['encrypt', 'trustServerCertificate'])
  if (!['true', 'false', 'strict'].includes(encrypt)) {
    problems.push({ expected: 'encrypt=true, false or strict', got: 'another encrypt' })
  }
  if (!['true', 'false'].includes(trust)) {
    problems.push({ expected: 'trustServerCertificate=true or false', got: 'another trustServerCertificate' })
  }
  return {
    encrypt: encrypt === 'strict' ? 'strict' : encrypt === 'true',
    trustServerCertificate: trust === 'true',
    problems,
  }
}

/**
 * Reads `mssql://[USER[:PASSWORD]@]HOST[:PORT]/DB[?encrypt=true|false|strict&trustServerCertificate=true|false]`.
 * @throws {ConfigError} terminal: with every problem; never quotes the address, which may hold a password
 */
export function parseMssqlAddress({ url, password, setting = 'CINELAKE_DATABASE' }: DatabaseSettings): MssqlSettings {
  const { address, problems } = parseServerAddress(url)
  const { encrypt, trustServerCertificate, problems: ofEncryption } = readEncryption(address)
  const { host, port = DEFAULT_PORT, database, user, password: secret = password } = address
  const texts = [...problems, ...ofEncryption].map(({ expected, got }) => `expected ${expected}, got ${got}`)
  if (database.includes('/')) texts.push('expected one database after the host: mssql://HOST/DB')
  if (user !== undefined && secret === undefined) {
    texts.push(`expected a password for the user (${setting}_PASSWORD), got none; without a user, Entra is asked`)
  }
  if (encrypt === 'strict' && trustServerCertificate) {
    texts.push('expected encrypt=true beside trustServerCertificate=true: encrypt=strict always checks the certificate')
  }
  if (texts.length > 0) throw new ConfigError(`${setting} cannot be used`, texts)
  return {
    server: host,
    port,
    database,
    ...(user === undefined || secret === undefined ? {} : { login: { userName: user, password: secret } }),
    encrypt,
    trustServerCertificate,
    location: locationOf(address, port),
  }
}
