import type { Log } from '@cinelake/core'
import { Kysely, PostgresDialect, type PostgresPool, type PostgresPoolClient } from 'kysely'
import { setTimeout as pause } from 'node:timers/promises'
import pg from 'pg'
import type { AzureCredential, Database, DatabaseSettings } from '../database.ts'
import { DatabaseUnavailableError } from '../errors.ts'
import { parsePostgresAddress } from './address.ts'
import { connectError, onConnection, pooledConfig, SESSION_SETTINGS } from './connection.ts'
import { transientError } from './faults.ts'

export { readTls } from './address.ts'
export { onConnection, openPostgresConnection, TEXT_TYPES, type PostgresConnection } from './connection.ts'
export { isTransient, transientError } from './faults.ts'
export { QUERY_TYPES } from './values.ts'

export interface PostgresDatabase<Schema> extends Database<Schema>, PostgresConnections {
  readonly dialect: 'postgres'
  readonly adapter: 'postgres'
  readonly location: string
}

export interface PostgresConnections {
  readonly location: string
  /** For short work. Its own errors are the driver's; `acquire` translates them. */
  readonly pool: pg.Pool
  /** A connection of the pool. After an error, release it with `true`. */
  acquire(): Promise<pg.PoolClient>
  /** A connection of its own, for work that may last. The caller closes it with `closeClient`. */
  connect(): Promise<pg.Client>
  /** Asks the server to cancel the running statement of a connection. */
  cancel(client: pg.Client): Promise<void>
}

/** Connections of one process for short work. A server has 100 by default, which all replicas share. */
const POOL_SIZE = 8
/** Milliseconds. Each statement of the run history is short; one that is not waits for a lock that is never released. */
const STATEMENT_TIMEOUT_MS = 120_000
/** Milliseconds for a graceful close; then the connection is dropped. */
const CLOSE_TIMEOUT_MS = 2000

/** What the pool says of a caller that waited for a connection for too long. Source: pg-pool's index.js */
const NONE_FREE = 'timeout exceeded when trying to connect'

/** A PostgreSQL server; the first statement connects. @throws {ConfigError} terminal: an incomplete address */
export async function openPostgresDatabase<Schema>(
  settings: DatabaseSettings,
  { credential, log }: { readonly credential: AzureCredential; readonly log: Log },
): Promise<PostgresDatabase<Schema>> {
  const address = parsePostgresAddress(settings)
  const { location } = address
  const config = pooledConfig(address, credential)
  const cancel = async (client: pg.Client) => await cancelStatement(await connect(config, location), client)
  return openPostgresConnections<Schema>(config, { location, log, cancel })
}

/** Connections as a configuration of the driver makes them. */
export function openPostgresConnections<Schema>(
  config: pg.PoolConfig,
  {
    location,
    log,
    cancel,
  }: { readonly location: string; readonly log: Log; readonly cancel: PostgresConnections['cancel'] },
): PostgresDatabase<Schema> {
  const pool = new pg.Pool({
    max: POOL_SIZE,
    ...config,
    // oxlint-disable-next-line typescript/no-misused-promises -- the pool waits for it, which its types do not say
    onConnect: async (client) =>
      void (await client.query(`${SESSION_SETTINGS}; SET statement_timeout = ${STATEMENT_TIMEOUT_MS}`)),
  })
  // An idle connection that breaks is replaced by the next one; unheard, it would end the process.
  pool.on('error', (error) => log.warn({ location, reason: error.message }, 'a connection to the database broke'))
  // The pool listens to its connections only while they are idle.
  pool.on('connect', (client) => client.on('error', () => {}))
  let lent = 0
  pool.on('acquire', () => (lent += 1))
  pool.on('release', () => (lent -= 1))
  const acquire = async () =>
    await pool.connect().catch((error: unknown) => {
      // The pool says the same whether its connections are lent, or still being made.
      if (!(error instanceof Error) || error.message !== NONE_FREE) throw connectError(error, location)
      const reason = lent >= pool.options.max ? 'all connections are in use' : 'no connection was made in time'
      throw new DatabaseUnavailableError(location, reason, { cause: error })
    })
  return {
    db: new Kysely<Schema>({ dialect: new PostgresDialect({ pool: translating({ pool, acquire, location }) }) }),
    dialect: 'postgres',
    adapter: 'postgres',
    location,
    pool,
    acquire,
    connect: async () => await connect(config, location),
    // Where it does not work, the connection of the work is dropped soon.
    cancel: async (client) => await cancel(client).catch(() => {}),
    async [Symbol.asyncDispose]() {
      await Promise.race([pool.end(), pause(CLOSE_TIMEOUT_MS, undefined, { ref: false })])
    },
  }
}

async function connect(config: pg.ClientConfig, location: string): Promise<pg.Client> {
  const client = new pg.Client(config)
  client.on('error', () => {})
  try {
    await client.connect()
    await client.query(SESSION_SETTINGS)
    return client
  } catch (error) {
    await closeClient(client)
    throw connectError(error, location)
  }
}

async function cancelStatement(other: pg.Client, client: pg.Client): Promise<void> {
  const { processID } = client as pg.Client & { readonly processID: number | null }
  try {
    await other.query('SELECT pg_cancel_backend($1)', [processID])
  } finally {
    await closeClient(other)
  }
}

export async function closeClient(client: pg.Client): Promise<void> {
  const { stream } = client.connection
  if (!stream.destroyed) {
    const stopWaiting = new AbortController()
    const late = pause(CLOSE_TIMEOUT_MS, undefined, { signal: stopWaiting.signal }).catch(() => {})
    await Promise.race([client.end().catch(() => {}), late])
    stopWaiting.abort()
  }
  stream.destroy()
}

/** The pool as the query builder sees it: an unavailable database is Cinelake's error, all others are the vendor's. */
function translating({ pool, acquire, location }: Omit<PostgresConnections, 'connect' | 'cancel'>): PostgresPool {
  return {
    Client: pg.Client,
    options: pool.options,
    end: async () => await pool.end(),
    async connect() {
      const client = await acquire()
      let isBroken = false
      const query = async (text: string, values: unknown[]) => {
        try {
          return await onConnection(location, async () => await client.query(text, values))
        } catch (error) {
          const transient = transientError(error, location)
          isBroken ||= transient !== undefined || !(error instanceof pg.DatabaseError)
          throw transient ?? error
        }
      }
      return {
        // Its other form, with a cursor, is for a dialect that was given one.
        query: query as unknown as PostgresPoolClient['query'],
        release: (destroy) => client.release(destroy === true || isBroken),
      }
    },
  }
}
