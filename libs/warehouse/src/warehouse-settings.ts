import type { TokenCredential } from '@azure/core-auth'
import { z } from 'zod'

/** Makes the identity that Azure knows the service by; called when an address has no password. */
export type AzureCredential = () => Promise<TokenCredential>

/** Which database, and how to log in. */
export type WarehouseSettings = {
  /** `pglite:DIR`, `postgres://[USER[:PASSWORD]@]HOST[:PORT]/DB[?sslmode=…]` or `mssql://…`. May hold a password: not for logs. */
  readonly url: string
  /** Instead of one in the address. */
  readonly password?: string
}

/** The settings of the SQL database, for the schema of a service's environment. */
export const warehouseEnv = {
  CINELAKE_WAREHOUSE: z.string().default('pglite:.cinelake/warehouse'),
  CINELAKE_WAREHOUSE_PASSWORD: z.string().optional(),
}

export function warehouseSettings(env: {
  readonly CINELAKE_WAREHOUSE: string
  readonly CINELAKE_WAREHOUSE_PASSWORD?: string | undefined
}): WarehouseSettings {
  const { CINELAKE_WAREHOUSE: url, CINELAKE_WAREHOUSE_PASSWORD: password } = env
  return password === undefined ? { url } : { url, password }
}
