import { mkdir } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { once } from 'node:events'
import path from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { emulatorConfig, busEntities, type MessageBus } from '../libs/bus/src/index.ts'
import { openBus } from '../libs/bus/src/open.ts'
import { silentLog } from '../libs/core/src/index.ts'
import type { Lake } from '../libs/lake/src/index.ts'
import { openLake } from '../libs/lake/src/open.ts'
import type { RunRecord } from '../libs/run-store/src/index.ts'
import { startSampleCompany, type SampleCompany } from '../libs/sample-company/src/index.ts'
import { startAdlsEndpoint } from '../libs/testkit/src/adls/endpoint.ts'
import type { PostgresServer } from '../libs/testkit/src/postgres.ts'
import { startProxy, type Proxy } from '../libs/testkit/src/proxy.ts'
import type { RedisServer } from '../libs/testkit/src/redis.ts'
import { startServiceBusBroker } from '../libs/testkit/src/service-bus/index.ts'
import type { AnyDatabase } from '../libs/database/src/open.ts'
import { openDatabase } from '../libs/database/src/open.ts'
import { startService, type ServiceName, type ServiceProcess } from './service-process.ts'

const PIPELINES = path.join(import.meta.dirname, '../pipelines')

/** Nobody here is asked who they are. */
const credential = () => Promise.reject(new Error('expected a key in the settings'))

export type FiveServices = AsyncDisposable & {
  readonly company: SampleCompany
  /** The network between the services and the company's API. */
  readonly toApi: Proxy
  readonly bus: MessageBus
  readonly lake: Lake
  readonly database: AnyDatabase<unknown>
  /** The process of a service that was started last. */
  latestOf(name: ServiceName): ServiceProcess
  /** Starts one more and waits until it is ready. */
  start(name: ServiceName): Promise<ServiceProcess>
  /** Asks the scheduler for a window. @returns the run's id */
  request(window: string): Promise<string>
  progressOf(runId: string): Promise<RunProgress>
}

export type RunProgress = {
  readonly state: string
  /** Services that are at a task of the run; the scheduler is until the run is over. */
  readonly busy: ReadonlySet<string>
  /** `TASK: CODE message` of those that failed. */
  readonly problems: readonly string[]
}

type Places = {
  readonly directory: string
  readonly postgres: PostgresServer
  readonly redis: RedisServer
  readonly scale: number
  readonly seed: number
}

/**
 * The platform as it is deployed: five services that have nothing in common but a broker, a lake, a database and Redis.
 * Broker and lake are loopback endpoints; each service speaks to them through the SDK that it would use on Azure.
 */
