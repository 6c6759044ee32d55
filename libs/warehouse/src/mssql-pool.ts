import { TransientError, type Log } from '@cinelake/core'
import { Pool, TimeoutError } from 'tarn'
import { Connection, type ConnectionConfiguration } from 'tedious'
import { WarehouseUnavailableError } from './errors.ts'
import type { MssqlAddress } from './mssql-address.ts'
import { createMssqlSession, type MssqlSession } from './mssql-session.ts'
import type { AzureCredential } from './warehouse-settings.ts'

/** Sessions of the database, at most so many at once. */
export interface MssqlPool extends AsyncDisposable {
  readonly location: string
  /** @throws {WarehouseUnavailableError} transient: none is free, or the server is not reached */
  acquire(): Promise<MssqlSession>
  release(session: MssqlSession): void
  use<Result>(work: (session: MssqlSession) => Promise<Result>): Promise<Result>
}

/** Connections of one process. Azure SQL's smallest databases take 30 sessions at once. Source: learn.microsoft.com/azure/azure-sql/database/resource-limits-dtu-single-databases */
const MAX_CONNECTIONS = 8
const CONNECT_TIMEOUT_MS = 30_000
const ACQUIRE_TIMEOUT_MS = 60_000
/** Azure closes connections that were idle for 30 minutes. */
const IDLE_TIMEOUT_MS = 5 * 60_000
/** What a token for Azure SQL is asked for. Source: learn.microsoft.com/azure/azure-sql/database/authentication-aad-overview */
const TOKEN_SCOPE = 'https://database.windows.net/.default'

export function createMssqlPool(
  address: MssqlAddress,
  { credential, log }: { readonly credential: AzureCredential; readonly log: Log },
): MssqlPool {
  const pool = new Pool<MssqlSession>({
    create: async () => await connect(address, credential, log),
    destroy: (session) => session.connection.close(),
    validate: (session) => session.usable,
    min: 0,
    max: MAX_CONNECTIONS,
    acquireTimeoutMillis: ACQUIRE_TIMEOUT_MS,
    createTimeoutMillis: CONNECT_TIMEOUT_MS * 2,
    idleTimeoutMillis: IDLE_TIMEOUT_MS,
    // Without it the pool would try a wrong password for a minute.
    propagateCreateError: true,
  })
  const acquire = async () => {
    try {
      return await pool.acquire().promise
    } catch (error) {
      if (!(error instanceof TimeoutError)) throw error
      throw new WarehouseUnavailableError(address.location, 'all connections are in use', { cause: error })
    }
  }
  const release = (session: MssqlSession) => {
    pool.release(session)
  }
  return {
    location: address.location,
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
      await pool.destroy()
    },
  }
}

async function connect(address: MssqlAddress, credential: AzureCredential, log: Log): Promise<MssqlSession> {
  const connection = new Connection(await configuration(address, credential))
  connection.on('error', (error: Error) => {
    log.warn({ location: address.location, reason: error.message }, 'a connection to the warehouse was lost')
  })
  // The driver's error has only the words of a refused login; whether to try again is a matter of its number.
  let number: number | undefined
  connection.on('errorMessage', (message) => {
    number ??= message.number
  })
  await new Promise<void>((resolve, reject) => {
    connection.connect((error) => (error == null ? resolve() : reject(Object.assign(error, { number }))))
  })
  return createMssqlSession(connection)
}

async function configuration(address: MssqlAddress, credential: AzureCredential): Promise<ConnectionConfiguration> {
  return {
    server: address.server,
    authentication:
      address.login === undefined
        ? { type: 'azure-active-directory-access-token', options: { token: await token(address, credential) } }
        : { type: 'default', options: address.login },
    options: {
      port: address.port,
      database: address.database,
      encrypt: address.encrypt,
      trustServerCertificate: address.trustServerCertificate,
      appName: 'cinelake',
      connectTimeout: CONNECT_TIMEOUT_MS,
      // An error ends the transaction on the server as well, so that nothing half-done can be committed after it.
      abortTransactionOnError: true,
      useUTC: true,
      // Retried by who asked for the work, who also knows when to stop.
      maxRetriesOnTransientErrors: 0,
    },
  }
}

/** A new connection gets a token that is new enough: the credential keeps it and renews it before it ends. */
async function token({ location }: MssqlAddress, credential: AzureCredential): Promise<string> {
  try {
    const access = await (await credential()).getToken(TOKEN_SCOPE)
    if (access !== null) return access.token
  } catch (error) {
    if (error instanceof TransientError) throw error
    throw new WarehouseUnavailableError(location, 'Entra gave no token for the database', { cause: error })
  }
  throw new WarehouseUnavailableError(location, 'the credential has no token for the database')
}
