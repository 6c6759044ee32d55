import { ConfigError, PipelineError, reasonOf } from '@cinelake/core'
import { isIP } from 'node:net'
import pg from 'pg'
import { databaseErrors, DatabaseUnavailableError } from '../errors.ts'
import type { PostgresAddress } from './address.ts'
import { OPS_TYPES } from './values.ts'
import type { AzureCredential } from '../settings.ts'

/** Milliseconds. A server that needs longer to accept a connection counts as unavailable. */
const CONNECT_TIMEOUT_MS = 15_000
/** Milliseconds of silence before TCP keep-alive probes are sent. */
const KEEP_ALIVE_MS = 10_000
/**
 * The scope of a token for PostgreSQL. Source:
 * learn.microsoft.com/azure/postgresql/flexible-server/security-entra-configure
 */
const TOKEN_SCOPE = 'https://ossrdbms-aad.database.windows.net/.default'

/**
 * What every session begins with: the spelling of times that the adapter reads, and a server that notices within two
 * minutes that this process is gone, so that its locks are free again.
 */
export const SESSION_SETTINGS = `
SET TIME ZONE 'UTC'; SET datestyle = 'ISO, YMD'; SET intervalstyle = 'postgres'; SET bytea_output = 'hex';
SET tcp_keepalives_idle = 60; SET tcp_keepalives_interval = 10; SET tcp_keepalives_count = 6;
SET idle_in_transaction_session_timeout = '10min'`

/** The options of a connection. The password is looked up late, when a server asks for it, for each new connection. */
export function clientConfig(address: PostgresAddress, credential: AzureCredential): pg.ClientConfig {
  const { host, port, database, user, tls } = address
  return {
    host,
    port,
    database,
    user,
    ssl: tls,
    password: async () => address.password ?? (await tokenFor(address, credential)),
    application_name: 'cinelake',
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    keepAlive: true,
    keepAliveInitialDelayMillis: KEEP_ALIVE_MS,
    types: OPS_TYPES,
  }
}

async function tokenFor(
  { tls, host, location, setting }: PostgresAddress,
  credential: AzureCredential,
): Promise<string> {
  if (tls === false && !isLoopback(host)) {
    throw new ConfigError(`${setting} cannot be used`, [
      'the server asks for a password and there is none; a token is only sent encrypted: ' +
        `set ${setting}_PASSWORD, or add sslmode=verify-full to the address`,
    ])
  }
  const token = await (await credential()).getToken(TOKEN_SCOPE)
  if (token === null) throw databaseErrors.WAREHOUSE_LOGIN_REFUSED(location, 'the identity of the service got no token')
  return token.token
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || (isIP(host) === 4 ? host.startsWith('127.') : host === '::1')
}

/** SQLSTATE classes of a rejected login: authorization, and a missing database. */
const REFUSED = /^(28...|3D000|42501)$/
/** Node.js's codes for untrusted certificates, and the driver's for a server without TLS. */
const UNTRUSTED = /CERT|SELF_SIGNED|UNABLE_TO_VERIFY|ERR_TLS|ERR_SSL|does not support SSL/

/** Translates the error of a failed connection. */
export function connectError(thrown: unknown, location: string): Error {
  if (thrown instanceof PipelineError) return thrown
  const { code = '', message } = thrown as { readonly code?: string; readonly message: string }
  if (REFUSED.test(code) || UNTRUSTED.test(`${code} ${message}`)) {
    return databaseErrors.WAREHOUSE_LOGIN_REFUSED(location, message, { cause: thrown })
  }
  return new DatabaseUnavailableError(location, message || code, { cause: thrown })
}

/** Passes on the database's own errors; every other error counts as a lost connection. */
export async function onConnection<Result>(location: string, work: () => Promise<Result>): Promise<Result> {
  try {
    return await work()
  } catch (error) {
    if (error instanceof pg.DatabaseError || error instanceof PipelineError) throw error
    const reason = reasonOf(error)
    throw new DatabaseUnavailableError(location, reason, { cause: error })
  }
}
