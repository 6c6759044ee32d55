// @module-tag slow: starts programs
import { busEntities, emulatorConfig } from '@cinelake/bus'
import { openBus } from '@cinelake/bus/open'
import { silentLog } from '@cinelake/core'
import { createDirectoryLake } from '@cinelake/lake/directory'
import { freezePipeline, publishPipeline, type CheckedPipeline } from '@cinelake/pipeline'
import { aCommandHeader, temporaryDirectory, until } from '@cinelake/testkit'
import { startServiceBusBroker } from '@cinelake/testkit/service-bus'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { expect, test } from 'vitest'

const MAIN = join(import.meta.dirname, 'main.ts')
const KEY = 'a-key-of-the-web-shop'

const SHOP: CheckedPipeline = {
  format: 1,
  name: 'shop',
  schedule: { every: 'day', timeZone: 'UTC', start: '2026-03-01', delayMs: 0 },
  retry: { maxAttempts: 1, backoffMs: 0, maxBackoffMs: 0 },
  sources: [
    {
      type: 'push',
      name: 'web',
      keys: ['${secret:WEB_KEY}'],
      maxBodyBytes: 1_000_000,
      concurrency: 8,
      limits: [],
      datasets: [{ name: 'events' }],
    },
  ],
  datasets: [],
  models: [],
  serve: [],
}

test('with a port and no commands it takes a push, and leaves a command of its queue to a worker', async () => {
  await using given = await givenPlatform()
  const clients = await given.sendCommand()

  await using receiver = await given.start({
    CINELAKE_PUSH_PORT: '0',
    CINELAKE_INGEST_API_CONCURRENCY: '0',
    WEB_KEY: KEY,
  })
  const url = receiver.pushUrl()
  const answer = await push(url, KEY)
  const refused = await push(url, 'another-key')

  expect(answer).toMatchObject({ status: 202, body: { source: 'web', dataset: 'events', rowCount: 2 } })
  expect(await given.lake.readText(String(answer.body['path']))).toBe('[{"id":1},{"id":2}]')
  expect(refused.status).toBe(401)
  expect(given.broker.connectionCount()).toBe(clients)
  expect(given.broker.messageCount('ingest-api')).toBe(1)

  // The same command is taken where commands are: without this the line above would hold of any command.
  await using worker = await given.start({})
  await until('the worker is done with the command', () => given.broker.messageCount('ingest-api') === 0)

  expect(() => worker.pushUrl()).toThrow('no push API')
  expect(await receiver.stop()).toBe(0)
  expect(await worker.stop()).toBe(0)
})

test('with neither it does not start, and says what would do', async () => {
  const child = launch({ CINELAKE_INGEST_API_CONCURRENCY: '0' })
  let said = ''
  child.stderr.on('data', (text: Buffer) => (said += text.toString()))

  expect((await once(child, 'close'))[0]).toBe(78)
  expect(said).toContain('CINELAKE_INGEST_API_CONCURRENCY: expected 1 or more, or 0 together with CINELAKE_PUSH_PORT')
})

/** A lake with a pipeline that has a push source, and a broker with the platform's queues. */
async function givenPlatform() {
  await using opening = new AsyncDisposableStack()
  const { path: directory } = opening.use(await temporaryDirectory())
  const lake = opening.use(await createDirectoryLake(join(directory, 'lake')))
  await publishPipeline(lake, SHOP)
  const broker = opening.use(await startServiceBusBroker({ config: emulatorConfig(busEntities()) }))
  const settings = { url: 'sb://127.0.0.1', connectionString: broker.connectionString }
  const credential = () => Promise.reject(new Error('expected a key in the settings'))
  const bus = opening.use(await openBus(settings, { log: silentLog, credential }))
  const common = {
    CINELAKE_LAKE: `file:${join(directory, 'lake')}`,
    CINELAKE_BUS: settings.url,
    CINELAKE_BUS_CONNECTION_STRING: settings.connectionString,
    CINELAKE_SCRATCH: join(directory, 'scratch'),
  }
  const owned = opening.move()
  return {
    lake,
    broker,
    /** @returns how many clients the broker has, which are those of this test itself */
    async sendCommand(): Promise<number> {
      const pipeline = { name: SHOP.name, digest: freezePipeline(SHOP).digest }
      const header = aCommandHeader({ pipeline, task: 'ingest web/events' })
      await bus.send('ingest-api', { ...header, kind: 'ingest', source: 'web', dataset: 'events', since: null })
      return broker.connectionCount()
    },
    start: async (env: Readonly<Record<string, string>>) => await start({ ...common, ...env }),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

/** The service as a process of its own, once it is ready. */
async function start(env: Readonly<Record<string, string>>) {
  const child = launch(env)
  const ended = once(child, 'close').then(([code]) => code as number | null)
  const lines: string[] = []
  for (const stream of [child.stdout, child.stderr]) createInterface(stream).on('line', (line) => lines.push(line))
  const isReady = () => lines.some((line) => line.includes('service is ready'))
  await until('the service is ready or has ended', () => isReady() || child.exitCode !== null)
  if (!isReady()) throw new Error(`the service ended before it was ready: ${lines.join('\n')}`)
  return {
    /** Where it takes pushes. */
    pushUrl(): string {
      const line = lines.find((each) => each.includes('push API is served'))
      if (line === undefined) throw new Error('there is no push API')
      return (JSON.parse(line) as { url: string }).url
    },
    async stop() {
      child.kill('SIGTERM')
      return await ended
    },
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL')
      await ended
    },
  }
}

function launch(env: Readonly<Record<string, string>>) {
  return spawn(process.execPath, ['--conditions=@cinelake/source', MAIN], {
    env: { PATH: process.env['PATH'], ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
}

async function push(url: string, key: string) {
  const response = await fetch(`${url}/v1/datasets/web/events`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-api-key': key },
    body: '[{"id":1},{"id":2}]',
  })
  return { status: response.status, body: (await response.json()) as Record<string, unknown> }
}
