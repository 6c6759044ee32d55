// @module-tag slow: takes long
import { afterAll, describe, expect, test } from 'vitest'
import { opsDatabases } from '../databases.fixture.ts'
import { createRunRecords } from '../read/run-records.ts'
import type { Run, RunUpdate, Task } from '../run.ts'
import { MAX_TASK_NAME } from '../schema/column-types.ts'
import { migrateOps } from '../schema/migrations.ts'
import { prepareSchema } from '../schema/version.ts'
import { createRunStore, type RunStore } from './run-store.ts'

const NOON = new Date('2026-03-02T12:00:00Z')
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
      const [store, records] = [createRunStore(database), createRunRecords(database)]
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
      const run: Run = { ...planned(3), requestedAt: '2026-03-02T12:00:00.123Z', digest: 'ünï🎬' }

      expect(await it.store.create(run)).toBe(true)

      expect(await it.store.load(run.id)).toEqual({ run, revision: 0 })
      expect(await it.store.stateOf(run.id)).toBe(run.state)
      expect(await it.store.load(run.id.toUpperCase())).toBeUndefined()
    })

    test('names as long as they can be are kept whole, with all that is noted of their tries', async () => {
      await using it = await given()
      const pipeline = 'p'.repeat(63)
      const label = 'w'.repeat(40)
      const named = renamed(planned(2), (name) => name.padEnd(MAX_TASK_NAME, '🎬'))
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
      const run = planned(3)

      const noted = await Promise.all([it.store, createRunStore(other)].map(async (store) => await store.create(run)))

      expect(noted.filter((isNew) => isNew)).toHaveLength(1)
      expect(await it.store.create(run)).toBe(false)
      expect((await it.store.load(run.id))?.run.tasks.size).toBe(3)
    })

    test('a run of more tasks than one statement can hold is kept whole', async () => {
      await using it = await given()
      const run = planned(600)
      await it.store.create(run)

      const { update, revision } = await finish(it.store, run)
      await it.store.markSent(run.id, [...run.tasks.values()], NOON)

      expect(revision).toBe(1)
      expect(update.records).toHaveLength(600)
      const record = await it.records.run(run.id)
      expect(record?.taskCounts).toMatchObject({ succeeded: 600 })
      const since = await it.store.since(run.pipeline, '2099-01-01T00:00:00Z', [...run.tasks.keys()])
      expect([since.size, new Set(since.values())]).toEqual([600, new Set([run.window.end])])
    })

    test('a run that the version before has kept is read with all that is known of it', async () => {
      await using it = await given()
      const run = planned(3)
      await it.store.create(run)
      await finish(it.store, run)
      const [kept, shown] = [await it.store.load(run.id), await it.records.run(run.id)]
      const ops = it.database.db.withSchema('ops')

      await ops.updateTable('tasks').set({ facts: null }).execute()
      await ops.updateTable('attempts').set({ facts: null }).execute()

      expect(await it.records.run(run.id)).toEqual(shown)
      // Rejects and quality results are in tables of their own, which only readers need.
      const { quality: _quality, rejects: _rejects, ...facts } = kept?.run.tasks.get('task 0')?.facts ?? {}
      expect((await it.store.load(run.id))?.run.tasks.get('task 0')?.facts).toEqual(facts)
    })

    test('a scheduler of the version before finds what it knows in the columns that it reads', async () => {
      await using it = await given()
      const run = planned(1)
      await it.store.create(run)
      await finish(it.store, run)

      const ops = it.database.db.withSchema('ops')
      expect(await ops.selectFrom('tasks').selectAll().executeTakeFirst()).toMatchObject({
        duration_ms: 5,
        balance_unit: 'rows',
        output: JSON.stringify({ kind: 'table', table: 'model_0', version: 1, outcome: 'committed' }),
        error: null,
      })
      expect(await ops.selectFrom('reject_counts').select(['rule', 'row_count']).execute()).toHaveLength(1)
      expect(await ops.selectFrom('quality_results').select('rule').execute()).toHaveLength(1)
      expect(await ops.selectFrom('attempts').select(['outcome', 'duration_ms']).execute()).toEqual([
        { outcome: 'succeeded', duration_ms: 5 },
      ])
    })

    test('of two decisions on one revision one takes place, whole', async () => {
      await using it = await given()
      await using other = await it.empty.open()
      const run = planned(3)
      await it.store.create(run)

      const results = await Promise.all(
        [it.store, createRunStore(other)].map(async (store) => await finish(store, run)),
      )

      expect(results.filter(({ revision }) => revision === 1)).toHaveLength(1)
      expect((await it.records.run(run.id))?.state).toBe('succeeded')
    })

    test('a pipeline is noted once, whoever is first', async () => {
      await using it = await given()
      await using other = await it.empty.open()
      const stores = [it.store, createRunStore(other), it.store]

      await Promise.all(stores.map(async (store) => await store.rememberPipeline('shop', 'abc', 'pipelines/x', NOON)))

      expect(await it.database.db.withSchema('ops').selectFrom('pipelines').selectAll().execute()).toMatchObject([
        { name: 'shop', digest: 'abc', location: 'pipelines/x' },
      ])
    })

    test('the newest windows come first, as many as asked for', async () => {
      await using it = await given()
      for (const date of ['2026-03-01', '2026-03-03', '2026-03-02']) {
        const window = { start: `${date}T00:00:00Z`, end: `${date}T23:00:00Z`, label: date }
        await it.store.create({ ...planned(1), id: `shop@${date}`, window })
      }

      const runs = await it.records.runs({ limit: 2, pipeline: planned(1).pipeline })

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

/** A run that was asked for: tasks that need only the first one. */
function planned(count: number): Run {
  const tasks = Array.from({ length: count }, (_, position): Task => ({
    planned: {
      name: `task ${position}`,
      queue: 'transformer',
      needs: position === 0 ? [] : ['task 0'],
      work: { kind: 'build', model: `model_${position}`, inputs: [] },
    },
    position,
    state: 'waiting',
    generation: 1,
    attempt: 0,
    attemptLimit: 3,
    since: null,
    sentAt: null,
    worker: null,
    startedAt: null,
    finishedAt: null,
    dueAt: null,
    facts: {},
    reason: null,
    digest: null,
    restart: false,
  }))
  return {
    id: 'made-up@2026-03-01',
    pipeline: 'made-up',
    digest: 'a'.repeat(64),
    window: { start: '2026-03-01T00:00:00Z', end: '2026-03-02T00:00:00Z', label: '2026-03-01' },
    state: 'waiting',
    after: null,
    requestedAt: NOON.toISOString(),
    startedAt: null,
    finishedAt: null,
    redo: null,
    tasks: new Map(tasks.map((task) => [task.planned.name, task])),
  }
}

/** Every task has succeeded in its first try. */
function finished(run: Run): RunUpdate {
  const done = {
    startedAt: NOON.toISOString(),
    finishedAt: NOON.toISOString(),
    worker: 'worker',
    durationMs: 5,
  } as const
  const changes = [...run.tasks.values()].map((task): Task => ({
    ...task,
    ...done,
    state: 'succeeded',
    attempt: 1,
    facts: {
      durationMs: 5,
      balance: { unit: 'rows', in: 10, out: 8, rejected: 1, duplicates: 1 },
      output: { kind: 'table', table: `model_${task.position}`, version: 1, outcome: 'committed' },
      quality: [{ rule: 'id is never empty', severity: 'warn', checked: 9, failed: 0 }],
      rejects: { 'id is unique': 1 },
    },
    digest: run.digest,
  }))
  return {
    run: {
      ...run,
      state: 'succeeded',
      startedAt: NOON.toISOString(),
      finishedAt: NOON.toISOString(),
      tasks: new Map(changes.map((task) => [task.planned.name, task])),
    },
    changes,
    removed: [],
    records: changes.map((task) => ({
      ...done,
      task: task.planned.name,
      generation: 1,
      attempt: 1,
      outcome: 'succeeded',
      facts: task.facts,
      late: false,
    })),
  }
}

/** Has the end of the run kept. */
async function finish(store: RunStore, run: Run) {
  const update = finished(run)
  return { update, revision: await store.commit({ run, revision: 0 }, update) }
}
