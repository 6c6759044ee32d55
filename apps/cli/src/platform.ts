import { runTaskWorker, type Consumer, type MessageBus, type TaskHandlers } from '@cinelake/bus'
import type { Queue, Service } from '@cinelake/contracts'
import { createRedactor, systemClock } from '@cinelake/core'
import { createIngestApiHandlers, proxyFrom } from '@cinelake/ingest-api'
import { createIngestFilesHandlers } from '@cinelake/ingest-files'
import { createLoaderHandlers } from '@cinelake/loader'
import { createScheduler, type Scheduler } from '@cinelake/scheduler'
import { openScratchSpace } from '@cinelake/lake'
import { createFill } from '@cinelake/secrets'
import { createRedaction, workerName, type Settings } from '@cinelake/service'
import { azureCredential, type AzureCredential } from '@cinelake/service/azure'
import { createTransformerHandlers } from '@cinelake/transformer'
import type { Warehouse } from '@cinelake/warehouse'
import { createWarehouse } from '@cinelake/warehouse/open'
import { openBus, openDatabase, openEngine, openLake, openLog, openSecrets, openTimers } from './open-parts.ts'
import path from 'node:path'
import type { Terminal } from './output/terminal.ts'
import type { PlatformConfig } from './settings.ts'

/** The five services in one process. Disposing stops them: what is under way is given up and done again the next time. */
export interface Platform extends AsyncDisposable {
  readonly scheduler: Scheduler
  readonly bus: Pick<MessageBus, 'subscribe'>
  readonly warehouse: Warehouse
  /** Starts the workers of these queues, besides those that run already. */
  readonly work: (queues: Iterable<Queue>) => Promise<void>
}

/** Commands of a queue that are worked on at once. The engine's own threads share the cores among them. */
const CONCURRENCY: Readonly<Record<Service, number>> = {
  'ingest-api': 4,
  'ingest-files': 4,
  transformer: 2,
  loader: 2,
}

/**
 * Opens the platform: the parts that the configuration names, the handlers of all services over them, and a scheduler.
 * @param settings for the placeholders of pipelines, and for secrets that are kept in the environment
 * @param credential who the sources of Azure are asked as
 */
export async function openPlatform(
  config: PlatformConfig,
  settings: Settings,
  terminal: Terminal,
  credential: AzureCredential = azureCredential,
): Promise<Platform> {
  await using opening = new AsyncDisposableStack()
  const secrets = opening.use(await openSecrets(config, settings))
  const { redact, redactWith } = createRedaction(settings)
  redactWith(secrets.redact)
  const issued = createRedactor() // tokens, which no store of secrets knows
  redactWith(issued.redact)
  const log = openLog(config, terminal, redact)
  const lake = opening.use(await openLake(config))
  const engine = opening.use(await openEngine(config, lake))
  const scratch = opening.use(await openScratchSpace(path.join(config.engine.scratchDirectory, 'transformer')))
  const database = opening.use(await openDatabase(config, log))
  const warehouse = opening.use(await createWarehouse(database))
  const bus = opening.use(await openBus(config, log))
  const timers = opening.use(await openTimers(config, log))
  const scheduler = opening.use(await createScheduler({ bus, lake, database, timers, log, redact }))

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
    transformer: createTransformerHandlers({ ...common, scratch, limits: config.unpacking }),
    loader: createLoaderHandlers(common),
  }
  const consumers: Consumer[] = []
  // All are told to stop at once; one after the other, the last would work on until the others have ended.
  opening.defer(async () => void (await Promise.all(consumers.map(async (one) => await one[Symbol.asyncDispose]()))))
  const started = new Set<Queue>()
  const start = async (queue: Queue) => {
    if (started.has(queue)) return
    started.add(queue)
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
    work: async (queues) => void (await Promise.all([...queues].map(start))),
    [Symbol.asyncDispose]: async () => await owned.disposeAsync(),
  }
}

/** The queue of a site's agent is worked on by the same handlers as that of sources without a site. */
function serviceOf(queue: Queue): Service {
  return queue.startsWith('ingest-files.') ? 'ingest-files' : (queue as Service)
}
