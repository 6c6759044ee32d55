import { busEnv, busSettings } from '@cinelake/bus'
import { engineEnv, engineSettings } from '@cinelake/engine'
import { lakeEnv, lakeSettings } from '@cinelake/lake'
import { secretsEnv, secretsSettings } from '@cinelake/secrets'
import { warehouseEnv, warehouseSettings } from '@cinelake/warehouse'
import { z } from 'zod'

/** The loader's settings, as read from the environment. The scheme of an address selects the adapter. */
export const LoaderEnv = z
  .object({
    ...busEnv,
    ...engineEnv(512),
    ...warehouseEnv,
    ...secretsEnv,
    ...lakeEnv,
    /** Tables loaded at once. */
    CINELAKE_LOADER_CONCURRENCY: z.coerce.number().int().min(1).default(2),
  })
  .transform((env) => ({
    bus: busSettings(env),
    lake: lakeSettings(env),
    warehouse: warehouseSettings(env),
    secrets: secretsSettings(env),
    engine: engineSettings(env),
    concurrency: env.CINELAKE_LOADER_CONCURRENCY,
  }))
