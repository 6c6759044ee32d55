import { createMemoryBus } from '@cinelake/bus/memory'
import { runTaskWorker, type Consumer, type MessageBus, type TaskHandlers } from '@cinelake/bus'
import type { Command, Queue, Service } from '@cinelake/contracts'
import {
  ConfigError,
  createRedactor,
  defineErrors,
  makeDirectory,
  proxyFrom,
  systemClock,
  terminal,
} from '@cinelake/core'
import { createIngestApiHandlers } from '@cinelake/ingest-api'
import { createIngestFilesHandlers } from '@cinelake/ingest-files'
import { createLoaderHandlers } from '@cinelake/loader'
import type { Lake } from '@cinelake/lake'
import { publishedPipeline } from '@cinelake/pipeline'
import type { OpsSchema } from '@cinelake/run-store'
import { createScheduler, type Scheduler } from '@cinelake/scheduler'
import { openScratchSpace } from '@cinelake/lake'
import { createMemoryTimers } from '@cinelake/scheduler/memory-timers'
import { createFill } from '@cinelake/secrets'
import { createRedaction, workerName, type Settings } from '@cinelake/service'
import { azureCredential, type AzureCredential } from '@cinelake/service/azure'
import { createTransformerHandlers, openModelRunner } from '@cinelake/transformer'
import { type Warehouse, limitsOf } from '@cinelake/warehouse'
import { takeDatabase } from '@cinelake/database/open'
import path from 'node:path'
import { createDatabases, openEngine, openLake, openLog, openPlace, openSecrets, openWarehouse } from './open-parts.ts'
import type { Terminal } from './output/terminal.ts'
import { deployedSettings, type PlatformConfig } from './settings.ts'

const platformErrors = defineErrors({
  /** A process with all services in it was given the lake of a deployed platform. */
  LAKE_DEPLOYED: terminal((location: string, pipeline: string) => [
    `the lake belongs to a deployed platform [lake=${location} pipeline=${pipeline}]: expected a lake of this machine's runs, since they write the same places; set CINELAKE_API to the address of the scheduler to have it run the pipeline, or unset CINELAKE_LAKE to run it here`,
    { lake: location, pipeline },
  ]),
  /** No service of this process works on the queue: a command that waited there would wait for ever. */
  COMMAND_UNTAKEN: terminal((task: string, queue: string, queues: readonly string[]) => [
    `the command cannot be taken by any service of this process [task=${task} queue=${queue}]: expected one of the queues ${queues.join(', ')}, or ingest-files.SITE; run the pipeline with the version of Cinelake that its run was planned with, or ask for the window again with this one`,
    { task, queue },
  ]),
})

/**
 * The five services in one process, with their own bus and timers: a configured broker belongs to a deployed platform,
 * whose messages are not for this process. Disposing stops them: work in progress is abandoned and done again the next
 * time.
 */
export interface Platform extends AsyncDisposable {
  readonly scheduler: Scheduler
  readonly bus: Pick<MessageBus, 'subscribe'>
  readonly warehouse: Warehouse
  readonly lake: Lake
  /**
   * Starts to take commands: the worker of a queue starts with the first command that is sent there, so that tasks found
   * in the middle of a run have one too. Commands that were sent before are taken as well.
   */
  readonly work: () => Promise<void>
}

/** Commands of a queue that are processed at once. They share the engine's threads. */
const CONCURRENCY: Readonly<Record<Service, number>> = {
  'ingest-api': 4,
  'ingest-files': 4,
  transformer: 2,
  loader: 2,
}

type PlatformOptions = {
  /** The identity for sources in Azure. */
  readonly credential?: AzureCredential
  /** Takes over the run history of a database server without a noted owner. */
  readonly adopt?: boolean
}

/**
 * Opens the platform: the configured parts, the handlers of all services over them, and a scheduler.
 * @param settings for the placeholders of pipelines, and for secrets in the environment
 * @throws {ConfigError} terminal: the settings name a broker, or the scheduler of a deployed platform
 * @throws {LAKE_DEPLOYED} terminal @throws {OPS_DEPLOYED} terminal @throws {OPS_OWNER_UNKNOWN} terminal: before
 * anything of a deployed platform was touched
 */
