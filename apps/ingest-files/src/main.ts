import { runTaskWorker } from '@cinelake/bus'
import { openBus } from '@cinelake/bus/open'
import { makeDirectory, systemClock as clock } from '@cinelake/core'
import { createDuckDbEngine } from '@cinelake/engine/duckdb'
import { openLake } from '@cinelake/lake/open'
import { createFill, guardSecrets } from '@cinelake/secrets'
import { openSecrets } from '@cinelake/secrets/open'
import { runService, taskMetrics, workerName } from '@cinelake/service'
import { azureCredential as credential } from '@cinelake/service/azure'
import { agentVersion, startHeartbeat } from './agent/heartbeat.ts'
import { keepRunning } from './agent/running-tasks.ts'
import { createThrottle } from './agent/token-bucket.ts'
import { startWorkInHours } from './agent/work-in-hours.ts'
import { IngestFilesEnv } from './config.ts'
import { createIngestFilesHandlers } from './handlers.ts'

await runService(
  'ingest-files',
  IngestFilesEnv,
  async ({ config, settings, log, meter, use, redact, redactWith, stopping }) => {
    const { queue, concurrency, bytesPerSecond, hours, site, node, heartbeatMs: everyMs } = config
    const throttle = bytesPerSecond === undefined ? {} : { throttle: createThrottle(bytesPerSecond) }
    const lake = use(await openLake(config.lake, { credential, log, ...throttle }))
    const engine = use(await createDuckDbEngine({ ...config.engine, directories: lake.localDirectories }))
    const secrets = use(guardSecrets(await openSecrets(config.secrets, { settings, credential })))
    redactWith(secrets.redact)
    const fill = createFill({ settings, secrets })
    const bus = use(await openBus(config.bus, { credential, log })) // last in, first closed: the bus stops before the storage

    const worker = workerName()
    const handlers = createIngestFilesHandlers({ lake, engine, fill, credential, clock, log, stopping })
    const tasks = keepRunning(handlers, stopping)
    const options = { concurrency }
    const work = { bus, queue, worker, handlers: tasks.handlers, clock, log, redact, options }
    const observe = taskMetrics(meter)
    const inHours = use(await startWorkInHours({ hours, begin: () => runTaskWorker({ ...work, observe }), clock, log }))

    const { directory } = config.lake.scratch
    await makeDirectory(directory)
    const about = { worker, site, node, version: await agentVersion(), directory }
    const agent = { ...about, runningTasks: tasks.count, state: inHours.state }
    use(startHeartbeat(agent, { bus, clock, log, everyMs }))
  },
)
