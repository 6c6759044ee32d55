import { ConfigError, reasonOf, reportError, type Log } from '@cinelake/core'
import type { Meter } from '@opentelemetry/api'
import { z } from 'zod'
import { readEnv, readSettings, type Settings } from './environment.ts'
import { createLog, LOG_LEVELS } from './log.ts'
import { createRedaction, type Redaction } from './redaction.ts'
import { endProcess, listenForStop } from './stop-signals.ts'
import { openTelemetry } from './telemetry.ts'

/** EX_CONFIG. Source: sysexits.h */
const EXIT_CONFIG = 78

/** Milliseconds that a stopped process may keep running if a handle keeps its event loop alive. */
const LINGER_MS = 5_000

export type ServiceContext<Config> = {
  readonly config: Config
  /** The raw environment, for the placeholders of pipelines. */
  readonly settings: Settings
  readonly log: Log
  /** For metrics of the service: they are in `/metrics`, and sent where a collector is named. */
  readonly meter: Meter
  /** Registers a resource to be closed when the service stops; last in, first closed. Returns its argument. */
  readonly use: <Resource extends AsyncDisposable | Disposable>(resource: Resource) => Resource
  /**
   * Adds a readiness check, evaluated once the service has started. A check that fails or times out means not ready.
   */
  readonly readyWhile: (check: () => Promise<boolean>) => void
  /** Aborted when the service is asked to stop. */
  readonly stopping: AbortSignal
  /** Stops the service as a signal would: for a program whose work has an end. */
  readonly stop: (reason: string) => void
} & /** The log redacts automatically. */ Redaction

const ChassisEnv = z.object({
  CINELAKE_LOG_LEVEL: z.enum(LOG_LEVELS).default('info'),
  CINELAKE_HEALTH_PORT: z.coerce.number().int().min(0).max(65_535).default(0),
})

/**
 * Runs a service: reads its settings, starts it, answers probes, and stops it on SIGTERM or SIGINT, closing its
 * resources in reverse order. A second signal ends the process at once.
 *
 * Exit codes: 0 stopped as asked, 1 it could not start or stop, 78 invalid settings.
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
    await runWith({ name, settings, chassis, redaction }, (context) => start({ ...context, config, settings }))
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    process.stderr.write(`${name} cannot start: ${redaction.redact(error.message)}\n`)
    process.exitCode = EXIT_CONFIG
  }
}

/** Milliseconds. Kubernetes' default probe timeout is one second; a slower check counts as failed. */
const READINESS_MS = 900

async function inTime(check: () => Promise<boolean>): Promise<boolean> {
  const { promise: tooLate, resolve } = Promise.withResolvers<boolean>()
  const timeout = setTimeout(() => resolve(false), READINESS_MS)
  const answer = await Promise.race([check().catch(() => false), tooLate])
  clearTimeout(timeout)
  return answer
}

/** Both at once, so that one start reports every problem. */
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

type Started = {
  readonly name: string
  readonly settings: Settings
  readonly chassis: z.infer<typeof ChassisEnv>
  readonly redaction: Redaction
}

async function runWith(
  { name, settings, chassis, redaction }: Started,
  start: (context: Omit<ServiceContext<never>, 'config' | 'settings'>) => Promise<void>,
): Promise<void> {
  let isReady = false
  let check = async () => true
  const log = createLog({ service: name, level: chassis.CINELAKE_LOG_LEVEL, redact: redaction.redact })
  using stop = listenForStop()
  logCrashes(log, redaction.redact)

  try {
    await using resources = new AsyncDisposableStack()
    const port = chassis.CINELAKE_HEALTH_PORT
    const telemetry = resources.use(await openTelemetry({ service: name, settings, log, isScraped: port > 0 }))
    const { meter, prometheusText } = telemetry
    if (port > 0)
      resources.use(await serveHealth(port, { isReady: async () => isReady && (await inTime(check)), prometheusText }))
    await start({
      log,
      meter,
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

/** A crash still ends the process; but it is logged like everything else, with secrets redacted. */
function logCrashes(log: Log, redact: Redaction['redact']): void {
  process.on('uncaughtException', (error) => {
    log.error({ err: error }, 'service crashed')
    // For a service with a silent log.
    process.stderr.write(`${redact(error.stack ?? error.message)}\n`)
    process.exit(1)
  })
}

/**
 * Serves `/healthz` (the process answers), `/readyz` (it takes work) and `/metrics` on all interfaces.
 * @throws {ConfigError} the port cannot be used
 */
async function serveHealth(
  port: number,
  {
    isReady,
    prometheusText,
  }: { readonly isReady: () => Promise<boolean>; readonly prometheusText: () => Promise<string> },
): Promise<AsyncDisposable> {
  // Connections of probes must not delay the stop.
  // Loaded when a service starts: the command line, which also uses this package, serves nothing.
  const { fastify } = await import('fastify')
  const server = fastify({ forceCloseConnections: true })
  server.get('/healthz', () => ({ status: 'ok' }))
  server.get('/readyz', async (_request, reply) => {
    const ready = await isReady()
    return reply.code(ready ? 200 : 503).send({ status: ready ? 'ready' : 'not ready' })
  })
  server.get('/metrics', async (_request, reply) =>
    reply.type('text/plain; version=0.0.4').send(await prometheusText()),
  )
  try {
    await server.listen({ port, host: '0.0.0.0' })
  } catch (error) {
    const reason = reasonOf(error)
    throw new ConfigError('CINELAKE_HEALTH_PORT cannot be used', [`expected a free port, got ${reason}`], {
      cause: error,
    })
  }
  return { [Symbol.asyncDispose]: () => server.close() }
}
