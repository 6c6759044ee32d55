import { ConfigError, reasonOf } from '@cinelake/core'
import { readFileSync } from 'node:fs'
import type { ConnectionOptions } from 'node:tls'
import {
  locationOf,
  parseServerAddress,
  unknownParameters,
  type AddressProblem,
  type ServerAddress,
} from '../address.ts'
import type { DatabaseSettings } from '../database.ts'

export type PostgresAddress = Pick<ServerAddress, 'host' | 'port' | 'database' | 'user' | 'password'> & {
  readonly tls: false | ConnectionOptions
}

/** Of the run history or the warehouse. */
export type PostgresSettings = PostgresAddress & {
  readonly port: number
  readonly user: string
  /** Undefined: the service's identity in Entra is used where the server asks for a password. */
  readonly password: string | undefined
  /** The variable that has the address, for messages. */
  readonly setting: string
  readonly location: string
}

/** Source: iana.org/assignments/service-names-port-numbers */
export const DEFAULT_PORT = 5432
const MODES = ['disable', 'require', 'verify-ca', 'verify-full']

/** `sslmode` and `sslrootcert`. Every mode that encrypts checks the certificate and the name in it, `verify-ca` too. */
export function readTls(address: ServerAddress): {
  readonly tls: false | ConnectionOptions
  readonly problems: readonly AddressProblem[]
} {
  const mode = address.parameters.get('sslmode') ?? 'disable'
  const problems = unknownParameters(address, ['sslmode', 'sslrootcert'])
  if (!MODES.includes(mode)) {
    problems.push({ expected: 'sslmode=disable, require, verify-ca or verify-full', got: 'another sslmode' })
  }
  const file = address.parameters.get('sslrootcert')
  if (mode === 'disable') return { tls: false, problems }
  if (file === undefined) return { tls: {}, problems }
  try {
    return { tls: { ca: readFileSync(file, 'utf8') }, problems }
  } catch (error) {
    const got = `an sslrootcert that cannot be read (${reasonOf(error)})`
    return { tls: {}, problems: [...problems, { expected: 'a file of certificates as sslrootcert', got }] }
  }
}

/**
 * Reads `postgres://` (or `postgresql://`) `USER[:PASSWORD]@HOST[:PORT]/DB[?sslmode=disable|require|verify-ca|verify-full&sslrootcert=FILE]`.
 * @throws {ConfigError} terminal: with every problem; never quotes the address, which may hold a password
 */
export function parsePostgresAddress({
  url,
  password,
  setting = 'CINELAKE_DATABASE',
}: DatabaseSettings): PostgresSettings {
  const { address, problems: ofAddress } = parseServerAddress(url)
  const { tls, problems: ofTls } = readTls(address)
  const { host, port = DEFAULT_PORT, database, user = '' } = address
  const problems = [...ofAddress, ...ofTls]
  if (user === '' && ofAddress.length === 0) {
    problems.push({ expected: 'a user (for Entra, the role that the identity has)', got: 'an address without a user' })
  }
  if (problems.length > 0) {
    throw new ConfigError(
      `${setting} cannot be used`,
      problems.map(({ expected, got }) => `expected ${expected}, got ${got}`),
    )
  }
  const location = locationOf({ ...address, scheme: 'postgres' }, port)
  return { host, port, database, user, password: address.password ?? password, tls, setting, location }
}
