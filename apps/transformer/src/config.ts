import { busEnv, busSettings } from '@cinelake/bus'
import { engineEnv, engineSettings, modelRunnerEnv } from '@cinelake/engine'
import { lakeEnv, lakeSettings } from '@cinelake/lake'
import { z } from 'zod'
import { limitsOf, warehouseEnv } from '@cinelake/warehouse'
import { unpackEnv, unpackLimits } from './read-csv/unpack-settings.ts'

/** The transformer's settings, as read from the environment. The scheme of an address selects the adapter. */
export const TransformerEnv = z
  .object({
    ...busEnv,
    ...engineEnv(1024),
    ...modelRunnerEnv,
    ...lakeEnv,
    ...unpackEnv,
    /** Of the address only what such a warehouse holds is used: rows that it cannot hold are rejected. */
    CINELAKE_WAREHOUSE: warehouseEnv.CINELAKE_WAREHOUSE.optional(),
    /** Datasets and models processed at once; they share the engine's memory and threads. */
    CINELAKE_TRANSFORMER_CONCURRENCY: z.coerce.number().int().min(1).default(2),
  })
  .transform((env) => ({
    bus: busSettings(env),
    lake: lakeSettings(env),
    engine: engineSettings(env),
    runner: env.CINELAKE_ENGINE,
    unpacking: unpackLimits(env),
    mart: env.CINELAKE_WAREHOUSE === undefined ? undefined : limitsOf({ url: env.CINELAKE_WAREHOUSE }),
    concurrency: env.CINELAKE_TRANSFORMER_CONCURRENCY,
  }))
