import type { Run, Task } from '@cinelake/run-store'
import { createRunStore, migrateOps } from '@cinelake/run-store/write'
import { afterAll, beforeEach, expect, test } from 'vitest'
import { emptied, openDatabase } from '../../test/given.ts'
import { begin, eventsOf, newRun, NOON, planOf, worldOf, type MadeUpDay } from '../../test/simulated-day.ts'
import { decide } from '../decide/decide.ts'
import type { Input } from '../decide/decision.ts'
import { createRunProcessor } from './run-processor.ts'

const database = await openDatabase()
const store = createRunStore(database)
afterAll(() => database[Symbol.asyncDispose]())
beforeEach(async () => {
  await emptied(database)
  await migrateOps(database.db)
})

/** Tasks that need only the first one, so that they are all under way at once. */
const day: MadeUpDay = {
  tasks: Array.from({ length: 9 }, (_, index) => ({ needs: index === 0 ? [] : [0], verdicts: [] })),
  tables: [],
  maxAttempts: 3,
}
const world = worldOf(day)

test('a decision made on an older revision does not take place, not even in part', async () => {
  const run = await aRunUnderWay()
  const before = { run, revision: 1 }
  const [one, other] = [...run.tasks.values()].slice(1)

  expect(await store.commit(before, decide(run, endOf(one), world))).toBe(2)
  expect(await store.commit(before, decide(run, endOf(other), world))).toBeUndefined()

  const after = await store.load(run.id)
  expect(after?.revision).toBe(2)
  expect([...(after?.run.tasks.values() ?? [])].filter(({ state }) => state === 'succeeded')).toHaveLength(2)
  const attempts = await database.db.withSchema('ops').selectFrom('attempts').select('task').execute()
  expect(attempts).toHaveLength(2)
})

test('replicas that each hear a part of the events, at once, finish the run between them', async () => {
  const run = await aRunUnderWay()
  const replicas = [aProcessor(), aProcessor(), aProcessor()]
  const tasks = [...run.tasks.values()].slice(1)

  await Promise.all(tasks.map(async (task, index) => await replicas[index % 3]?.submit(run.id, endOf(task))))

  const after = await store.load(run.id)
  expect(after?.run.state).toBe('succeeded')
  for (const replica of replicas) expect((await replica.submit(run.id, endOf(tasks[0])))?.state).toBe('succeeded')
})

test('a replica whose memory of the run is out of date decides on what is there now', async () => {
  const run = await aRunUnderWay()
  const [one, other] = [aProcessor(), aProcessor()]
  const [first, second] = [...run.tasks.values()].slice(1) as [Task, Task]
  await one.submit(run.id, endOf(first))

  const failure = { code: 'AWAY', message: 'away', retryable: true, context: {} }
  const about = { task: second.planned.name, generation: 1 }
  const at = { at: NOON.toISOString(), worker: 'w' }
  await other.submit(run.id, [
    { kind: 'failed', ...about, attempt: 1, ...at, facts: { durationMs: 1, quality: [], error: failure } },
  ])
  await other.submit(run.id, [{ kind: 'due', ...about, attempt: 1 }])
  // To the first replica this is still the first try: it would take news of a second one for nonsense.
  const after = await one.submit(run.id, [{ kind: 'started', ...about, attempt: 2, ...at }])

  expect(after?.tasks.get(second.planned.name)).toMatchObject({ state: 'running', attempt: 2 })
})

test('an event of a run that is not there is nobody’s', async () => {
  expect(await aProcessor().submit('shop@1999-01-01', [{ kind: 'resume' }])).toBeUndefined()
})

/** A run whose first task is done and whose others are queued, at revision 1. */
async function aRunUnderWay(): Promise<Run> {
  const planned = decide(newRun(), begin(day).slice(0, 1), world).run
  await store.create(planned)
  const begun = decide(planned, begin(day).slice(1), world)
  const first = [...begun.run.tasks.values()][0]
  const done = decide(planned, [...begin(day).slice(1), ...endOf(first)], world)
  expect(await store.commit({ run: planned, revision: 0 }, done)).toBe(1)
  expect(planOf(day)).toHaveLength(done.run.tasks.size)
  return done.run
}

function endOf(task: Task | undefined): Input[] {
  return task === undefined ? [] : eventsOf(day, task)
}

function aProcessor() {
  let now = NOON.getTime()
  return createRunProcessor({
    store,
    rulesOf: async () => world.rules(''),
    dispatch: async (_, { run }) => run,
    // Each decision is a minute after the one before: whatever waits is due by then.
    clock: () => new Date((now += 60_000)),
    random: () => 0,
    timeouts: { scheduleToStartMs: 1e9, heartbeatMs: 1e9 },
  })
}
