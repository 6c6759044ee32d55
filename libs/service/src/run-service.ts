import { ConfigError, reportError, type Log } from '@cinelake/core'
import { z } from 'zod'
import { readEnv, readSettings, type Settings } from './environment.ts'
import { serveHealth } from './health.ts'
import { createLog, LOG_LEVELS } from './log.ts'
import { createMetrics, type Metrics } from './metrics.ts'
import { createRedaction, type Redaction } from './redaction.ts'
import { endProcess } from './end-process.ts'
import { listenForStop } from './stop-signals.ts'

/** EX_CONFIG. Source: sysexits.h */
const EXIT_CONFIG = 78

/** Milliseconds that a stopped process may go on for, should something still hold it. */
const LINGER_MS = 5_000

export type ServiceContext<Config> = {
  readonly config: Config
  /** The environment as it is, for the placeholders of pipelines. */
  readonly settings: Settings
  readonly log: Log
  readonly metrics: Metrics
  /** Keeps what has to be closed when the service stops; last in, first closed. Returns what it was given. */
  readonly use: <Resource extends AsyncDisposable | Disposable>(resource: Resource) => Resource
  /** Makes readiness depend on a check, once the service has started. One that fails, or takes too long, says no. */
  readonly readyWhile: (check: () => Promise<boolean>) => void
  /** Aborted when the service has been told to stop. */
  readonly stopping: AbortSignal
  /** Stops as a signal would: for a program whose work has an end. */
  readonly stop: (reason: string) => void
} & /** The log redacts by itself. */ Redaction

const ChassisEnv = z.object({
  CINELAKE_LOG_LEVEL: z.enum(LOG_LEVELS).default('info'),
  CINELAKE_HEALTH_PORT: z.coerce.number().int().min(0).max(65_535).default(0),
})

/**
 * Runs a service: reads its settings, starts it, answers probes, and stops it when SIGTERM or SIGINT come, closing what it
 * uses, last first. A second signal ends the process at once.
 *
 * Exit codes: 0 stopped as told, 1 it could not start or stop, 78 its settings cannot be used.
 */
export async function runService<Config>(
  name: string,
  schema: z.ZodType<Config>,
  start: (context: ServiceContext<Config>) => Promise<void>,
): Promise<void> {
  const settings = readSettings()
  const redaction = createRedaction(settings)
  try {
    const { chassis, config } = readAll(schema, settings)
    await runWith(name, chassis, redaction, (context) => start({ ...context, config, settings }))
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    process.stderr.write(`${name} cannot start: ${redaction.redact(error.message)}\n`)
    process.exitCode = EXIT_CONFIG
  }
}

/** Milliseconds. Kubernetes gives a probe one second unless told otherwise; what takes longer is as good as a no. */
const READINESS_MS = 900

async function inTime(check: () => Promise<boolean>): Promise<boolean> {
  const { promise: tooLate, resolve } = Promise.withResolvers<boolean>()
  const timeout = setTimeout(() => resolve(false), READINESS_MS)
  const answer = await Promise.race([check().catch(() => false), tooLate])
  clearTimeout(timeout)
  return answer
}

/** Both at once, so that one start tells every problem. */
function readAll<Config>(schema: z.ZodType<Config>, settings: Settings) {
  const problems: string[] = []
  const read = <T>(part: z.ZodType<T>): T | undefined => {
    try {
      return readEnv(part, settings)
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error
      problems.push(...error.problems)
      return undefined
    }
  }
  const chassis = read(ChassisEnv)
  const config = read(schema)
  if (problems.length > 0 || chassis === undefined)
    throw new ConfigError('the settings in the environment cannot be used', problems)
  return { chassis, config: config as Config }
}

type Chassis = z.infer<typeof ChassisEnv>

async function runWith(
  name: string,
  chassis: Chassis,
  redaction: Redaction,
  start: (context: Omit<ServiceContext<never>, 'config' | 'settings'>) => Promise<void>,
): Promise<void> {
  let isReady = false
  let check = async () => true
  const log = createLog({ service: name, level: chassis.CINELAKE_LOG_LEVEL, redact: redaction.redact })
  const metrics = createMetrics(name)
  using stop = listenForStop()
  logCrashes(log, redaction.redact)

  try {
    await using resources = new AsyncDisposableStack()
    const port = chassis.CINELAKE_HEALTH_PORT
    if (port > 0)
      resources.use(await serveHealth({ port, isReady: async () => isReady && (await inTime(check)), metrics }))
    await start({
      log,
      metrics,
      use: (resource) => resources.use(resource),
      ...redaction,
      readyWhile: (next) => void (check = next),
      stopping: stop.signal,
      stop: stop.stop,
    })
    isReady = true
    log.info({}, 'service is ready')
    await stop.wait()
    isReady = false
    log.info({ reason: String(stop.signal.reason) }, 'service stops')
  } catch (error) {
    if (error instanceof ConfigError) throw error
    log.error({ code: reportError(error).code, err: error }, 'service failed')
    process.exitCode = 1
  }
  log.info({}, 'service stopped')
  setTimeout(() => endProcess(), LINGER_MS).unref()
}

/** A crash still ends the process; but an operator reads about it where everything else is, and nobody reads a secret. */
function logCrashes(log: Log, redact: Redaction['redact']): void {
  process.on('uncaughtException', (error) => {
    log.error({ err: error }, 'service crashed')
    // For a service whose log is silent.
    process.stderr.write(`${redact(error.stack ?? error.message)}\n`)
    process.exit(1)
  })
}
