// @module-tag slow: kills processes
import { createHash, randomBytes } from 'node:crypto'
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { expect, test } from 'vitest'
import { busEntities, emulatorConfig, ENTITY_PROPERTIES } from '../libs/bus/src/index.ts'
import { openBus } from '../libs/bus/src/open.ts'
import type { Event, Manifest } from '../libs/contracts/src/index.ts'
import { manifestPath } from '../libs/contracts/src/index.ts'
import { parseWindow, silentLog, taskFileName } from '../libs/core/src/index.ts'
import type { Lake } from '../libs/lake/src/index.ts'
import { openLake } from '../libs/lake/src/open.ts'
import { freezePipeline, type CheckedPipeline } from '../libs/pipeline/src/index.ts'
import { startAdlsEndpoint } from '../libs/testkit/src/adls/endpoint.ts'
import { aCommandHeader, temporaryDirectory, until } from '../libs/testkit/src/index.ts'
import { startServiceBusBroker } from '../libs/testkit/src/service-bus/index.ts'
import { startService, type ServiceProcess } from './service-process.ts'

/**
 * `CINELAKE_TEST_LONG=1` drops a gigabyte. What is always run is small: 64 MiB, killed as often, on a line that is slow
 * enough for a kill to fall into the middle of something.
 */
const isLong = process.env['CINELAKE_TEST_LONG'] === '1'
const MIB = 1024 * 1024
const FILES = isLong ? 16 : 8
const FILE_BYTES = (isLong ? 64 : 8) * MIB + 1
const LINE_MIB_PER_SECOND = isLong ? 32 : 2
const KILLS = 10
const SEED = Number(process.env['CINELAKE_TEST_SEED'] ?? 4)
const PATIENCE_MS = isLong ? 900_000 : 240_000

const SITE = 'hq'
const QUEUE = `ingest-files.${SITE}` as const
const WINDOW = parseWindow({ every: 'day', timeZone: 'UTC' }, '2026-03-01')
const credential = () => Promise.reject(new Error('expected a key in the settings'))

/** Files of as many datasets, two each. */
const datasetOf = (file: number) => `set${Math.floor(file / 2)}`

test(
  `two nodes of a site that are killed at ${KILLS} random points land ${FILES} files of ${Math.floor(FILE_BYTES / MIB)} MiB once, with the right bytes`,
  async () => {
    await using site = await openSite()
    const digests = await dropFiles(site.folder)
    const random = randomOf(SEED)
    await using nodes = new AsyncDisposableStack()
    const running: ServiceProcess[] = [nodes.use(site.node('one')), nodes.use(site.node('two'))]
    await Promise.all(running.map(({ ready }) => ready))
    for (const command of site.commands) await site.bus.send(QUEUE, command)

    let inTheMiddle = 0
    for (let kill = 0; kill < KILLS; kill++) {
      const requests = site.requests()
      const further = Math.floor(random() * 4)
      await until(
        'some requests more, or all is done',
        async () => {
          return site.requests() >= requests + further || (await site.isDone())
        },
        PATIENCE_MS,
      )
      const at = Math.floor(random() * 2)
      await running[at]?.kill()
      if (!(await site.isDone())) inTheMiddle += 1
      const next = nodes.use(site.node(at === 0 ? 'one' : 'two'))
      running[at] = next
      // The other works on; sometimes this one is killed again while it starts.
      if (random() < 0.7) await next.ready
    }
    await Promise.all(running.map(({ ready }) => ready))
    await until('every command is done with', async () => (await site.isDone()) && site.waiting() === 0, PATIENCE_MS)

    // On a fast machine all may be done before the last of them.
    expect(inTheMiddle).toBeGreaterThanOrEqual(KILLS / 2)
    const manifests = await site.manifests()
    const landed = manifests.flatMap((manifest) => manifest?.files ?? [])
    expect(landed).toHaveLength(FILES)
    expect(new Map(landed.map(({ name, sha256 }) => [name, sha256]))).toEqual(digests)
    for (const file of landed) expect(await digestInLake(site.lake, file.path)).toBe(file.sha256)
    expect(await namesIn(site.folder)).toEqual(['done'])
    for (const [name, digest] of digests) {
      const archived = await readFile(path.join(site.folder, 'done', name))
      expect(createHash('sha256').update(archived).digest('hex')).toBe(digest)
    }
    expect(await namesIn(path.join(site.folder, 'done'))).toHaveLength(FILES)
    expect(site.events.filter(({ kind }) => kind === 'task.failed')).toEqual([])
    expect(nodesHeard(site.events)).toEqual(['one', 'two'])
  },
  PATIENCE_MS,
)

