import { busEntities, emulatorConfig, ENTITY_PROPERTIES } from '@cinelake/bus'
import { openBus } from '@cinelake/bus/open'
import type { Command } from '@cinelake/contracts'
import { TransientError } from '@cinelake/core'
import type { OpsSchema, RunRecord } from '@cinelake/run-store'
import { recordingLog, temporaryDirectory, until } from '@cinelake/testkit'
import { findPostgres } from '@cinelake/testkit/postgres'
import { startProxy } from '@cinelake/testkit/proxy'
import { findRedis } from '@cinelake/testkit/redis'
import { startServiceBusBroker } from '@cinelake/testkit/service-bus'
import { openDatabase } from '@cinelake/warehouse/open'
import { randomUUID } from 'node:crypto'
import { createServer } from 'node:net'
import { afterAll, describe, expect, test } from 'vitest'
import { startFakeWorkers, type Behaviour } from '../test/given.ts'
import { onceEach, successes } from '../test/replicas.ts'
import { ended, launch, start, stop, writePipeline, type Served } from '../test/scheduler-process.ts'

const [postgres, redis] = await Promise.all([findPostgres(), findRedis()])
afterAll(async () => {
  await redis.server?.[Symbol.asyncDispose]()
  await postgres.server?.[Symbol.asyncDispose]()
})
const missing = [postgres.missing, redis.missing].filter((reason) => reason !== undefined)
const because = missing.length === 0 ? '' : ` (${missing.join('; ')})`
const credential = () => Promise.reject(new Error('there is a password'))

class Away extends TransientError {
  readonly code = 'TEST_AWAY'
}

/** A platform of processes: a broker, PostgreSQL, Redis, workers in this process, and as many schedulers as are started. */
async function given(behave: Behaviour) {
  const stack = new AsyncDisposableStack()
  const { path } = stack.use(await temporaryDirectory())
  await writePipeline(path)
  const { url } = stack.use(await postgres.server!.createDatabase())
  // The lock that a killed process holds: short, so that the test need not wait for it for a minute.
  const entities = { ...busEntities(), properties: { ...ENTITY_PROPERTIES, lockMs: 5000 } }
  const broker = stack.use(await startServiceBusBroker({ config: emulatorConfig(entities) }))
  const log = recordingLog()
  const settings = {
    CINELAKE_BUS: `sb://127.0.0.1:${broker.port}`,
    CINELAKE_BUS_CONNECTION_STRING: broker.connectionString,
    CINELAKE_WAREHOUSE: url,
    CINELAKE_QUEUE: redis.server!.url,
    CINELAKE_QUEUE_PREFIX: `test-${randomUUID()}`,
    CINELAKE_MIGRATE: 'auto',
    CINELAKE_SCHEDULER_SWEEP_SECONDS: '1',
  }
  const { CINELAKE_BUS: address, CINELAKE_BUS_CONNECTION_STRING: connectionString } = settings
  const bus = stack.use(await openBus({ url: address, connectionString }, { log, credential }))
  const database = stack.use(await openDatabase<OpsSchema>({ url }, { log, credential }))
  const done: Command[] = []
  stack.use(await startFakeWorkers(bus, done, { behave }))
  const startOne = async (more: Record<string, string> = {}) => stack.use(await start(path, { ...settings, ...more }))
  return { path, url, settings, done, database, start: startOne, [Symbol.asyncDispose]: () => stack.disposeAsync() }
}

async function ask({ url }: Served, from: string, to: string): Promise<string[]> {
  const asked = await fetch(`${url}/v1/runs`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ pipeline: 'mini', from, to }),
  })
  const { runs } = (await asked.json()) as { runs: { runId: string }[] }
  return runs.map(({ runId }) => runId)
}

async function runOf({ url }: Served, id: string): Promise<RunRecord> {
  return (await (await fetch(`${url}/v1/runs/${id}`)).json()) as RunRecord
}

describe.skipIf(missing.length > 0)(`schedulers as processes of their own${because}`, () => {
  test('start at once on an empty database; two of them are killed in the middle of runs, and the third ends them', async () => {
    await using it = await given(({ task, attempt }) => {
      if (task === 'ingest drops/orders' && attempt === 1) throw new Away('away', {})
    })
    const [first, second, third] = await Promise.all([it.start(), it.start(), it.start()])
    const ids = await ask(first, '2026-03-01', '2026-03-04')
    expect(await ask(second, '2026-03-01', '2026-03-04')).toEqual(ids)

    await until('work was done', () => it.done.length > 2)
    first.child.kill('SIGKILL')
    await until('more work was done', () => it.done.length > 8)
    second.child.kill('SIGKILL')
    await until(
      'the runs are finished',
      async () => {
        const runs = await Promise.all(ids.map((id) => runOf(third, id)))
        return runs.every(({ state }) => state !== 'waiting' && state !== 'running')
      },
      120_000,
    )

    const runs = await Promise.all(ids.map((id) => runOf(third, id)))
    expect(runs.map(({ state }) => state)).toEqual(ids.map(() => 'succeeded'))
    expect(await successes(it.database)).toEqual(onceEach(runs))
    expect(await stop(third.child)).toBe(0)
  })

  test('are ready as long as the database answers', async () => {
    await using it = await given(() => {})
    await using proxy = await startProxy(postgres.server!)
    const port = await freePort()
    const through = it.url.replace(`:${postgres.server!.port}`, `:${proxy.port}`)
    const service = await it.start({ CINELAKE_WAREHOUSE: through, CINELAKE_HEALTH_PORT: String(port) })
    const status = async (path: string) => (await fetch(`http://127.0.0.1:${port}${path}`)).status
    await until('it is ready', async () => (await status('/readyz')) === 200)

    proxy.refuse()
    await until('it is not', async () => (await status('/readyz')) === 503)
    expect(await status('/healthz')).toBe(200)
    proxy.restore()
    await until('it is ready again', async () => (await status('/readyz')) === 200)

    proxy.hold()
    await until('a database that says nothing is none', async () => (await status('/readyz')) === 503)
    proxy.restore()
    expect(await stop(service.child)).toBe(0)
  })

  test('do not start before somebody has migrated, where they are told to check', async () => {
    await using it = await given(() => {})
    const settings = { ...it.settings, CINELAKE_MIGRATE: 'check' }
    await using early = launch('main', it.path, settings)
    expect([await ended(early), early.output()]).toEqual([1, expect.stringContaining('OPS_SCHEMA_OLD')])

    for (const _time of ['first', 'again']) {
      await using job = launch('migrate', it.path, settings)
      expect([await ended(job), job.output()]).toEqual([0, expect.stringContaining('is up to date')])
    }
    const service = await it.start({ CINELAKE_MIGRATE: 'check' })
    expect(await stop(service.child)).toBe(0)
  })
})

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  return typeof address === 'object' && address !== null ? address.port : 0
}
