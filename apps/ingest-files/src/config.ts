import { availableParallelism } from 'node:os'
import { z } from 'zod'

const MIB = 1024 * 1024

/** The agent's settings, as they come from the environment. Addresses choose adapters by their scheme. */
export const IngestFilesEnv = z
  .object({
    CINELAKE_BUS: z.string().default('memory:'),
    CINELAKE_LAKE: z.string().default('file:.cinelake/lake'),
    CINELAKE_SECRETS: z.string().default('env:'),
    /** The site that this agent stands at; the nodes of a site share its queue. Without it the queue of sources without a site. */
    CINELAKE_SITE: z
      .string()
      .regex(/^[a-z0-9][a-z0-9-]*$/, 'expected lower-case letters, digits and `-`')
      .optional(),
    /** MiB that the engine may hold in memory; beyond that it spills to the scratch directory. */
    CINELAKE_ENGINE_MEMORY_MIB: z.coerce.number().int().min(64).default(512),
    CINELAKE_ENGINE_THREADS: z.coerce.number().int().min(1).default(availableParallelism()),
    CINELAKE_SCRATCH: z.string().default('.cinelake/scratch'),
    /** Files sources, tables and listings worked on at once. */
    CINELAKE_INGEST_FILES_CONCURRENCY: z.coerce.number().int().min(1).default(4),
  })
  .transform((env) => ({
    bus: env.CINELAKE_BUS,
    lake: env.CINELAKE_LAKE,
    secrets: env.CINELAKE_SECRETS,
    queue: env.CINELAKE_SITE === undefined ? ('ingest-files' as const) : (`ingest-files.${env.CINELAKE_SITE}` as const),
    engine: {
      memoryBytes: env.CINELAKE_ENGINE_MEMORY_MIB * MIB,
      threads: env.CINELAKE_ENGINE_THREADS,
      scratchDirectory: env.CINELAKE_SCRATCH,
    },
    concurrency: env.CINELAKE_INGEST_FILES_CONCURRENCY,
  }))
