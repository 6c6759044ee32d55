import { busEnv, busSettings, type BusSettings } from '@cinelake/bus'
import { engineEnv, engineSettings, type EngineLimits } from '@cinelake/engine'
import { lakeEnv, lakeSettings, type LakeSettings } from '@cinelake/lake'
import { queueEnv, queueSettings, type QueueSettings } from '@cinelake/scheduler'
import { secretsEnv, secretsSettings, type SecretsSettings } from '@cinelake/secrets'
import type { Settings } from '@cinelake/service'
import { readEnv, LOG_LEVELS } from '@cinelake/service'
import { unpackEnv, unpackLimits, type UnpackLimits } from '@cinelake/transformer'
import { QUERY_TIMEOUT_MS, warehouseEnv, warehouseSettings, type WarehouseSettings } from '@cinelake/warehouse'
import path from 'node:path'
import { z } from 'zod'

/** Where everything is kept when nothing else is said, below the directory that the command is called in. */
export const DEFAULT_STATE = '.cinelake'

const PlatformEnv = z.object({
  ...busEnv,
  ...lakeEnv,
  ...warehouseEnv,
  ...queueEnv,
  ...secretsEnv,
  ...engineEnv(1024),
  ...unpackEnv,
  CINELAKE_QUERY_TIMEOUT_S: z.coerce
    .number()
    .positive()
    .max(86_400)
    .default(QUERY_TIMEOUT_MS / 1000),
  CINELAKE_LOG_LEVEL: z.enum(LOG_LEVELS).default('silent'),
})

/** Addresses of the platform's parts, and what its engine may use. */
export type PlatformConfig = {
  readonly stateDirectory: string
  readonly bus: BusSettings
  readonly lake: LakeSettings
  readonly warehouse: WarehouseSettings
  readonly queue: QueueSettings
  readonly secrets: SecretsSettings
  readonly engine: EngineLimits
  readonly unpacking: UnpackLimits
  /** What a query may take, where the command does not say. */
  readonly queryTimeoutMs: number
  readonly logLevel: (typeof LOG_LEVELS)[number]
}

/**
 * The platform's configuration from the environment; what is not set there is embedded, below the state directory.
 * @throws {ConfigError} terminal: every setting that is wrong
 */
export function platformConfig(settings: Settings, stateDirectory = DEFAULT_STATE): PlatformConfig {
  const below = (name: string) => path.join(stateDirectory, name)
  const embedded = {
    CINELAKE_LAKE: `file:${below('lake')}`,
    CINELAKE_WAREHOUSE: `pglite:${below('warehouse')}`,
    CINELAKE_SCRATCH: below('scratch'),
  }
  const env = readEnv(PlatformEnv, { ...embedded, ...settings })
  return {
    stateDirectory,
    bus: busSettings(env),
    lake: lakeSettings(env),
    warehouse: warehouseSettings(env),
    queue: queueSettings(env),
    secrets: secretsSettings(env),
    engine: engineSettings(env),
    unpacking: unpackLimits(env),
    queryTimeoutMs: env.CINELAKE_QUERY_TIMEOUT_S * 1000,
    logLevel: env.CINELAKE_LOG_LEVEL,
  }
}
