import { busEnv, busSettings } from '@cinelake/bus'
import { lakeEnv, lakeSettings } from '@cinelake/lake'
import { MIGRATE } from '@cinelake/run-store/write'
import { knownHostsEnv } from '@cinelake/service'
import { databaseEnv, databaseSettings } from '@cinelake/database'
import { z } from 'zod'
import { MAX_WINDOWS, FIRST_WINDOWS } from './schedule/schedule.ts'
import { queueEnv, queueSettings } from './timers/settings.ts'

const port = z.coerce.number().int().min(0).max(65_535)
const MINUTE = 60_000

/** The scheduler's settings, as read from the environment. The scheme of an address selects the adapter. */
export const SchedulerEnv = z
  .object({
    ...busEnv,
    ...lakeEnv,
    ...databaseEnv,
    ...queueEnv,
    ...knownHostsEnv,
    /** `check`: for several replicas on one database, which a job has migrated beforehand. */
    CINELAKE_MIGRATE: z.enum(MIGRATE).optional(),
    /** Folder with one subfolder per pipeline. */
    CINELAKE_PIPELINES: z.string().default('pipelines'),
    /**
     * The API does not authenticate callers: unless an authenticating proxy is in front, only this machine may call it.
     */
    CINELAKE_API_HOST: z.string().default('127.0.0.1'),
    CINELAKE_API_PORT: port.default(8080),
    /** Most windows that one request may ask for. */
    CINELAKE_MAX_WINDOWS: z.coerce.number().int().min(1).max(100_000).default(MAX_WINDOWS),
    CINELAKE_SCHEDULER_QUEUED_MINUTES: z.coerce.number().positive().default(720),
    CINELAKE_SCHEDULER_SILENT_MINUTES: z.coerce.number().positive().default(60),
    CINELAKE_SCHEDULER_SWEEP_SECONDS: z.coerce.number().positive().default(30),
    /** `off`: windows run only on request. */
    CINELAKE_SCHEDULER_SCHEDULE: z.enum(['on', 'off']).default('on'),
    /** The first window of a pipeline that has never run: its schedule's `start`, or the latest that is due. */
    CINELAKE_SCHEDULER_BEGIN: z.enum(FIRST_WINDOWS).default('start'),
  })
  .transform((env) => ({
    bus: busSettings(env),
    lake: lakeSettings(env),
    database: databaseSettings(env),
    migrate: env.CINELAKE_MIGRATE ?? (databaseSettings(env).url.startsWith('pglite:') ? 'auto' : 'check'),
    queue: queueSettings(env),
    pipelines: env.CINELAKE_PIPELINES,
    api: { host: env.CINELAKE_API_HOST, port: env.CINELAKE_API_PORT, names: env.CINELAKE_HTTP_HOSTS },
    maxWindows: env.CINELAKE_MAX_WINDOWS,
    timeouts: {
      scheduleToStartMs: env.CINELAKE_SCHEDULER_QUEUED_MINUTES * MINUTE,
      heartbeatMs: env.CINELAKE_SCHEDULER_SILENT_MINUTES * MINUTE,
    },
    sweepMs: env.CINELAKE_SCHEDULER_SWEEP_SECONDS * 1000,
    followsSchedule: env.CINELAKE_SCHEDULER_SCHEDULE === 'on',
    first: env.CINELAKE_SCHEDULER_BEGIN,
    // The engine only works out the column types of queries over empty tables.
    engine: { memoryBytes: 128 * 1024 * 1024, threads: 1, scratchDirectory: env.CINELAKE_SCRATCH },
  }))
export type SchedulerEnv = z.infer<typeof SchedulerEnv>
