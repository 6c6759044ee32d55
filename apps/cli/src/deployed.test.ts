// @module-tag slow: takes long
import { busEntities, emulatorConfig } from '@cinelake/bus'
import { createServiceBus } from '@cinelake/bus/service-bus'
import { CONTRACT_VERSION } from '@cinelake/contracts'
import { createDirectoryLake } from '@cinelake/lake/directory'
import { publishPipeline } from '@cinelake/pipeline'
import type { OpsSchema } from '@cinelake/run-store'
import { createScheduler } from '@cinelake/scheduler'
import { createMemoryTimers } from '@cinelake/scheduler/memory-timers'
import { until } from '@cinelake/testkit'
import { startServiceBusBroker } from '@cinelake/testkit/service-bus'
import { openPgliteDatabase } from '@cinelake/warehouse/pglite'
import { randomUUID } from 'node:crypto'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { usablePipeline } from './read-folder.ts'
import { platformConfig } from './settings.ts'
import { aStarter, cinelake } from './testing.fixture.ts'
import { chosenWindows } from './windows.ts'

const EVENTS = 'events/Subscriptions/scheduler'
const RUN = 'starter@2026-03-01'

/**
 * A deployed platform at rest: a run under way whose command waits in the queue, and an event that waits for the scheduler,
 * which is away just now. With it, the settings by which an operator's commands know it.
 */
async function aPlatform({ owner = 'deployed' as const, publishes = true } = {}) {
  await using opening = new AsyncDisposableStack()
  const starter = opening.use(await aStarter())
  const broker = opening.use(await startServiceBusBroker({ config: emulatorConfig(busEntities()) }))
  const place = join(starter.state, '..', 'platform')
  const [warehouse, lakeRoot] = [join(place, 'warehouse'), join(place, 'lake')]
  const pipeline = await usablePipeline(starter.folder, platformConfig({}))

  const inDatabase = async <Result>(work: (database: Awaited<ReturnType<typeof open>>) => Promise<Result>) => {
    await using database = await open()
    return await work(database)
  }
  const open = async () => await openPgliteDatabase<OpsSchema>(warehouse)
  await inDatabase(async (database) => {
    await using lake = await createDirectoryLake(lakeRoot)
    if (publishes) await publishPipeline(lake, pipeline)
    await using bus = createServiceBus({ entrance: { connectionString: broker.connectionString } })
    await using timers = createMemoryTimers()
    await using scheduler = await createScheduler({ bus, lake, database, timers, owner })
    await scheduler.requestRuns(pipeline, chosenWindows(pipeline, { window: '2026-03-01' }, new Date()))
    await until('the command is sent', () => broker.messageCount('ingest-files') === 1)
  })
  await using bus = createServiceBus({ entrance: { connectionString: broker.connectionString } })
  await bus.publish({
    kind: 'agent.heartbeat',
    contract: CONTRACT_VERSION,
    id: randomUUID(),
    at: '2026-03-02T03:00:00Z',
    state: 'working',
    worker: 'host:1',
    site: 'hq',
    node: 'one',
    version: '0.1.0',
    freeDiskBytes: 5,
    runningTasks: 1,
  })
  await until('the event waits', () => broker.messageCount(EVENTS) === 1)

  const settings = {
    CINELAKE_BUS: 'sb://loopback',
    CINELAKE_BUS_CONNECTION_STRING: broker.connectionString,
    // Nothing listens there: opening the platform's timers would fail.
    CINELAKE_QUEUE: 'redis://127.0.0.1:1',
    CINELAKE_WAREHOUSE: `pglite:${warehouse}`,
    CINELAKE_LAKE: `file:${lakeRoot}`,
    CINELAKE_SCRATCH: join(place, 'scratch'),
  }
  const owned = opening.move()
  return {
    ...starter,
    settings,
    inDatabase,
    /** What must be as it was: messages, the state of the run, and the steps of the schema. */
    async facts() {
      return await inDatabase(async ({ pglite }) => {
        const runs = await pglite.query(`SELECT id, state, revision FROM ops.runs ORDER BY id`)
        const steps = await pglite.query<{ name: string }>(`SELECT name FROM ops.kysely_migration ORDER BY name`)
        const origins = await pglite.query(`SELECT * FROM ops.pipeline_origins`).catch(() => ({ rows: [] }))
        return {
          commands: broker.messageCount('ingest-files'),
          events: broker.messageCount(EVENTS),
          runs: runs.rows,
          steps: steps.rows.map(({ name }) => name),
          origins: origins.rows,
        }
      })
    },
    [Symbol.asyncDispose]: async () => await owned.disposeAsync(),
  }
}

