import type { Log } from '@cinelake/core'
import { Kysely } from 'kysely'
import { Pool, TimeoutError } from 'tarn'
import type { AzureCredential, Database, DatabaseSettings } from '../database.ts'
import { DatabaseUnavailableError } from '../errors.ts'
import { type MssqlSettings, parseMssqlAddress } from './address.ts'
import { CONNECT_TIMEOUT_MS, connectMssql, tokenOf } from './connection.ts'
import { type MssqlSessions, createMssqlDialect } from './dialect.ts'
import { connectionError } from './faults.ts'
import type { MssqlSession } from './session.ts'

export { readEncryption } from './address.ts'
export { openMssqlConnection, requestToken, type MssqlConnection } from './connection.ts'
export { connectionError, faultOf, isRefusedLogin, isTransient, type MssqlFault } from './faults.ts'
export { releaseLock, requireLock, tryLock } from './locks.ts'
export type { MssqlSession } from './session.ts'

export interface MssqlDatabase<Schema> extends Database<Schema> {
  readonly dialect: 'mssql'
  readonly adapter: 'sql-server'
  readonly pool: MssqlPool
}

/**
 * @throws {ConfigError} terminal: the address says too little, or the server refuses the login
 * @throws {DatabaseUnavailableError} transient: the server is not reached
 */
export async function openMssqlDatabase<Schema>(
  settings: DatabaseSettings,
  deps: { readonly credential: AzureCredential; readonly log: Log },
): Promise<MssqlDatabase<Schema>> {
  const address = parseMssqlAddress(settings)
  const { location } = address
  const translate = (error: unknown) => connectionError(error, location)
  const pool = await openMssqlPool(address, deps).catch((error: unknown) => {
    throw translate(error)
  })
  const db = new Kysely<Schema>({ dialect: createMssqlDialect(pool, translate) })
  return {
    db,
    pool,
    dialect: 'mssql',
    adapter: 'sql-server',
    location,
    async [Symbol.asyncDispose]() {
      await db.destroy()
      await pool[Symbol.asyncDispose]()
    },
  }
}

export interface MssqlPool extends MssqlSessions, AsyncDisposable {
  /** @throws {DatabaseUnavailableError} transient: none is free, or the server is not reached */
  acquire(): Promise<MssqlSession>
  use<Result>(work: (session: MssqlSession) => Promise<Result>): Promise<Result>
}

type PoolLimits = { readonly connections: number; readonly acquireTimeoutMs: number }

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
      if (!(error instanceof TimeoutError)) throw error
      const reason =
        pool.numUsed() < connections
          ? `no connection was made within ${acquireTimeoutMs / 1000} s`
          : 'all connections are in use'
      throw new DatabaseUnavailableError(location, reason, { cause: error })
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
