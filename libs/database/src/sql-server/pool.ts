import { PipelineError, type Log } from '@cinelake/core'
import mssql from 'mssql'
import type { Connection } from 'tedious'
import { DatabaseUnavailableError } from '../errors.ts'
import type { MssqlAddress } from './address.ts'
import { driverOptions, tellErrorNumbers, tokenOf } from './login.ts'
import { createMssqlSession, type MssqlSession } from './session.ts'
import type { AzureCredential } from '../settings.ts'

/** Sessions of the database, at most so many at once. */
export interface MssqlPool extends AsyncDisposable {
  readonly location: string
  /** @throws {DatabaseUnavailableError} transient: none is free, or the server is not reached */
  acquire(): Promise<MssqlSession>
  release(session: MssqlSession): void
  use<Result>(work: (session: MssqlSession) => Promise<Result>): Promise<Result>
}

export type PoolLimits = { readonly connections: number; readonly acquireTimeoutMs: number }

/**
 * Connections of one process. Azure SQL's smallest databases take 30 sessions at once. Source:
 * learn.microsoft.com/azure/azure-sql/database/resource-limits-dtu-single-databases
 */
const LIMITS: PoolLimits = { connections: 8, acquireTimeoutMs: 60_000 }
const CONNECT_TIMEOUT_MS = 30_000
/** Azure closes connections that were idle for 30 minutes. */
const IDLE_TIMEOUT_MS = 5 * 60_000

declare module 'mssql' {
  /** What its types leave out. Source: the documentation in mssql/lib/base/connection-pool.js */
  interface ConnectionPool {
    acquire(requester: object): Promise<Connection>
    release(connection: Connection): this
  }
}

/**
 * The pool of `mssql`, whose connections are those of `tedious`. What runs on them is sent by `tedious` as well: the
 * bulk load of `mssql` wants all rows in memory and loses digits, and a request of it cannot be bound to a connection
 * that a lock is held by.
 *
 * Logs in once to check the credentials; that connection is not kept. Errors are the driver's own.
 * @throws {DatabaseUnavailableError} transient: Entra has no token for now
 */
export async function openMssqlPool(
  address: MssqlAddress,
  { credential, log }: { readonly credential: AzureCredential; readonly log: Log },
  limits: PoolLimits = LIMITS,
): Promise<MssqlPool> {
  const { location } = address
  const pool = new mssql.ConnectionPool({
    ...configuration(address, credential, limits),
    beforeConnect: (connection) => {
      tellErrorNumbers(connection)
      connection.on('error', (error: Error) => {
        log.warn({ location, reason: error.message }, 'a connection to the database was lost')
      })
    },
  })
  // Each is thrown to the caller that waits for a connection, or is logged above; without a listener it would end the
  // process.
  pool.on('error', () => {})
  await pool.connect().catch((error: unknown) => {
    throw unwrapped(error, location)
  })

  const sessions = new WeakMap<Connection, MssqlSession>()
  const sessionOf = (connection: Connection) => {
    const session = sessions.get(connection) ?? createMssqlSession(connection)
    sessions.set(connection, session)
    return session
  }
  const acquire = async () => {
    try {
      return sessionOf(await pool.acquire(pool))
    } catch (error) {
      throw unwrapped(error, location)
    }
  }
  const release = ({ connection }: MssqlSession) => {
    pool.release(connection)
  }
  return {
    location,
    acquire,
    release,
    async use(work) {
      const session = await acquire()
      try {
        return await work(session)
      } finally {
        release(session)
      }
    },
    async [Symbol.asyncDispose]() {
      await pool.close()
    },
  }
}

function configuration(address: MssqlAddress, credential: AzureCredential, limits: PoolLimits): mssql.config {
  return {
    server: address.server,
    port: address.port,
    database: address.database,
    authentication:
      address.login === undefined
        ? // Asked for each new connection, while it logs in. What the server says the token is to be for does not count.
          {
            type: 'token-credential',
            options: { credential: { getToken: async () => await tokenOf(address, credential) } },
          }
        : { type: 'default', options: address.login },
    options: {
      ...driverOptions(address),
      connectTimeout: CONNECT_TIMEOUT_MS,
      // An error ends the transaction on the server as well, so that nothing half-done can be committed after it.
      abortTransactionOnError: true,
    },
    // A lost connection is noticed by its socket; a query to find out would be one more way for each piece of work.
    validateConnection: 'socket',
    pool: {
      min: 0,
      max: limits.connections,
      acquireTimeoutMillis: limits.acquireTimeoutMs,
      createTimeoutMillis: CONNECT_TIMEOUT_MS * 2,
      idleTimeoutMillis: IDLE_TIMEOUT_MS,
      // Without it the pool would try a wrong password for a minute.
      propagateCreateError: true,
    },
  }
}

/** How `mssql` begins what it says when the time for a connection is over; the error has no code and no name. */
const NONE_FREE = 'Failed to acquire a connection from the pool'

/** Takes off what `mssql` and `tedious` put around an error: what is left is the driver's own, or Cinelake's. */
function unwrapped(thrown: unknown, location: string): unknown {
  const cause = thrown instanceof mssql.MSSQLError ? (thrown.originalError ?? thrown) : thrown
  const own: unknown =
    cause instanceof AggregateError ? cause.errors.find((one) => one instanceof PipelineError) : undefined
  if (own !== undefined) return own
  return cause instanceof Error && cause.message.startsWith(NONE_FREE)
    ? new DatabaseUnavailableError(location, 'all connections are in use', { cause })
    : cause
}