export async function startFiveServices({ directory, postgres, redis, scale, seed }: Places): Promise<FiveServices> {
  await using opening = new AsyncDisposableStack()
  const at = (name: string) => path.join(directory, name)
  await mkdir(at('adls'), { recursive: true })
  const company = opening.use(await startSampleCompany({ directory: at('company'), scale, seed }))
  const apiUrl = new URL(company.settings['OTT_CRM_URL'] ?? '')
  const toApi = opening.use(await startProxy({ host: apiUrl.hostname, port: Number(apiUrl.port) }))
  apiUrl.port = String(toApi.port)
  const entities = busEntities()
  // What a killed worker held comes back when its lock runs out: soon, here.
  const properties = { ...entities.properties, lockMs: 10_000 }
  const broker = opening.use(await startServiceBusBroker({ config: emulatorConfig({ ...entities, properties }) }))
  const adls = opening.use(await startAdlsEndpoint({ directory: at('adls'), containers: ['lake'] }))
  const warehouse = opening.use(await postgres.createDatabase())
  const apiPort = await freePort()
  const common = {
    CINELAKE_BUS: 'sb://127.0.0.1',
    CINELAKE_BUS_CONNECTION_STRING: broker.connectionString,
    CINELAKE_LAKE: `abfs://lake@${adls.account.name}.127.0.0.1:${adls.port}`,
    CINELAKE_LAKE_CONNECTION_STRING: `AccountName=${adls.account.name};AccountKey=${adls.account.key}`,
    CINELAKE_WAREHOUSE: warehouse.url,
    CINELAKE_QUEUE: redis.url,
    CINELAKE_QUEUE_PREFIX: warehouse.name,
    CINELAKE_MIGRATE: 'auto',
    CINELAKE_PIPELINES: PIPELINES,
    CINELAKE_SCHEDULER_SCHEDULE: 'off',
    CINELAKE_SCHEDULER_SWEEP_SECONDS: '2',
    CINELAKE_API_PORT: String(apiPort),
    CINELAKE_ENGINE_MEMORY_MIB: '512',
    // Compiled code is kept between the processes, of which there are many.
    NODE_COMPILE_CACHE: at('compiled'),
    ...company.settings,
    ...company.secrets,
    OTT_CRM_URL: apiUrl.href.replace(/\/$/, ''),
  }
  let count = 0
  const processes: ServiceProcess[] = []
  opening.defer(async () => void (await Promise.all(processes.map(async (each) => await each[Symbol.asyncDispose]()))))
  const start = async (name: ServiceName) => {
    const one = startService(name, { ...common, CINELAKE_SCRATCH: at(`scratch-${(count += 1)}`) })
    processes.push(one)
    await one.ready
    return one
  }
  // The scheduler first: it makes the schema that it shares with nobody.
  await start('scheduler')
  await Promise.all((['ingest-files', 'ingest-api', 'transformer', 'loader'] as const).map(start))

  const url = common.CINELAKE_LAKE
  const scratch = { directory: at('scratch-test'), limitBytes: 1_000_000_000 }
  const lake = opening.use(
    await openLake({ url, connectionString: common.CINELAKE_LAKE_CONNECTION_STRING, scratch }, { credential }),
  )
  const bus = opening.use(
    await openBus(
      { url: common.CINELAKE_BUS, connectionString: broker.connectionString },
      { log: silentLog, credential },
    ),
  )
  const database = opening.use(await openDatabase({ url: warehouse.url }, { log: silentLog, credential }))
  const api = `http://127.0.0.1:${apiPort}/v1`
  const owned = opening.move()
  return {
    company,
    toApi,
    bus,
    lake,
    database,
    latestOf(name) {
      const latest = processes.findLast((each) => each.name === name)
      if (latest === undefined) throw new Error(`${name} was never started`)
      return latest
    },
    start,
    async request(window) {
      const body = JSON.stringify({ pipeline: 'ott', window })
      const answer = await ask(`${api}/runs`, { method: 'POST', body, headers: { 'content-type': 'application/json' } })
      return (answer as { runs: { runId: string }[] }).runs[0]?.runId ?? ''
    },
    async progressOf(runId) {
      const run = await ask(`${api}/runs/${encodeURIComponent(runId)}`)
      const { state, tasks } = run as Pick<RunRecord, 'state' | 'tasks'>
      const atWork = tasks.filter((task) => task.state === 'running').map(({ queue }) => queue)
      const busy = new Set(state === 'running' ? ['scheduler', ...atWork] : [])
      const problems = tasks.flatMap(({ name, error }) =>
        error === null ? [] : `${name}: ${error.code} ${error.message}`,
      )
      return { state, busy, problems }
    },
    [Symbol.asyncDispose]: async () => await owned.disposeAsync(),
  }
}

/** Asks the scheduler, which may be away for a moment. */
async function ask(url: string, init?: RequestInit): Promise<unknown> {
  for (let tries = 1; ; tries += 1) {
    try {
      const response = await fetch(url, init)
      if (!response.ok) throw new Error(`${response.status} ${await response.text()}`)
      return await response.json()
    } catch (error) {
      if (tries === 240) throw error
      await pause(500)
    }
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}