describe('commands that look at a deployed platform', () => {
  test('take nothing from its subscription, queues or timers, and change no run', async () => {
    await using it = await aPlatform()
    const before = await it.facts()

    const status = await cinelake(['status'], it.settings)
    const run = await cinelake(['status', RUN], it.settings)
    const agents = await cinelake(['agents'], it.settings)
    const tables = await cinelake(['tables'], it.settings)
    const query = await cinelake(['query', 'SELECT 1 AS one', '--json'], it.settings)

    expect(status.out).toMatch(/starter@2026-03-01 +running/)
    expect(run.out).toMatch(/ingest shop\/orders +queued/)
    expect(agents).toMatchObject({ exitCode: 0, out: 'No agent has been heard of yet.\n' })
    expect(tables).toMatchObject({ exitCode: 0, out: 'The mart has no tables yet.\n' })
    expect(query).toMatchObject({ exitCode: 2, out: expect.stringContaining('no table was loaded') })
    expect(await it.facts()).toEqual(before)
    expect(before).toMatchObject({ commands: 1, events: 1 })
    // Nor do they make what only the loader makes.
    const made = await it.inDatabase(
      async ({ pglite }) => await pglite.query(`SELECT 1 FROM pg_namespace WHERE nspname IN ('mart', 'loader')`),
    )
    expect(made.rows).toEqual([])
  })

  test('tell that its run history was not migrated yet, and leave it so', async () => {
    await using it = await aPlatform()
    await it.inDatabase(async ({ pglite }) => {
      await pglite.query(`DELETE FROM ops.kysely_migration WHERE name = '0004_pipeline_origin'`)
      await pglite.query(`DROP TABLE ops.owner, ops.pipeline_origins`)
    })
    const before = await it.facts()

    for (const args of [['status'], ['status', RUN], ['agents']]) {
      const { exitCode, notes } = await cinelake(args, it.settings)
      expect({ args, exitCode, notes }).toMatchObject({
        exitCode: 2,
        notes: expect.stringMatching(/the scheduler has not migrated yet; start the scheduler/),
      })
    }

    expect(await it.facts()).toEqual(before)
  })

  test('tell that there is no run history, and make none', async () => {
    await using it = await aPlatform()
    await it.inDatabase(async ({ pglite }) => await pglite.exec('DROP SCHEMA ops CASCADE'))

    expect(await cinelake(['status'], it.settings)).toMatchObject({
      exitCode: 2,
      notes: expect.stringContaining('there is no run history in the database'),
    })

    const made = await it.inDatabase(
      async ({ pglite }) => await pglite.query(`SELECT 1 FROM pg_namespace WHERE nspname = 'ops'`),
    )
    expect(made.rows).toEqual([])
  })
})

describe('with the settings of a deployed platform, a run of this process', () => {
  const window = ['--window', '2026-03-01']

  test('is refused, saying how it is done, and nothing is cancelled, sent or taken', async () => {
    await using it = await aPlatform()
    const before = await it.facts()

    for (const args of [['run', it.folder, ...window], ['run', it.folder, ...window, '--again'], ['demo']]) {
      const { exitCode, notes } = await cinelake(args, it.settings)
      expect({ args, exitCode }).toEqual({ args, exitCode: 2 })
      expect(notes).toMatch(/CINELAKE_BUS and CINELAKE_QUEUE: .*set CINELAKE_API .*--state DIR or unset CINELAKE_BUS/)
    }

    expect(await it.facts()).toEqual(before)
  })

  test('is refused its run history when only the broker is not named', async () => {
    await using it = await aPlatform({ publishes: false })
    const before = await it.facts()
    const { CINELAKE_WAREHOUSE, CINELAKE_SCRATCH } = it.settings

    for (const options of [window, [...window, '--again'], [...window, '--adopt']]) {
      expect(
        await cinelake(['run', it.folder, ...options, '--state', it.state], { CINELAKE_WAREHOUSE, CINELAKE_SCRATCH }),
      ).toMatchObject({ exitCode: 2, notes: expect.stringMatching(/belongs to a deployed scheduler.*CINELAKE_API/) })
    }

    expect(await it.facts()).toEqual(before)
  })

  test('is refused its lake when that alone is named', async () => {
    await using it = await aPlatform()
    const { CINELAKE_LAKE } = it.settings

    const { exitCode, notes } = await cinelake(['run', it.folder, ...window, '--state', it.state], { CINELAKE_LAKE })

    expect({ exitCode, notes }).toMatchObject({
      exitCode: 2,
      notes: expect.stringMatching(/the lake belongs to a deployed platform .*pipeline=starter/),
    })
    expect(existsSync(join(it.state, 'warehouse'))).toBe(false)
  })

  test('goes on in a state directory that is named, away from the platform', async () => {
    await using it = await aPlatform()
    const before = await it.facts()
    const args = ['--state', it.state]

    expect(await cinelake(['run', it.folder, ...window, ...args], it.settings)).toMatchObject({ exitCode: 0 })

    const { out } = await cinelake(['status', ...args], { ...it.settings, CINELAKE_API: 'http://127.0.0.1:1' })
    expect(out).toMatch(/starter@2026-03-01 +succeeded/)
    expect(await it.facts()).toEqual(before)
  })
})
