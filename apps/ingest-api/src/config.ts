import { z } from 'zod'

const MIB = 1024 * 1024

/** The service's settings, as they come from the environment. Addresses choose adapters by their scheme. */
export const IngestApiEnv = z
  .object({
    CINELAKE_BUS: z.string().default('memory:'),
    CINELAKE_LAKE: z.string().default('file:.cinelake/lake'),
    CINELAKE_SECRETS: z.string().default('env:'),
    /** MiB that one page of an API may have, unpacked. */
    CINELAKE_REST_MAX_BODY_MIB: z.coerce.number().int().min(1).max(1024).default(64),
    /** Datasets read at once. */
    CINELAKE_INGEST_API_CONCURRENCY: z.coerce.number().int().min(1).default(4),
  })
  .transform((env) => ({
    bus: env.CINELAKE_BUS,
    lake: env.CINELAKE_LAKE,
    secrets: env.CINELAKE_SECRETS,
    maxBodyBytes: env.CINELAKE_REST_MAX_BODY_MIB * MIB,
    concurrency: env.CINELAKE_INGEST_API_CONCURRENCY,
  }))
