import { availableParallelism } from 'node:os'
import { z } from 'zod'

const MIB = 1024 * 1024

/** The transformer's settings, as they come from the environment. Addresses choose adapters by their scheme. */
export const TransformerEnv = z
  .object({
    CINELAKE_BUS: z.string().default('memory:'),
    CINELAKE_LAKE: z.string().default('file:.cinelake/lake'),
    /** MiB that the engine may hold in memory; beyond that it spills to the scratch directory. */
    CINELAKE_ENGINE_MEMORY_MIB: z.coerce.number().int().min(64).default(1024),
    CINELAKE_ENGINE_THREADS: z.coerce.number().int().min(1).default(availableParallelism()),
    CINELAKE_SCRATCH: z.string().default('.cinelake/scratch'),
    /** Datasets and models worked on at once; they share the engine's memory and threads. */
    CINELAKE_TRANSFORMER_CONCURRENCY: z.coerce.number().int().min(1).default(2),
  })
  .transform((env) => ({
    bus: env.CINELAKE_BUS,
    lake: env.CINELAKE_LAKE,
    engine: {
      memoryBytes: env.CINELAKE_ENGINE_MEMORY_MIB * MIB,
      threads: env.CINELAKE_ENGINE_THREADS,
      scratchDirectory: env.CINELAKE_SCRATCH,
    },
    concurrency: env.CINELAKE_TRANSFORMER_CONCURRENCY,
  }))
