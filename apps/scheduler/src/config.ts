import { z } from 'zod'

const port = z.coerce.number().int().min(0).max(65_535)
const MINUTE = 60_000

/** The scheduler's settings, as they come from the environment. Addresses choose adapters by their scheme. */
export const SchedulerEnv = z
  .object({
    CINELAKE_BUS: z.string().default('memory:'),
    CINELAKE_LAKE: z.string().default('file:.cinelake/lake'),
    CINELAKE_WAREHOUSE: z.string().default('pglite:.cinelake/warehouse'),
    CINELAKE_QUEUE: z.string().default('memory:'),
    /** Folder with a folder for each pipeline. */
    CINELAKE_PIPELINES: z.string().default('pipelines'),
    /** The API asks nobody who they are: without a proxy that does, only this machine may call it. */
    CINELAKE_API_HOST: z.string().default('127.0.0.1'),
    CINELAKE_API_PORT: port.default(8080),
    CINELAKE_SCHEDULER_QUEUED_MINUTES: z.coerce.number().positive().default(720),
    CINELAKE_SCHEDULER_SILENT_MINUTES: z.coerce.number().positive().default(60),
    CINELAKE_SCHEDULER_SWEEP_SECONDS: z.coerce.number().positive().default(30),
    /** `off`: windows run only when somebody asks for them. */
    CINELAKE_SCHEDULER_SCHEDULE: z.enum(['on', 'off']).default('on'),
    CINELAKE_SCRATCH: z.string().default('.cinelake/scratch'),
  })
  .transform((env) => ({
    bus: env.CINELAKE_BUS,
    lake: env.CINELAKE_LAKE,
    warehouse: env.CINELAKE_WAREHOUSE,
    queue: env.CINELAKE_QUEUE,
    pipelines: env.CINELAKE_PIPELINES,
    api: { host: env.CINELAKE_API_HOST, port: env.CINELAKE_API_PORT },
    patience: {
      queuedMs: env.CINELAKE_SCHEDULER_QUEUED_MINUTES * MINUTE,
      silentMs: env.CINELAKE_SCHEDULER_SILENT_MINUTES * MINUTE,
    },
    sweepMs: env.CINELAKE_SCHEDULER_SWEEP_SECONDS * 1000,
    followsSchedule: env.CINELAKE_SCHEDULER_SCHEDULE === 'on',
    // Only types of queries over empty tables are asked of it.
    engine: { memoryBytes: 128 * 1024 * 1024, threads: 1, scratchDirectory: env.CINELAKE_SCRATCH },
  }))
export type SchedulerEnv = z.infer<typeof SchedulerEnv>