export async function openPlatform(
  config: PlatformConfig,
  settings: Settings,
  terminal: Terminal,
  { credential = azureCredential, adopt = false }: PlatformOptions = {},
): Promise<Platform> {
  requireOwnPlatform(config)
  await requireDirectory(config.stateDirectory)
  await using opening = new AsyncDisposableStack()
  const secrets = opening.use(await openSecrets(config, settings))
  const { redact, redactWith } = createRedaction(settings)
  redactWith(secrets.redact)
  const issued = createRedactor() // tokens, which no secret store knows
  redactWith(issued.redact)
  const log = openLog(config, terminal, redact)
  const lake = opening.use(await openLake(config))
  if (!config.isOwnLake) await refuseDeployedLake(lake)
  const databases = opening.use(createDatabases(log))
  const database = await databases.open<OpsSchema>(config.database)
  opening.use(await takeDatabase(database))
  const bus = opening.use(createMemoryBus({ log }))
  const timers = opening.use(createMemoryTimers({ log }))
  const ownership = { owner: 'embedded', adopt } as const
  const workers = createWorkersOnDemand(bus)
  const sending = { ...bus, send: async (queue: Queue, command: Command) => await workers.send(queue, command) }
  const scheduler = opening.use(
    await createScheduler({ bus: sending, lake, database, timers, log, redact, ...ownership }),
  )
  const engine = opening.use(await openEngine(config, lake))
  const scratch = opening.use(await openScratchSpace(path.join(config.engine.scratchDirectory, 'transformer')))
  const runner = opening.use(await openModelRunner(config.runner, { lake, engine, clock: systemClock }))
  const warehouse = opening.use(await openWarehouse(config, log, databases))

  const fill = createFill({ settings, secrets })
  const common = { lake, engine, fill, warehouse, clock: systemClock, log }
  const stopping = new AbortController()
  opening.defer(() => stopping.abort())
  const handlers: Readonly<Record<Service, TaskHandlers>> = {
    'ingest-api': createIngestApiHandlers({
      ...common,
      azure: credential,
      hide: issued.add,
      proxy: proxyFrom(settings),
    }),
    'ingest-files': createIngestFilesHandlers({ ...common, credential, stopping: stopping.signal }),
    transformer: createTransformerHandlers({
      ...common,
      runner,
      scratch,
      limits: config.unpacking,
      mart: limitsOf(config.warehouse),
    }),
    loader: createLoaderHandlers({ ...common, openPlace: async (place) => await openPlace(config, place, credential) }),
  }
  const consumers: Consumer[] = []
  // All are stopped at once; one after the other, the last would work on until the others have ended.
  opening.defer(async () => void (await Promise.all(consumers.map(async (one) => await one[Symbol.asyncDispose]()))))
  const start = async (queue: Queue) => {
    const service = serviceOf(queue)
    const options = { concurrency: CONCURRENCY[service] }
    const worker = { bus, queue, worker: workerName(), handlers: handlers[service], clock: systemClock, log }
    consumers.push(await runTaskWorker({ ...worker, redact, options }))
  }
  const owned = opening.move()
  return {
    scheduler,
    bus,
    warehouse,
    lake,
    work: async () => await workers.work(start),
    [Symbol.asyncDispose]: async () => await owned.disposeAsync(),
  }
}

/** Queues whose workers start with their first command. Exported for tests. */
export function createWorkersOnDemand(bus: Pick<MessageBus, 'send'>) {
  const waiting = new Set<Queue>()
  const started = new Map<Queue, Promise<void>>()
  let startOne: ((queue: Queue) => Promise<void>) | undefined
  const begin = async (queue: Queue) => {
    if (startOne === undefined) {
      waiting.add(queue)
      return
    }
    const starting = started.get(queue) ?? startOne(queue)
    started.set(queue, starting)
    await starting
  }
  return {
    /** @throws {COMMAND_UNTAKEN} terminal: no service works on the queue */
    async send(queue: Queue, command: Command): Promise<void> {
      if (!Object.hasOwn(CONCURRENCY, serviceOf(queue)))
        throw platformErrors.COMMAND_UNTAKEN(command.task, queue, Object.keys(CONCURRENCY))
      await begin(queue)
      await bus.send(queue, command)
    },
    async work(start: (queue: Queue) => Promise<void>): Promise<void> {
      startOne ??= start
      await Promise.all([...waiting].map(begin))
      waiting.clear()
    },
  }
}

/**
 * The queues and runs of a deployed platform are for its own services: a process with all services in it must not take
 * part in them, and does not start with the settings of one.
 * @throws {ConfigError} terminal
 */
export function requireOwnPlatform({ api, bus, queue }: Pick<PlatformConfig, 'api' | 'bus' | 'queue'>): void {
  const named = deployedSettings({
    CINELAKE_BUS: bus.url,
    CINELAKE_QUEUE: queue.url,
    ...(api === undefined ? {} : { CINELAKE_API: api.url }),
  })
  if (named.length === 0) return
  const byScheduler =
    api === undefined ? 'set CINELAKE_API to the address of its scheduler, which then runs the pipeline; ' : ''
  throw new ConfigError('the settings are those of a deployed platform', [
    `${named.join(' and ')}: expected none, since all services are in this process and the messages of a broker are not for them; ` +
      `${byScheduler}to work on this machine alone, give --state DIR or unset ${named.join(' and ')}`,
  ])
}

/** @throws {ConfigError} terminal: the state directory cannot be created */
export async function requireDirectory(directory: string): Promise<void> {
  try {
    await makeDirectory(directory)
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw new ConfigError(
      'the state directory cannot be used',
      [`${directory}: expected a directory that can be made, got ${reason}; name another one with --state`],
      { cause: error },
    )
  }
}

/**
 * A deployed scheduler publishes its pipelines when it starts; an embedded one never does. In a state directory they
 * may be left from a trial, and its run history has the owner.
 */
async function refuseDeployedLake(lake: Lake): Promise<void> {
  const published = await publishedPipeline(lake)
  if (published !== undefined) throw platformErrors.LAKE_DEPLOYED(lake.location, published)
}

/** The queue of a site's agent has the same handlers as that of sources without a site. */
function serviceOf(queue: Queue): Service {
  return queue.startsWith('ingest-files.') ? 'ingest-files' : (queue as Service)
}
