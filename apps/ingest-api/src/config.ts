import { busEnv, busSettings } from '@cinelake/bus'
import { lakeEnv, lakeSettings } from '@cinelake/lake'
import { secretsEnv, secretsSettings } from '@cinelake/secrets'
import { knownHostsEnv } from '@cinelake/service'
import { z } from 'zod'

const MIB = 1024 * 1024

/** The service's settings, as read from the environment. The scheme of an address selects the adapter. */
export const IngestApiEnv = z
  .object({
    ...busEnv,
    ...secretsEnv,
    ...lakeEnv,
    ...knownHostsEnv,
    /** MiB. Size limit of one page of an API, unpacked. */
    CINELAKE_REST_MAX_BODY_MIB: z.coerce.number().int().min(1).max(1024).default(64),
    /** Datasets read at once. 0: no commands are taken, and the message bus is not connected to. */
    CINELAKE_INGEST_API_CONCURRENCY: z.coerce.number().int().min(0).default(4),
    /**
     * Port of the push API; without one, pushes are off. Keys and bodies must stay confidential: terminate TLS in front
     * of it.
     */
    CINELAKE_PUSH_HOST: z.string().default('127.0.0.1'),
    CINELAKE_PUSH_PORT: z.coerce.number().int().min(0).max(65_535).optional(),
  })
  .refine((env) => env.CINELAKE_INGEST_API_CONCURRENCY > 0 || env.CINELAKE_PUSH_PORT !== undefined, {
    path: ['CINELAKE_INGEST_API_CONCURRENCY'],
    message: 'expected 1 or more, or 0 together with CINELAKE_PUSH_PORT, got 0 without it: nothing to do',
  })
  .transform((env) => ({
    bus: busSettings(env),
    lake: lakeSettings(env),
    secrets: secretsSettings(env),
    maxBodyBytes: env.CINELAKE_REST_MAX_BODY_MIB * MIB,
    /** 0: takes no commands. */
    concurrency: env.CINELAKE_INGEST_API_CONCURRENCY,
    push:
      env.CINELAKE_PUSH_PORT === undefined
        ? undefined
        : { host: env.CINELAKE_PUSH_HOST, port: env.CINELAKE_PUSH_PORT, names: env.CINELAKE_HTTP_HOSTS },
  }))
