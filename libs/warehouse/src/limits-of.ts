import { openByScheme } from '@cinelake/core'
import type { WarehouseLimits } from './limits.ts'
import { POSTGRES_LIMITS } from './postgres/limits.ts'
import { SQL_SERVER_LIMITS } from './sql-server/limits.ts'
import type { WAREHOUSE_SCHEMES, WarehouseSettings } from './warehouse.ts'

/** The limits of the warehouse that an address names; no driver is loaded and nothing is connected to. */
export function limitsOf({ url }: Pick<WarehouseSettings, 'url'>): WarehouseLimits {
  const known: Record<(typeof WAREHOUSE_SCHEMES)[number], () => WarehouseLimits> = {
    pglite: () => POSTGRES_LIMITS,
    postgres: () => POSTGRES_LIMITS,
    postgresql: () => POSTGRES_LIMITS,
    mssql: () => SQL_SERVER_LIMITS,
    // Its values are the engine's, and it has no index of the key.
    duckdb: () => ({}),
  }
  return openByScheme(url, known, 'CINELAKE_WAREHOUSE')
}