/** A site with its folder and queue, and a lake that all its nodes reach. */
async function openSite() {
  await using opening = new AsyncDisposableStack()
  const { path: directory } = opening.use(await temporaryDirectory())
  const folder = path.join(directory, 'drop')
  await mkdir(folder)
  await mkdir(path.join(directory, 'adls'))
  // The lock of a killed node's command runs out soon; the broker would give up on none of them.
  const properties = { ...ENTITY_PROPERTIES, lockMs: 2_000, maxDeliveryCount: 1_000 }
  const entities = { ...busEntities({ sites: [SITE], subscriptions: ['test'] }), properties }
  const broker = opening.use(await startServiceBusBroker({ config: emulatorConfig(entities) }))
  let requests = 0
  const adls = opening.use(
    await startAdlsEndpoint({
      directory: path.join(directory, 'adls'),
      containers: ['lake'],
      onRequest: () => void (requests += 1),
    }),
  )
  const settings = {
    CINELAKE_BUS: 'sb://127.0.0.1',
    CINELAKE_BUS_CONNECTION_STRING: broker.connectionString,
    CINELAKE_LAKE: `abfs://lake@${adls.account.name}.127.0.0.1:${adls.port}`,
    CINELAKE_LAKE_CONNECTION_STRING: `AccountName=${adls.account.name};AccountKey=${adls.account.key}`,
  }
  const bus = opening.use(
    await openBus(
      { url: settings.CINELAKE_BUS, connectionString: settings.CINELAKE_BUS_CONNECTION_STRING },
      { log: silentLog, credential },
    ),
  )
  const lake = opening.use(
    await openLake(
      {
        url: settings.CINELAKE_LAKE,
        connectionString: settings.CINELAKE_LAKE_CONNECTION_STRING,
        scratch: { directory: path.join(directory, 'scratch'), limitBytes: 100 * MIB },
      },
      { credential },
    ),
  )
  const events: Event[] = []
  opening.use(await bus.subscribe('test', async (event) => void events.push(event)))
  const commands = await commandsFor(lake, folder)
  const manifests = async (): Promise<(Manifest | undefined)[]> =>
    await Promise.all(
      commands.map(async ({ task }) => {
        const text = await lake.readText(manifestPath('shop', '2026-03-01', taskFileName(task), 1))
        return text === undefined ? undefined : (JSON.parse(text) as Manifest)
      }),
    )
  const owned = opening.move()
  return {
    folder,
    bus,
    lake,
    events,
    commands,
    manifests,
    requests: () => requests,
    waiting: () => broker.messageCount(QUEUE),
    isDone: async () => (await manifests()).every((manifest) => manifest !== undefined),
    node: (name: string) =>
      startService('ingest-files', {
        ...settings,
        CINELAKE_SITE: SITE,
        CINELAKE_AGENT_NODE: name,
        CINELAKE_AGENT_MIB_PER_SECOND: String(LINE_MIB_PER_SECOND),
        CINELAKE_INGEST_FILES_CONCURRENCY: '2',
        CINELAKE_ENGINE_MEMORY_MIB: '64',
        CINELAKE_SCRATCH: path.join(directory, `scratch-${name}`),
        NODE_COMPILE_CACHE: path.join(directory, 'compiled'),
      }),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

async function commandsFor(lake: Lake, folder: string) {
  const names = [...new Set(Array.from({ length: FILES }, (_, file) => datasetOf(file)))]
  const datasets = names.map((name) => ({
    name,
    files: `${name}_*.csv`,
    whenMissing: 'fail' as const,
    once: true,
    afterLanding: { archive: 'done' },
  }))
  const pipeline: CheckedPipeline = {
    format: 1,
    name: 'shop',
    schedule: { every: 'day', timeZone: 'UTC', start: '2026-03-01', delayMs: 0 },
    retry: { maxAttempts: 1, backoffMs: 0, maxBackoffMs: 0 },
    sources: [{ type: 'files', name: 'drop', path: folder, site: SITE, datasets }],
    datasets: [],
    models: [],
    serve: [],
  }
  const frozen = freezePipeline(pipeline)
  await lake.putIfAbsent(frozen.path, frozen.text)
  if (WINDOW === undefined) throw new Error('no such window')
  return names.map((dataset) => ({
    ...aCommandHeader({
      pipeline: { name: 'shop', digest: frozen.digest },
      window: WINDOW,
      task: `ingest drop/${dataset}`,
    }),
    kind: 'ingest' as const,
    source: 'drop',
    dataset,
    since: null,
  }))
}

/** Files that differ everywhere, by name with their digests. */
async function dropFiles(folder: string): Promise<Map<string, string>> {
  const digests = new Map<string, string>()
  for (let file = 0; file < FILES; file++) {
    const name = `${datasetOf(file)}_${file}.csv`
    const content = randomBytes(FILE_BYTES)
    digests.set(name, createHash('sha256').update(content).digest('hex'))
    await writeFile(path.join(folder, name), content)
  }
  return digests
}

async function digestInLake(lake: Lake, object: string): Promise<string> {
  const hash = createHash('sha256')
  for await (const block of lake.read(object)) hash.update(block)
  return hash.digest('hex')
}

async function namesIn(folder: string): Promise<string[]> {
  return (await readdir(folder)).sort()
}

function nodesHeard(events: readonly Event[]): string[] {
  const nodes = events.flatMap((event) => (event.kind === 'agent.heartbeat' && event.site === SITE ? [event.node] : []))
  return [...new Set(nodes)].sort()
}

/** Numbers in [0, 1), the same ones for the same seed. mulberry32, by Tommy Ettinger, public domain. */
function randomOf(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}
