import type { Log } from '@cinelake/core'
import { Pool, TimeoutError } from 'tarn'
import type { AzureCredential } from '../database.ts'
import { DatabaseUnavailableError } from '../errors.ts'
import type { MssqlSettings } from './address.ts'
import { CONNECT_TIMEOUT_MS, connectMssql, tokenOf } from './connection.ts'
import type { MssqlSessions } from './dialect.ts'
import type { MssqlSession } from './session.ts'

export interface MssqlPool extends MssqlSessions, AsyncDisposable {
  /** @throws {DatabaseUnavailableError} transient: none is free, or the server is not reached */
  acquire(): Promise<MssqlSession>
  use<Result>(work: (session: MssqlSession) => Promise<Result>): Promise<Result>
}

export type PoolLimits = { readonly connections: number; readonly acquireTimeoutMs: number }

/** Azure SQL's smallest databases take 30 sessions. Source: learn.microsoft.com/azure/azure-sql (DTU limits) */
const LIMITS: PoolLimits = { connections: 8, acquireTimeoutMs: 60_000 }
/** Azure closes connections that were idle for 30 minutes. */
const IDLE_TIMEOUT_MS = 5 * 60_000

/**
 * A pool of `tarn` over connections of `tedious`, as in Kysely's own dialect. Logs in once to check the credentials;
 * that connection is not kept. Errors are the driver's own. @throws {DatabaseUnavailableError} transient: no token
 */
export async function openMssqlPool(
  address: MssqlSettings,
  { credential, log }: { readonly credential: AzureCredential; readonly log: Log },
  { connections, acquireTimeoutMs }: PoolLimits = LIMITS,
): Promise<MssqlPool> {
  const { location } = address
  const connect = async () =>
    await connectMssql(address, {
      token: async () => await tokenOf(location, credential),
      onLost: ({ message: reason }) => log.warn({ location, reason }, 'a connection to the database was lost'),
    })
  const probe = await connect()
  probe.discard()
  const pool = new Pool<MssqlSession>({
    create: connect,
    destroy: (session) => session.discard(),
    // A lost connection is noticed by its socket; a query to find out would be one more way for each piece of work.
    validate: ({ usable }) => usable,
    min: 0,
    max: connections,
    acquireTimeoutMillis: acquireTimeoutMs,
    createTimeoutMillis: CONNECT_TIMEOUT_MS * 2,
    idleTimeoutMillis: IDLE_TIMEOUT_MS,
    // Without it the pool would try a wrong password for a minute.
    propagateCreateError: true,
  })
  let isClosed = false
  const acquire = async () => {
    // The pool itself would let the caller wait for its timeout.
    if (isClosed) throw new Error(`the connections to ${location} are closed or closing`)
    try {
      return await pool.acquire().promise
    } catch (error) {
      throw error instanceof TimeoutError
        ? new DatabaseUnavailableError(location, 'all connections are in use', { cause: error })
        : error
    }
  }
  return {
    location,
    acquire,
    release: (session) => void pool.release(session),
    async use(work) {
      const session = await acquire()
      try {
        return await work(session)
      } finally {
        pool.release(session)
      }
    },
    async [Symbol.asyncDispose]() {
      isClosed = true
      await pool.destroy()
    },
  }
}
