import type { Settings } from '@cinelake/service'
import { readEnv, LOG_LEVELS } from '@cinelake/service'
import { availableParallelism } from 'node:os'
import path from 'node:path'
import { z } from 'zod'

const MIB = 1024 * 1024

/** Where everything is kept when nothing else is said, below the directory that the command is called in. */
export const DEFAULT_STATE = '.cinelake'

const PlatformEnv = z.object({
  CINELAKE_BUS: z.string().optional(),
  CINELAKE_LAKE: z.string().optional(),
  CINELAKE_WAREHOUSE: z.string().optional(),
  CINELAKE_QUEUE: z.string().optional(),
  CINELAKE_SECRETS: z.string().optional(),
  CINELAKE_ENGINE_MEMORY_MIB: z.coerce.number().int().min(64).default(1024),
  CINELAKE_ENGINE_THREADS: z.coerce.number().int().min(1).default(availableParallelism()),
  CINELAKE_LOG_LEVEL: z.enum(LOG_LEVELS).default('silent'),
})

/** Addresses of the platform's parts, and what its engine may use. */
export type PlatformConfig = {
  readonly stateDirectory: string
  readonly bus: string
  readonly lake: string
  readonly warehouse: string
  readonly queue: string
  readonly secrets: string
  readonly engine: { readonly memoryBytes: number; readonly threads: number; readonly scratchDirectory: string }
  readonly logLevel: (typeof LOG_LEVELS)[number]
}

/**
 * The platform's configuration from the environment; what is not set there is embedded, below the state directory.
 * @throws {ConfigError} terminal: every setting that is wrong
 */
export function platformConfig(settings: Settings, stateDirectory = DEFAULT_STATE): PlatformConfig {
  const env = readEnv(PlatformEnv, settings)
  const below = (name: string) => path.join(stateDirectory, name)
  return {
    stateDirectory,
    bus: env.CINELAKE_BUS ?? 'memory:',
    lake: env.CINELAKE_LAKE ?? `file:${below('lake')}`,
    warehouse: env.CINELAKE_WAREHOUSE ?? `pglite:${below('warehouse')}`,
    queue: env.CINELAKE_QUEUE ?? 'memory:',
    secrets: env.CINELAKE_SECRETS ?? 'env:',
    engine: {
      memoryBytes: env.CINELAKE_ENGINE_MEMORY_MIB * MIB,
      threads: env.CINELAKE_ENGINE_THREADS,
      scratchDirectory: below('scratch'),
    },
    logLevel: env.CINELAKE_LOG_LEVEL,
  }
}
