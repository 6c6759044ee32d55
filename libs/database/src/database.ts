import type { TokenCredential } from '@azure/core-auth'
import { ConfigError } from '@cinelake/core'
import type { Kysely } from 'kysely'
import { z } from 'zod'

/** Makes the identity that Azure knows the service by; called when an address has no password. */
export type AzureCredential = () => Promise<TokenCredential>

export type DatabaseSettings = {
  /** `pglite:DIR`, `postgres://[USER[:PASSWORD]@]HOST[:PORT]/DB[?sslmode=…]` or `mssql://…`. May hold a password: not for logs. */
  readonly url: string
  /** Instead of one in the address. */
  readonly password?: string
  /** The variable that has the address, for messages. Default: `CINELAKE_DATABASE`. */
  readonly setting?: string
}

/** A connection to the SQL database that the run history (`ops` schema) is kept in. */
export interface Database<Schema> extends AsyncDisposable {
  readonly db: Kysely<Schema>
  readonly dialect: 'postgres' | 'mssql'
  readonly location: string
}

/** The settings of the database that has the run history, for the schema of a service's environment. */
export const databaseEnv = {
  CINELAKE_DATABASE: z.string().optional(),
  CINELAKE_DATABASE_PASSWORD: z.string().optional(),
  /** Is the run history's database as well, where it is one and there is no other. */
  CINELAKE_WAREHOUSE: z.string().default('pglite:.cinelake/warehouse'),
  CINELAKE_WAREHOUSE_PASSWORD: z.string().optional(),
}

const SCHEMES = /^(pglite|postgres|postgresql|mssql):/i

/** Whether an address is one of a database that a run history can be kept in, and not of a warehouse alone. */
export function isDatabaseAddress(url: string): boolean {
  return SCHEMES.test(url)
}

/** The run history's database: its own, or the warehouse's. @throws {ConfigError} terminal: there is neither */
export function databaseSettings(env: {
  readonly CINELAKE_DATABASE?: string | undefined
  readonly CINELAKE_DATABASE_PASSWORD?: string | undefined
  readonly CINELAKE_WAREHOUSE: string
  readonly CINELAKE_WAREHOUSE_PASSWORD?: string | undefined
}): DatabaseSettings {
  const { CINELAKE_DATABASE: own, CINELAKE_WAREHOUSE: warehouse, CINELAKE_WAREHOUSE_PASSWORD } = env
  if (own === undefined && !isDatabaseAddress(warehouse)) {
    throw new ConfigError('the run history has no database', [
      'CINELAKE_DATABASE: expected pglite:DIR, postgres://… or mssql://…, since the run history cannot be kept in this ' +
        'CINELAKE_WAREHOUSE, got none',
    ])
  }
  const password =
    env.CINELAKE_DATABASE_PASSWORD ?? (own === undefined || own === warehouse ? CINELAKE_WAREHOUSE_PASSWORD : undefined)
  return {
    url: own ?? warehouse,
    setting: own === undefined ? 'CINELAKE_WAREHOUSE' : 'CINELAKE_DATABASE',
    ...(password === undefined ? {} : { password }),
  }
}
