import { ConfigError, PipelineError, reasonOf } from '@cinelake/core'
import { Kysely, PostgresDialect, type PostgresPool } from 'kysely'
import { isIP } from 'node:net'
import pg from 'pg'
import type { AzureCredential } from '../database.ts'
import { databaseErrors, DatabaseUnavailableError } from '../errors.ts'
import { DEFAULT_PORT, type PostgresAddress, type PostgresSettings } from './address.ts'
import { OPS_TYPES } from './values.ts'

/** Milliseconds. A server that needs longer to accept a connection counts as unavailable. */
const CONNECT_TIMEOUT_MS = 15_000
/** Milliseconds. Azure drops a connection idle for four minutes. Source: learn.microsoft.com/…/load-balancer-tcp-reset */
const KEEP_ALIVE_MS = 10_000
/** Source: learn.microsoft.com/azure/postgresql/flexible-server/security-entra-configure */
const TOKEN_SCOPE = 'https://ossrdbms-aad.database.windows.net/.default'

/**
 * What every session begins with: the spelling of times that the adapter reads, and a server that notices within two
 * minutes that this process is gone, so that its locks are free again.
 */
export const SESSION_SETTINGS = `
SET TIME ZONE 'UTC'; SET datestyle = 'ISO, YMD'; SET intervalstyle = 'postgres'; SET bytea_output = 'hex';
SET tcp_keepalives_idle = 60; SET tcp_keepalives_interval = 10; SET tcp_keepalives_count = 6;
SET idle_in_transaction_session_timeout = '10min'`

function clientConfig({ host, port = DEFAULT_PORT, database, user, tls }: PostgresAddress) {
  return {
    host,
    port,
    database,
    ...(user === undefined ? {} : { user }),
    ssl: tls,
    application_name: 'cinelake',
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    keepAlive: true,
    keepAliveInitialDelayMillis: KEEP_ALIVE_MS,
  } satisfies pg.ClientConfig
}

/** For the run history and the warehouse. The password is looked up late, when a server asks for it, for each new connection. */
export function pooledConfig(address: PostgresSettings, credential: AzureCredential): pg.ClientConfig {
  return {
    ...clientConfig(address),
    password: async () => address.password ?? (await tokenFor(address, credential)),
    types: OPS_TYPES,
  }
}

/** One connection without a pool. Values are the text that the server wrote. */
export type PostgresConnection = AsyncDisposable & {
  readonly client: pg.Client
  readonly db: Kysely<unknown>
  /** Closes the connection at once; the driver fails what runs on it. */
  readonly abandon: () => void
}

/**
 * A connection of its own for reads that stream; opened on first use. Errors are the driver's own.
 * @param timeoutMs timeout of an answer to a statement of `db`
 * @param signal closes the connection at once
 */
export function openPostgresConnection(
  address: PostgresAddress,
  { timeoutMs, signal }: { readonly timeoutMs: number; readonly signal: AbortSignal },
): PostgresConnection {
  const { password } = address
  const client = new pg.Client({
    ...clientConfig(address),
    ...(password === undefined ? {} : { password }),
    types: TEXT_TYPES,
  })
  // A connection that breaks while idle is reported by the next statement; an unhandled event would end the process.
  client.on('error', () => {})
  const stopped = Promise.withResolvers<never>()
  stopped.promise.catch(() => {})
  const close = () => {
    void client.end().catch(() => {})
    stopped.reject(new Error('Connection terminated'))
  }
  signal.addEventListener('abort', close, { once: true })
  const abandon = () => void client.connection.stream.destroy()
  let connected: Promise<unknown> | undefined
  const query = (async (text: string, values: unknown[]) =>
    await answeredWithin(timeoutMs, abandon, async () => await client.query(text, values))) as typeof client.query
  // A pool would keep a broken connection, and wait for it when it closes; a single client is simply closed.
  const pool: PostgresPool = {
    options: {},
    async connect() {
      // A client that is closed while it connects reports nothing itself.
      await (connected ??= Promise.race([client.connect(), stopped.promise]))
      return { query, release() {} }
    },
    end: async () => await client.end(),
  }
  return {
    client,
    db: new Kysely<unknown>({ dialect: new PostgresDialect({ pool }) }),
    abandon,
    async [Symbol.asyncDispose]() {
      signal.removeEventListener('abort', close)
      // Without it, closing would wait for a server that does not answer until the connection times out.
      await Promise.race([client.end(), stopped.promise]).catch(() => {})
    },
  }
}

export const TEXT_TYPES = { getTypeParser: () => (text: unknown) => text }

/** Waits for an answer, and closes the connection after the timeout: the driver then fails the query. */
async function answeredWithin<T>(timeoutMs: number, abandon: () => void, ask: () => Promise<T>): Promise<T> {
  const silent = Promise.withResolvers<never>()
  const timer = setTimeout(() => {
    abandon()
    silent.reject(new Error('Connection terminated: timeout, the server does not answer'))
  }, timeoutMs)
  timer.unref()
  try {
    return await Promise.race([ask(), silent.promise])
  } finally {
    clearTimeout(timer)
  }
}

async function tokenFor(
  { tls, host, location, setting }: PostgresSettings,
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
