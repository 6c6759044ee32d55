import { z } from 'zod'

/** Which warehouse, and how to log in. */
export type WarehouseSettings = {
  /** Its scheme chooses the adapter. May hold a password: not for logs. */
  readonly url: string
  /** Instead of one in the address. */
  readonly password?: string
}

/** The settings of the warehouse, for the schema of a service's environment. */
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
