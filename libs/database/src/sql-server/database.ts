import type { Log } from '@cinelake/core'
import { Kysely } from 'kysely'
import type { Database } from '../database.ts'
import { parseMssqlAddress } from './address.ts'
import { createMssqlDialect } from './dialect.ts'
import { connectionError } from './faults.ts'
import { openMssqlPool, type MssqlPool } from './pool.ts'
import type { AzureCredential, DatabaseSettings } from '../settings.ts'

/** A SQL Server or Azure SQL database, with the connections that bulk loads need. */
export interface MssqlDatabase<Schema> extends Database<Schema> {
  readonly dialect: 'mssql'
  readonly adapter: 'sql-server'
  readonly pool: MssqlPool
}

/**
 * Opens a database of SQL Server 2016 or newer, or of Azure SQL. It has to exist.
 * @throws {ConfigError} terminal: the address says too little, or the server refuses the login
 * @throws {DatabaseUnavailableError} transient: the server is not reached
 */
export async function openMssqlDatabase<Schema>(
  settings: DatabaseSettings,
  deps: { readonly credential: AzureCredential; readonly log: Log },
): Promise<MssqlDatabase<Schema>> {
  const address = parseMssqlAddress(settings)
  await using opening = new AsyncDisposableStack()
  const pool = opening.use(
    await openMssqlPool(address, deps).catch((error: unknown) => {
      throw connectionError(error, address.location)
    }),
  )
  const db = new Kysely<Schema>({ dialect: createMssqlDialect(pool) })
  const owned = opening.move()
  return {
    db,
    pool,
    dialect: 'mssql',
    adapter: 'sql-server',
    location: address.location,
    async [Symbol.asyncDispose]() {
      await db.destroy()
      await owned.disposeAsync()
    },
  }
}
