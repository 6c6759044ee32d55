import type { Log } from '@cinelake/core'
import { Kysely } from 'kysely'
import type { AzureCredential, Database, DatabaseSettings } from '../database.ts'
import { parseMssqlAddress } from './address.ts'
import { createMssqlDialect } from './dialect.ts'
import { connectionError } from './faults.ts'
import { openMssqlPool, type MssqlPool } from './pool.ts'

export { readEncryption } from './address.ts'
export { openMssqlConnection, requestToken, type MssqlConnection } from './connection.ts'
export { connectionError, faultOf, isRefusedLogin, isTransient, type MssqlFault } from './faults.ts'
export { releaseLock, requireLock, tryLock } from './locks.ts'
export type { MssqlPool } from './pool.ts'
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
