// @module-tag slow: takes long
import { afterAll, describe, expect, test } from 'vitest'
import { opsDatabases } from '../test/ops-databases.ts'
import { begin, eventsOf, newRun, NOON, worldOf, type MadeUpDay } from '../test/simulated-day.ts'
import { decide } from './decide.ts'
import { migrateOps } from './ops-migrations.ts'
import { createOpsStore, type OpsStore } from './ops-store.ts'
import { MAX_TASK_NAME } from './ops-types.ts'
import { createRunRecords } from './run-records.ts'
import type { Run } from './run-state.ts'
import { prepareSchema } from './schema-version.ts'

const found = await opsDatabases()
afterAll(async () => await found[Symbol.asyncDispose]())

for (const { name, open } of found.databases)
  describe.skipIf(open === undefined)(`the run history in ${name}`, () => {
    const given = async () => {
      await using opening = new AsyncDisposableStack()
      const empty = opening.use(await open!())
      const database = opening.use(await empty.open())
      await migrateOps(database.db)
      const owned = opening.move()
      const [store, records] = [createOpsStore(database), createRunRecords(database)]
      return { empty, database, store, records, [Symbol.asyncDispose]: async () => await owned.disposeAsync() }
    }

    test('replicas that migrate at once both find it migrated', async () => {
      await using empty = await open!()
      await using one = await empty.open()
      await using other = await empty.open()

      await Promise.all([migrateOps(one.db), migrateOps(other.db)])
      await migrateOps(one.db)
      await prepareSchema(other.db, 'check')

      expect(await createRunRecords(other).runs({ limit: 1 })).toEqual([])
    })

    test('a run is read as it was written, to the millisecond and in every script', async () => {
      await using it = await given()
      const run: Run = { ...planned(day(3)), requestedAt: '2026-03-02T12:00:00.123Z', digest: 'ünï🎬' }

      expect(await it.store.create(run)).toBe(true)

      expect(await it.store.load(run.id)).toEqual({ run, revision: 0 })
      expect(await it.store.stateOf(run.id)).toBe(run.state)
      expect(await it.store.load(run.id.toUpperCase())).toBeUndefined()
    })

    test('names as long as they can be are kept whole, with all that is noted of their tries', async () => {
      await using it = await given()
      const pipeline = 'p'.repeat(63)
      const label = 'w'.repeat(40)
      const named = renamed(planned(day(2)), (name) => name.padEnd(MAX_TASK_NAME, '🎬'))
      const run: Run = { ...named, id: `${pipeline}@${label}`, pipeline, window: { ...named.window, label } }
      await it.store.create(run)

      await it.database.db
        .withSchema('ops')
        .insertInto('quality_results')
        .values([...run.tasks.keys()].map((task) => ({ ...aResult, run: run.id, task })))
        .execute()

      expect(await it.store.load(run.id)).toEqual({ run, revision: 0 })
    })

    test('of replicas that note one run at once, one does', async () => {
      await using it = await given()
      await using other = await it.empty.open()
      const run = planned(day(3))

      const noted = await Promise.all([it.store, createOpsStore(other)].map(async (store) => await store.create(run)))

      expect(noted.filter((isNew) => isNew)).toHaveLength(1)
      expect(await it.store.create(run)).toBe(false)
      expect((await it.store.load(run.id))?.run.tasks.size).toBe(3)
    })

    test('a run of more tasks than one statement can hold is kept whole', async () => {
      await using it = await given()
      const run = planned(day(600))
      await it.store.create(run)

      const { decision, revision } = await finish(it.store, run)
      await it.store.markSent(run.id, [...run.tasks.values()], NOON)

      expect(revision).toBe(1)
      expect(decision.records).toHaveLength(600)
      const record = await it.records.run(run.id)
      expect(record?.taskCounts).toMatchObject({ succeeded: 600 })
      const since = await it.store.since(run.pipeline, '2099-01-01T00:00:00Z', [...run.tasks.keys()])
      expect([since.size, new Set(since.values())]).toEqual([600, new Set([run.window.end])])
    })

    test('of two decisions on one revision one takes place, whole', async () => {
      await using it = await given()
      await using other = await it.empty.open()
      const run = planned(day(3))
      await it.store.create(run)

      const results = await Promise.all(
        [it.store, createOpsStore(other)].map(async (store) => await finish(store, run)),
      )

      expect(results.filter(({ revision }) => revision === 1)).toHaveLength(1)
      expect((await it.records.run(run.id))?.state).toBe('succeeded')
    })

    test('a pipeline is noted once, whoever is first', async () => {
      await using it = await given()
      await using other = await it.empty.open()
      const stores = [it.store, createOpsStore(other), it.store]

      await Promise.all(stores.map(async (store) => await store.rememberPipeline('shop', 'abc', 'pipelines/x', NOON)))

      expect(await it.database.db.withSchema('ops').selectFrom('pipelines').selectAll().execute()).toMatchObject([
        { name: 'shop', digest: 'abc', location: 'pipelines/x' },
      ])
    })

    test('the newest windows come first, as many as asked for', async () => {
      await using it = await given()
      for (const date of ['2026-03-01', '2026-03-03', '2026-03-02']) {
        const window = { start: `${date}T00:00:00Z`, end: `${date}T23:00:00Z`, label: date }
        await it.store.create({ ...planned(day(1)), id: `shop@${date}`, window })
      }

      const runs = await it.records.runs({ limit: 2, pipeline: planned(day(1)).pipeline })

      expect(runs.map(({ window }) => window.label)).toEqual(['2026-03-03', '2026-03-02'])
      expect(runs[0]?.taskCounts).toMatchObject({ waiting: 1 })
    })
  })

const aResult = {
  generation: 1,
  attempt: 1,
  ordinal: 0,
  rule: 'id is never empty',
  severity: 'warn',
  checked: 1,
  failed: 0,
  detail: null,
} as const

/** The same run with other names for its tasks. */
function renamed(run: Run, rename: (name: string) => string): Run {
  const tasks = [...run.tasks.values()].map((task) => {
    const { planned } = task
    return { ...task, planned: { ...planned, name: rename(planned.name), needs: planned.needs.map(rename) } }
  })
  return { ...run, tasks: new Map(tasks.map((task) => [task.planned.name, task])) }
}

/** Tasks that need only the first one. */
function day(count: number): MadeUpDay {
  const tasks = Array.from({ length: count }, (_, index) => ({ needs: index === 0 ? [] : [0], verdicts: [] }))
  return { tasks, tables: [], maxAttempts: 3 }
}

function planned(of: MadeUpDay): Run {
  return decide(newRun(), begin(of).slice(0, 1), worldOf(of)).run
}

/** Decides that every task has succeeded, and has that kept. */
async function finish(store: OpsStore, run: Run) {
  const of = day(run.tasks.size)
  const begun = decide(run, begin(of).slice(1), worldOf(of)).run
  const tasks = [...begun.tasks.values()]
  const inputs = [...begin(of).slice(1), ...tasks.flatMap((task) => eventsOf(of, task))]
  const decision = decide(run, inputs, worldOf(of))
  return { decision, revision: await store.commit({ run, revision: 0 }, decision) }
}
