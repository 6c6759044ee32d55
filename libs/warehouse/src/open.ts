import { openByScheme, type Log } from '@cinelake/core'
import type { MssqlDatabase } from './sql-server/sql-server.ts'
import type { PgliteDatabase } from './postgres/pglite.ts'
import type { PostgresDatabase } from './postgres/postgres.ts'
import type { Warehouse, WarehouseOptions } from './warehouse.ts'
import type { AzureCredential, WarehouseSettings } from './warehouse-settings.ts'

/** A database by whichever adapter its address asked for. */
export type AnyDatabase<Schema> = PgliteDatabase<Schema> | PostgresDatabase<Schema> | MssqlDatabase<Schema>

/**
 * Opens the SQL database that an address names; the adapter is chosen by its scheme.
 * @throws {ConfigError} terminal: no such scheme, or an address that says too little
 */
export async function openDatabase<Schema>(
  settings: WarehouseSettings,
  deps: { readonly credential: AzureCredential; readonly log: Log },
): Promise<AnyDatabase<Schema>> {
  // Each adapter brings a driver of megabytes: who runs on one of them loads only that.
  const open = openByScheme<() => Promise<AnyDatabase<Schema>>>(
    settings.url,
    {
      pglite: (directory) => async () =>
        await (
          await import('./postgres/pglite.ts')
        ).openPgliteDatabase<Schema>(directory === '' ? undefined : directory),
      postgres: () => async () =>
        await (await import('./postgres/postgres.ts')).openPostgresDatabase<Schema>(settings, deps),
      mssql: () => async () =>
        await (await import('./sql-server/sql-server.ts')).openMssqlDatabase<Schema>(settings, deps),
    },
    'CINELAKE_WAREHOUSE',
  )
  return await open()
}

/**
 * Opens the SQL database that an address names for a command that only looks into it. The embedded one is read beside the process
 * that works on it, where there is one.
 * @throws {ConfigError} terminal: no such scheme, or an address that says too little
 */
export async function openDatabaseToRead<Schema>(
  settings: WarehouseSettings,
  deps: { readonly credential: AzureCredential; readonly log: Log },
): Promise<AnyDatabase<Schema>> {
  const directory = embeddedDirectory(settings)
  if (directory === undefined) return await openDatabase(settings, deps)
  return await (await import('./postgres/pglite.ts')).openPgliteReader<Schema>(directory, deps.log)
}

/** The directory of the embedded database, where the address names one. */
export function embeddedDirectory({ url }: WarehouseSettings): string | undefined {
  const [, directory] = /^pglite:(?:\/\/)?(.+)$/i.exec(url) ?? []
  return directory
}

/**
 * Takes a database for one process that has all services in it, until it is disposed: two of them would go on with each
 * other's runs. An embedded database is one process's anyway.
 * @throws {WarehouseTakenError} transient: another process has it
 */
export async function takeDatabase<Schema>(database: AnyDatabase<Schema>): Promise<AsyncDisposable> {
  if ('pglite' in database) return { async [Symbol.asyncDispose]() {} }
  const { takeMssql, takePostgres } = await import('./take-database.ts')
  return database.dialect === 'mssql' ? await takeMssql(database) : await takePostgres(database)
}

/** The warehouse in a database that `openDatabase` opened. The database stays the caller's to dispose, after the warehouse. */
export async function createWarehouse<Schema>(
  database: AnyDatabase<Schema>,
  options: WarehouseOptions = {},
): Promise<Warehouse> {
  if (database.dialect === 'mssql')
    return await (await import('./sql-server/sql-server.ts')).createMssqlWarehouse(database, options)
  if ('pglite' in database) return await (await import('./postgres/pglite.ts')).createPgliteWarehouse(database, options)
  return await (await import('./postgres/postgres.ts')).createPostgresWarehouse(database, options)
}
