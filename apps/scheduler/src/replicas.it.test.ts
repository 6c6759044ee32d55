import { TransientError } from '@cinelake/core'
import type { RunRecord } from '@cinelake/run-store'
import { fixedClock, recordingLog, until } from '@cinelake/testkit'
import { findPostgres } from '@cinelake/testkit/postgres'
import { findRedis } from '@cinelake/testkit/redis'
import { setTimeout as pause } from 'node:timers/promises'
import { afterAll, describe, expect, test } from 'vitest'
import { aPipeline, DAY, NEXT_DAY, statesOf, THIRD_DAY, type Behaviour } from '../test/given.ts'
import { givenReplicas, onceEach, successes } from '../test/replicas.ts'
import { followSchedule } from './schedule/follow-schedule.ts'

const [postgres, redis] = await Promise.all([findPostgres(), findRedis()])
afterAll(async () => {
  await redis.server?.[Symbol.asyncDispose]()
  await postgres.server?.[Symbol.asyncDispose]()
})
const missing = [postgres.missing, redis.missing].filter((reason) => reason !== undefined)
const because = missing.length === 0 ? '' : ` (${missing.join('; ')})`
const given = (options = {}) => givenReplicas(postgres.server!, redis.server!, options)

class Away extends TransientError {
  readonly code = 'TEST_AWAY'
}

/** Two tasks need another try, which a timer in Redis brings. */
const behave: Behaviour = ({ task, attempt }) => {
  if (['ingest drops/orders', 'build order_totals'].includes(task) && attempt === 1) throw new Away('away', {})
  return {}
}

/** Every task succeeded, and is in the history as done once. */
async function expectDoneOnce(it: Awaited<ReturnType<typeof given>>, records: readonly RunRecord[]): Promise<void> {
  for (const record of records) expect(new Set(Object.values(statesOf(record)))).toEqual(new Set(['succeeded']))
  expect(await successes(it.database)).toEqual(onceEach(records))
}

describe.skipIf(missing.length > 0)(`several schedulers over one PostgreSQL, one Redis and one bus${because}`, () => {
  test('that start at once on an empty database migrate it once, and all of them work', async () => {
    await using it = await given()

    const replicas = await Promise.all(Array.from({ length: 4 }, () => it.start()))

    expect(await Promise.all(replicas.map(({ scheduler }) => scheduler.runs()))).toEqual([[], [], [], []])
  })

  test('that are all asked for the same days have the effect of one, with each command sent once', async () => {
    // A replica that takes longer than a sweep to note what it sent is taken for dead: not here.
    await using it = await given({ behave, sweepMs: 20_000 })
    const replicas = [await it.start(), await it.start(), await it.start()]

    const asked = await Promise.all(
      replicas.map(({ scheduler }) => scheduler.requestRuns(aPipeline(), [DAY, NEXT_DAY, THIRD_DAY])),
    )
    const records = await Promise.all(asked[0]!.map(({ runId }) => replicas[0]!.scheduler.waitFor(runId)))

    await expectDoneOnce(it, records)
    const tries = it.done.map(({ run, task, attempt }) => `${run} ${task} ${attempt}`)
    expect(tries.toSorted()).toEqual([...new Set(tries)].toSorted())
  })

  test('that hear every event at once do nothing twice', async () => {
    // A replica that takes longer than a sweep to note what it sent is taken for dead: not here.
    await using it = await given({ behave, sweepMs: 20_000 })
    const one = await it.start()
    const hears = (name: string) => ({
      bus: {
        ...it.bus,
        subscribe: ((_, handler, how) => it.bus.subscribe(name, handler, how)) as typeof it.bus.subscribe,
      },
    })
    await it.start(hears('second'))
    await it.start(hears('third'))

    const { runId } = await one.scheduler.requestRun(aPipeline(), DAY)
    const record = await one.scheduler.waitFor(runId)
    await it.bus.idle()

    await expectDoneOnce(it, [record])
    expect(it.done.length).toBe(record.tasks.length)
  })

  test('that follow one schedule ask for each window once', async () => {
    await using it = await given()
    const clock = fixedClock('2026-03-03T12:00:00Z')
    const created: string[] = []
    await using following = new AsyncDisposableStack()
    for (const { scheduler, timers } of [await it.start(), await it.start()]) {
      const requestRuns: typeof scheduler.requestRuns = async (...asked) => {
        const requested = await scheduler.requestRuns(...asked)
        created.push(...requested.flatMap(({ runId, created: isNew }) => (isNew ? [runId] : [])))
        return requested
      }
      const followed = { ...scheduler, requestRuns }
      const settings = { pipelines: [aPipeline()], first: 'start', lookMs: 50, clock, log: recordingLog() } as const
      following.use(await followSchedule({ ...settings, scheduler: followed, timers }))
    }
    clock.advance(24 * 3_600_000)
    await until(
      'the next day is asked for',
      async () => (await successes(it.database))['shop@2026-03-03 load customer_totals'] === 1,
    )

    expect(new Set(created)).toEqual(new Set(['shop@2026-03-01', 'shop@2026-03-02', 'shop@2026-03-03']))
    const done = await successes(it.database)
    expect(new Set(Object.values(done))).toEqual(new Set([1]))
  })

  test.each([1, 2, 3, 4])('one that is killed at a random moment leaves nothing undone (seed %i)', async (seed) => {
    await using it = await given({ behave, sweepMs: 1500 })
    const random = randomOf(seed)
    const [steady, ...others] = [await it.start(), await it.start(), await it.start()]
    const windows = [DAY, NEXT_DAY, THIRD_DAY]
    const asked = await others[0].scheduler.requestRuns(aPipeline(), windows)

    for (const { kill } of others) {
      const reached = it.done.length + Math.floor(random() * 8)
      await until('work was done', () => it.done.length >= reached)
      kill()
      const next = await it.start()
      if (random() < 0.5) next.kill()
    }
    const records = await Promise.all(asked.map(({ runId }) => steady.scheduler.waitFor(runId)))

    await expectDoneOnce(it, records)
    // A command may go out twice where the one that sent it did not live to note so. That is all it may be.
    const tries = it.done.map(({ run, task, attempt }) => `${run} ${task} ${attempt}`)
    expect(tries.length - new Set(tries).size).toBeLessThanOrEqual(6)
  })
})

