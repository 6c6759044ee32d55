import { readFileSync } from 'node:fs'
import { Kysely, PostgresDialect, type PostgresPool } from 'kysely'
import pg from 'pg'
import type { DatabaseAddress } from './database-address.ts'
import { DatabaseAddressError } from './errors.ts'

/** Milliseconds. A server that needs longer to say hello is taken for away. */
const CONNECT_TIMEOUT_MS = 10_000

/** PostgreSQL's port. Source: iana.org/assignments/service-names-port-numbers */
const DEFAULT_PORT = 5432

export type PostgresConnection = AsyncDisposable & { readonly db: Kysely<unknown> }

/**
 * One connection, made when it is first needed. Values come as the text that the server wrote.
 * @param signal closes the connection at once, whatever runs on it
 * @throws {DatabaseAddressError} terminal: a parameter of the address means nothing
 */
export function connectPostgres(source: string, address: DatabaseAddress, signal: AbortSignal): PostgresConnection {
  const client = new pg.Client({
    host: address.host,
    port: address.port ?? DEFAULT_PORT,
    database: address.database,
    ...(address.user === undefined ? {} : { user: address.user }),
    ...(address.password === undefined ? {} : { password: address.password }),
    ssl: tlsOf(source, address),
    application_name: 'cinelake',
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    keepAlive: true,
    types: { getTypeParser: () => (text: unknown) => text },
  })
  // A connection that breaks while nothing runs on it is told by the next statement; unheard, it would end the process.
  client.on('error', () => {})
  const stopped = Promise.withResolvers<never>()
  stopped.promise.catch(() => {})
  const close = () => {
    void client.end().catch(() => {})
    stopped.reject(new Error('Connection terminated'))
  }
  signal.addEventListener('abort', close, { once: true })
  const db = new Kysely<unknown>({ dialect: new PostgresDialect({ pool: poolOfOne(client, stopped.promise) }) })
  return {
    db,
    async [Symbol.asyncDispose]() {
      signal.removeEventListener('abort', close)
      // A server that says nothing would be waited for until the connection times out.
      await (signal.aborted ? Promise.race([db.destroy(), stopped.promise]).catch(() => {}) : db.destroy())
    },
  }
}

/**
 * A pool would hold a broken connection for one that may heal, and wait for it when it closes; one client is simply ended.
 * @param stopped rejects when the client was ended from outside: one that is ended while it connects says nothing itself
 */
function poolOfOne(client: pg.Client, stopped: Promise<never>): PostgresPool {
  let connected: Promise<unknown> | undefined
  return {
    options: {},
    async connect() {
      await (connected ??= Promise.race([client.connect(), stopped]))
      return Object.assign(client, { release() {} })
    },
    end: async () => await client.end(),
  }
}

/** `sslmode` as in PostgreSQL's own addresses; whatever encrypts also checks the server's certificate. */
function tlsOf(source: string, { parameters }: DatabaseAddress): false | { ca?: string } {
  for (const name of parameters.keys()) {
    if (name !== 'sslmode' && name !== 'sslrootcert') {
      throw new DatabaseAddressError(source, `the parameter ${name} (known are sslmode and sslrootcert)`)
    }
  }
  const mode = parameters.get('sslmode') ?? 'disable'
  if (mode === 'disable') return false
  if (!['require', 'verify-ca', 'verify-full'].includes(mode)) {
    throw new DatabaseAddressError(source, 'another sslmode than disable, require, verify-ca or verify-full')
  }
  const file = parameters.get('sslrootcert')
  if (file === undefined) return {}
  try {
    return { ca: readFileSync(file, 'utf8') }
  } catch (error) {
    throw new DatabaseAddressError(
      source,
      `an sslrootcert that cannot be read (${error instanceof Error ? error.message : ''})`,
    )
  }
}
