import { openByScheme, type Opener } from '@cinelake/core'
import { createDatabases, type AnyDatabase, type DatabaseDeps, type Databases } from '@cinelake/database/open'
import type { Warehouse, WAREHOUSE_SCHEMES, WarehouseOptions, WarehouseSettings } from './warehouse.ts'

export type WarehouseDeps = DatabaseDeps &
  WarehouseOptions & {
    /** Of the process, which disposes them. Default: its own. */
    readonly databases?: Databases
  }

/** Opens the warehouse that an address names. @throws {ConfigError} terminal: unknown scheme, incomplete address */
export async function openWarehouse(settings: WarehouseSettings, deps: WarehouseDeps): Promise<Warehouse> {
  await using opening = new AsyncDisposableStack()
  const databases = deps.databases ?? opening.use(createDatabases(deps, deps))
  const inDatabase = () => async () =>
    await openIn(await databases.open({ ...settings, setting: 'CINELAKE_WAREHOUSE' }), deps)
  const { memoryMib } = settings
  const options = { ...deps, ...(memoryMib === undefined ? {} : { memoryMib }) }
  const openers: Record<(typeof WAREHOUSE_SCHEMES)[number], Opener<() => Promise<Warehouse>>> = {
    pglite: inDatabase,
    postgres: inDatabase,
    postgresql: inDatabase,
    mssql: inDatabase,
    duckdb: (file) => async () => await (await import('./duckdb/duckdb.ts')).openDuckDbWarehouse(file, options),
  }
  const open = openByScheme(settings.url, openers, 'CINELAKE_WAREHOUSE')
  const warehouse = opening.use(await open())
  const owned = opening.move()
  return { ...warehouse, [Symbol.asyncDispose]: async () => await owned.disposeAsync() }
}

/** Each adapter has a driver of several megabytes: only the chosen one is loaded. */
async function openIn(database: AnyDatabase<unknown>, options: WarehouseOptions): Promise<Warehouse> {
  if (database.adapter === 'sql-server')
    return await (await import('./sql-server/sql-server.ts')).createMssqlWarehouse(database, options)
  if (database.adapter === 'postgres')
    return await (await import('./postgres/postgres.ts')).createPostgresWarehouse(database, options)
  return await (await import('./postgres/pglite.ts')).createPgliteWarehouse(database, options)
}