describe.skipIf(redis.server?.process === undefined || missing.length > 0)(
  `a Redis that is killed during a run${because}`,
  () => {
    test.each(['kept', 'lost'] as const)('and comes back, with its data %s: the run ends', async (data) => {
      // Each task fails once: all of them wait for timers.
      let failed = 0
      const slow: Behaviour = ({ attempt }) => {
        if (attempt > 1) return
        failed += 1
        throw new Away('away', {})
      }
      await using it = await given({ behave: slow })
      const [one] = [await it.start(), await it.start()]
      const { runId } = await one.scheduler.requestRun(aPipeline({ retry: retryAfter(400) }), DAY)
      await until('timers wait', () => failed > 1)

      await redis.server!.process!.kill()
      await redis.server!.process!.start(data)
      const record = await one.scheduler.waitFor(runId)

      expect(record.state).toBe('succeeded')
      await expectDoneOnce(it, [record])
    })

    test('and stays away: the run ends all the same, by the sweep', async () => {
      await using it = await given({ behave, sweepMs: 50 })
      const [one] = [await it.start(), await it.start()]
      await redis.server!.process!.kill()
      try {
        const { runId } = await one.scheduler.requestRun(aPipeline(), DAY)
        const record = await one.scheduler.waitFor(runId)

        expect(record.state).toBe('succeeded')
        await expectDoneOnce(it, [record])
      } finally {
        await redis.server!.process!.start('kept')
      }
    })
  },
)

describe.skipIf(postgres.server?.crash === undefined || missing.length > 0)(
  `a PostgreSQL that crashes${because}`,
  () => {
    test('during runs, and comes back: they end, and nothing that was reported is lost', async () => {
      await using it = await given({ behave, bus: { maxDeliveryCount: 3 } })
      const [one] = [await it.start(), await it.start()]
      const asked = await one.scheduler.requestRuns(aPipeline(), [DAY, NEXT_DAY])
      await until('work was done', () => it.done.length > 3)

      await postgres.server!.crash!()
      await until('work goes on', () => it.done.length > 12)
      const records = await Promise.all(asked.map(({ runId }) => finished(one.scheduler, runId)))

      expect(records.map(({ state }) => state)).toEqual(['succeeded', 'succeeded'])
      await expectDoneOnce(it, records)
      await until('dead letters are taken up', async () => (await it.bus.deadLetters('events/scheduler')).length === 0)
    })
  },
)

/** Waits through the moments in which the database does not answer. */
async function finished(scheduler: { waitFor(runId: string): Promise<RunRecord> }, runId: string): Promise<RunRecord> {
  for (;;) {
    try {
      return await scheduler.waitFor(runId)
    } catch {
      await pause(50)
    }
  }
}

function retryAfter(backoffMs: number) {
  return { maxAttempts: 3, backoffMs, maxBackoffMs: backoffMs }
}

function randomOf(seed: number): () => number {
  let state = seed
  return () => {
    state = (state * 48_271) % 2_147_483_647
    return state / 2_147_483_647
  }
}
