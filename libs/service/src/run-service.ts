import { ConfigError, reportError, type Log } from '@cinelake/core'
import { z } from 'zod'
import { readEnv, readSettings, type Settings } from './environment.ts'
import { serveHealth } from './health.ts'
import { createLog, LOG_LEVELS } from './log.ts'
import { createMetrics, type Metrics } from './metrics.ts'
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
  /** From now on, every line of the log passes through this. */
  readonly redactWith: (redact: (text: string) => string) => void
  /** Aborted when the service has been told to stop. */
  readonly stopping: AbortSignal
}

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
  try {
    const settings = readSettings()
    const { chassis, config } = readAll(schema, settings)
    await runWith(name, chassis, (context) => start({ ...context, config, settings }))
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    process.stderr.write(`${name} cannot start: ${error.message}\n`)
    process.exitCode = EXIT_CONFIG
  }
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
  start: (context: Omit<ServiceContext<never>, 'config' | 'settings'>) => Promise<void>,
): Promise<void> {
  let redact = (text: string) => text
  let isReady = false
  const log = createLog({ service: name, level: chassis.CINELAKE_LOG_LEVEL, redact: (line) => redact(line) })
  const metrics = createMetrics(name)
  using stop = listenForStop()
  logCrashes(log)

  try {
    await using resources = new AsyncDisposableStack()
    const port = chassis.CINELAKE_HEALTH_PORT
    if (port > 0) resources.use(await serveHealth({ port, isReady: () => isReady, metrics }))
    await start({
      log,
      metrics,
      use: (resource) => resources.use(resource),
      redactWith: (next) => void (redact = next),
      stopping: stop.signal,
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
  setTimeout(() => process.exit(), LINGER_MS).unref()
}

/** A crash still ends the process; but an operator reads about it where everything else is. */
function logCrashes(log: Log): void {
  process.on('uncaughtExceptionMonitor', (error) => log.error({ err: error }, 'service crashed'))
}
