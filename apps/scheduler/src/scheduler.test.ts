// @module-tag slow: takes long
import type { Command } from '@cinelake/contracts'
import { TerminalError, TransientError } from '@cinelake/core'
import { until } from '@cinelake/testkit'
import { randomUUID } from 'node:crypto'
import { afterAll, beforeEach, describe, expect, test } from 'vitest'
import { aPipeline, DAY, emptied, given, NEXT_DAY, openDatabase, runDay, statesOf, THIRD_DAY } from '../test/given.ts'

const database = await openDatabase()
afterAll(() => database[Symbol.asyncDispose]())
beforeEach(() => emptied(database))

class ServerAway extends TransientError {
  readonly code = 'TEST_SERVER_AWAY'
}
class FileBroken extends TerminalError {
  readonly code = 'TEST_FILE_BROKEN'
}
const away = () => new ServerAway('the server is away', {})
const broken = () => new FileBroken('the file is broken', {})

describe('a run', () => {
  test('does every task after what it needs, with the versions and manifests that were made', async () => {
    await using it = await given(database)

    const record = await runDay(it.scheduler)

    expect(record.state).toBe('succeeded')
    expect(new Set(Object.values(statesOf(record)))).toEqual(new Set(['succeeded']))
    const places = new Map(it.done.map((command, place) => [command.task, place]))
    for (const { name, needs } of record.tasks) {
      for (const need of needs) expect(places.get(need)).toBeLessThan(places.get(name) ?? -1)
    }
    expect(it.done.find(({ task }) => task === 'build customer_totals')).toMatchObject({
      inputs: [
        { table: 'customers', version: 3 },
        { table: 'order_totals', version: 5 },
      ],
    })
    expect(it.done.find(({ task }) => task === 'refine orders')).toMatchObject({
      manifest: 'raw/_landed/shop/2026-03-01/ingest-drops.orders.json',
    })
  })

  test('copies the tables that the database turns out to have', async () => {
    await using it = await given(database, { tables: () => ['payments', 'plans', 'devices'] })

    const record = await runDay(it.scheduler)

    expect(record.tasks.map(({ name }) => name)).toEqual(
      expect.arrayContaining([
        'ingest billing/public.plans',
        'ingest billing/public.devices',
        'refine billing_devices',
      ]),
    )
    expect(record.state).toBe('succeeded')
  })

  test('asked for twice is one run', async () => {
    await using it = await given(database)

    const [one, other] = await Promise.all([
      it.scheduler.requestRun(aPipeline(), DAY),
      it.scheduler.requestRun(aPipeline(), DAY),
    ])
    await it.scheduler.waitFor(one.runId)

    expect(one.runId).toBe(other.runId)
    expect(await it.scheduler.requestRun(aPipeline(), DAY)).toEqual({ runId: 'shop@2026-03-01', created: false })
    expect(new Set(it.done.map(({ task }) => task)).size).toBe(it.done.length)
  })

  test('keeps what was found on the way: balances, rejects by rule, quality', async () => {
    await using it = await given(database, {
      behave: ({ task }) =>
        task !== 'refine orders'
          ? {}
          : {
              balance: { unit: 'rows', in: 5_000_000_000, out: 4_999_999_998, rejected: 1, duplicates: 1 },
              rejects: { 'type(total)': 1 },
              quality: [{ rule: 'total_positive', severity: 'warn', checked: 10, failed: 2 }],
            },
    })

    const record = await runDay(it.scheduler)

    expect(record.tasks.find(({ name }) => name === 'refine orders')).toMatchObject({
      balance: { unit: 'rows', in: 5_000_000_000, out: 4_999_999_998, rejected: 1, duplicates: 1 },
      rejects: { 'type(total)': 1 },
      quality: [{ rule: 'total_positive', severity: 'warn', checked: 10, failed: 2 }],
      worker: 'transformer-1',
    })
    expect(await it.scheduler.runs()).toMatchObject([
      { id: 'shop@2026-03-01', state: 'succeeded', taskCounts: { succeeded: record.tasks.length, failed: 0 } },
    ])
  })
})

describe('a failure', () => {
  test('that a retry can help is tried again, with a new attempt of the same generation', async () => {
    let failures = 2
    await using it = await given(database, {
      behave: ({ task }) => {
        if (task === 'ingest drops/orders' && failures-- > 0) throw away()
      },
    })

    const record = await runDay(it.scheduler)

    expect(record.state).toBe('succeeded')
    expect(record.tasks.find(({ name }) => name === 'ingest drops/orders')).toMatchObject({ attempt: 3, generation: 1 })
    const attempts = await database.db
      .withSchema('ops')
      .selectFrom('attempts')
      .selectAll()
      .where('task', '=', 'ingest drops/orders')
      .orderBy('attempt')
      .execute()
    expect(attempts.map(({ outcome, error_code }) => [outcome, error_code])).toEqual([
      ['failed', 'TEST_SERVER_AWAY'],
      ['failed', 'TEST_SERVER_AWAY'],
      ['succeeded', null],
    ])
  })

  test('is given up after as many tries as the policy has', async () => {
    await using it = await given(database, {
      behave: ({ task }) => {
        if (task === 'ingest drops/orders') throw away()
      },
    })

    const record = await runDay(it.scheduler)

    expect(record.tasks.find(({ name }) => name === 'ingest drops/orders')).toMatchObject({
      state: 'failed',
      attempt: 3,
      error: { code: 'TEST_SERVER_AWAY' },
    })
  })

  test('for good fails what depends on it and nothing else', async () => {
    await using it = await given(database, {
      behave: ({ task }) => {
        if (task === 'refine orders') throw broken()
      },
    })

    const record = await runDay(it.scheduler)

    expect(record.state).toBe('failed')
    expect(statesOf(record)).toMatchObject({
      'ingest drops/orders': 'succeeded',
      'refine orders': 'failed',
      'build order_totals': 'skipped',
      'build customer_totals': 'skipped',
      'load customer_totals': 'skipped',
      'refine customers': 'succeeded',
      'refine payments': 'succeeded',
      'refine billing_plans': 'succeeded',
    })
    expect(record.tasks.find(({ name }) => name === 'load customer_totals')?.reason).toBe(
      'needs build customer_totals, which was skipped',
    )
    expect(it.done.map(({ task }) => task)).not.toContain('build order_totals')
  })

  test('a task whose rows do not add up is red, and nothing that needs it is published', async () => {
    await using it = await given(database, {
      behave: ({ task }) =>
        task === 'build customer_totals'
          ? { balance: { unit: 'rows', in: 10, out: 9, rejected: 0, duplicates: 0 } }
          : {},
    })

    const record = await runDay(it.scheduler)

    expect(record.tasks.find(({ name }) => name === 'build customer_totals')).toMatchObject({
      state: 'failed',
      error: { code: 'BALANCE_BROKEN' },
    })
    expect(statesOf(record)['load customer_totals']).toBe('skipped')
  })

  test('is made good by asking again: what succeeded stays, the rest goes', async () => {
    let isBroken = true
    await using it = await given(database, {
      behave: ({ task }) => {
        if (task === 'refine orders' && isBroken) throw broken()
      },
    })
    await runDay(it.scheduler)
    isBroken = false
    it.done.length = 0

    const record = await runDay(it.scheduler)

    expect(record.state).toBe('succeeded')
    expect(it.done.map(({ task }) => task).sort()).toEqual([
      'build customer_totals',
      'build order_totals',
      'load customer_totals',
      'refine orders',
    ])
    expect(record.tasks.find(({ name }) => name === 'refine orders')).toMatchObject({ generation: 1, attempt: 2 })
  })

  test('made good by another text of the pipeline gets a new generation where it was tried before', async () => {
    let isBroken = true
    await using it = await given(database, {
      behave: ({ task }) => {
        if (task === 'build order_totals' && isBroken) throw broken()
      },
    })
    const before = await runDay(it.scheduler)
    isBroken = false

    const record = await runDay(it.scheduler, aPipeline({ description: 'mended' }))

    expect(record.state).toBe('succeeded')
    expect(record.digest).not.toBe(before.digest)
    const generations = Object.fromEntries(record.tasks.map(({ name, generation }) => [name, generation]))
    expect(generations).toMatchObject({ 'build order_totals': 2, 'build customer_totals': 1, 'refine orders': 1 })
    expect(record.tasks.map(({ name }) => name)).toContain('refine billing_plans')
  })
})

describe('a window that is done', () => {
  test('is run again whole, into a new generation, when somebody says so', async () => {
    let tables = ['payments', 'plans']
    await using it = await given(database, { tables: () => tables })
    await runDay(it.scheduler)
    it.done.length = 0
    tables = ['payments', 'devices']

    const { runId, created } = await it.scheduler.requestRun(aPipeline(), DAY, { again: true })
    const record = await it.scheduler.waitFor(runId)

    expect(created).toBe(true)
    expect(record.state).toBe('succeeded')
    expect(new Set(record.tasks.map(({ generation }) => generation))).toEqual(new Set([2]))
    const names = record.tasks.map(({ name }) => name)
    expect(names).toContain('refine billing_devices')
    expect(names).not.toContain('refine billing_plans')
    expect(it.done.find(({ task }) => task === 'refine orders')).toMatchObject({
      manifest: 'raw/_landed/shop/2026-03-01/ingest-drops.orders.g2.json',
    })
  })

  test('cannot be asked for again, or with another text, while it is under way', async () => {
    await using it = await given(database, { workers: false })
    await it.scheduler.requestRun(aPipeline(), DAY)

    await expect(it.scheduler.requestRun(aPipeline(), DAY, { again: true })).rejects.toMatchObject({
      code: 'RUN_UNDER_WAY',
    })
    await expect(it.scheduler.requestRun(aPipeline({ description: 'other' }), DAY)).rejects.toMatchObject({
      code: 'RUN_UNDER_WAY',
    })
  })
})

describe('windows of one pipeline', () => {
  test('asked for together run oldest first, one at a time, and one that fails does not hold up the next', async () => {
    await using it = await given(database, {
      behave: ({ run, task }) => {
        if (run === 'shop@2026-03-02' && task === 'refine orders') throw broken()
      },
    })

    const requested = await it.scheduler.requestRuns(aPipeline(), [THIRD_DAY, DAY, NEXT_DAY])
    const records = await Promise.all(requested.map(({ runId }) => it.scheduler.waitFor(runId)))

    expect(records.map(({ state }) => state)).toEqual(['succeeded', 'failed', 'succeeded'])
    expect(records.map(({ window }) => window.label)).toEqual(['2026-03-01', '2026-03-02', '2026-03-03'])
    const days = it.done.map(({ run }) => run)
    expect(days).toEqual([...days].sort())
  })

  test('an incremental dataset goes on from the end of the last window that succeeded', async () => {
    const since: (string | null)[] = []
    let isBroken = false
    await using it = await given(database, {
      behave: (command) => {
        if (command.task !== 'ingest billing/payments') return
        if (command.kind === 'ingest') since.push(command.since)
        if (isBroken) throw broken()
      },
    })

    await runDay(it.scheduler, aPipeline(), DAY)
    isBroken = true
    await runDay(it.scheduler, aPipeline(), NEXT_DAY)
    isBroken = false
    await runDay(it.scheduler, aPipeline(), THIRD_DAY)
    await runDay(it.scheduler, aPipeline(), NEXT_DAY)

    expect(since).toEqual([null, DAY.end, DAY.end, DAY.end])
  })
})

describe('messages', () => {
  test('of an older attempt that come late change nothing, but work that is done counts', async () => {
    let failures = 1
    await using it = await given(database, {
      behave: ({ task }) => {
        if (task === 'refine orders' && failures-- > 0) throw away()
      },
    })
    const first = await runDay(it.scheduler)
    const about = {
      contract: 1 as const,
      run: first.id,
      task: 'refine orders',
      generation: 1,
      attempt: 1,
      worker: 'late',
      at: '2026-03-02T04:00:00Z',
    }

    await it.bus.publish({
      kind: 'task.failed',
      id: randomUUID(),
      ...about,
      durationMs: 1,
      error: { code: 'LATE', message: 'late', retryable: false, context: {} },
      quality: [],
    })
    await it.bus.publish({ kind: 'task.started', id: randomUUID(), ...about })
    await it.bus.idle()

    expect(await it.scheduler.run(first.id)).toEqual(first)
  })

  test('that come twice or late, in any order, lead to the same record', async () => {
    let seed = 7
    const random = () => (seed = (seed * 48_271) % 2_147_483_647) / 2_147_483_647
    await using it = await given(database, { bus: { pick: (count) => Math.floor(random() * count) } })
    for (const queue of ['ingest-files', 'transformer', 'loader', 'events/scheduler']) {
      for (let copies = 0; copies < 5; copies += 1) it.bus.faults.duplicateNext(queue)
    }

    const record = await runDay(it.scheduler)

    expect(record.state).toBe('succeeded')
    await it.bus.idle()
    const attempts = await database.db.withSchema('ops').selectFrom('attempts').select('task').execute()
    expect(attempts.length).toBe(record.tasks.length)
  })

  test('a command whose lock runs out is done again by another worker', async () => {
    let calls = 0
    const first = Promise.withResolvers<void>()
    await using it = await given(database, {
      behave: async ({ task }) => {
        if (task !== 'refine orders' || ++calls > 1) return
        await first.promise
      },
    })
    const { runId } = await it.scheduler.requestRun(aPipeline(), DAY)
    await until('the task is being worked on', () => calls === 1)

    it.bus.faults.expireLocks('transformer')
    const record = await it.scheduler.waitFor(runId)
    first.resolve()

    expect(record.state).toBe('succeeded')
    expect(calls).toBe(2)
    expect(record.tasks.find(({ name }) => name === 'refine orders')?.attempt).toBe(1)
  })

  test('a command that the broker gives up on is a failed task with its reason, and the rest goes on', async () => {
    await using it = await given(database, { sweepMs: 20, bus: { maxDeliveryCount: 2 }, workers: false })
    const poison = await it.bus.consume('ingest-files', async ({ task }) => {
      if (task === 'ingest drops/orders') throw new Error('the process dies')
    })
    const { runId } = await it.scheduler.requestRun(aPipeline(), DAY)
    await until('the command is dead-lettered', async () => (await it.bus.deadLetters('ingest-files')).length === 1)
    await poison[Symbol.asyncDispose]()
    await using workers = await it.startWorkers()

    await until('the task failed', async () => {
      const run = await it.scheduler.run(runId)
      return run?.tasks.find(({ name }) => name === 'ingest drops/orders')?.state === 'failed'
    })

    expect(workers).toBeDefined()
    const task = (await it.scheduler.run(runId))?.tasks.find(({ name }) => name === 'ingest drops/orders')
    expect(task?.error?.message).toContain('the broker gave the command up after 2 deliveries')
  })

  test('an event that the broker gave up on counts all the same', async () => {
    await using it = await given(database, { sweepMs: 20, bus: { maxDeliveryCount: 1 } })
    // Another replica, which cannot write anything down.
    const broken = await it.bus.subscribe('scheduler', () => Promise.reject(away()), { concurrency: 64 })

    const record = await runDay(it.scheduler)

    expect(record.state).toBe('succeeded')
    expect(record.tasks.every(({ attempt }) => attempt === 1)).toBe(true)
    await broken[Symbol.asyncDispose]()
  })

  test('a worker that falls silent fails its try, and a queue that nobody serves fails its tasks: every run ends', async () => {
    await using it = await given(database, {
      workers: false,
      timeouts: { scheduleToStartMs: 50, heartbeatMs: 50 },
      sweepMs: 20,
    })

    const record = await runDay(it.scheduler)

    expect(record.state).toBe('failed')
    expect(record.tasks.find(({ name }) => name === 'discover billing')?.error).toMatchObject({
      code: 'TASK_NOT_TAKEN',
    })
  })
})

describe('a scheduler that is killed', () => {
  test('between noting a command and sending it: the next one sends it', async () => {
    await using it = await given(database)
    const dying = await it.start({ bus: { ...it.bus, send: () => Promise.reject(away()) } })
    const { runId } = await dying.requestRun(aPipeline(), DAY)
    await dying[Symbol.asyncDispose]()
    expect(it.done).toEqual([])

    expect(await it.scheduler.resume()).toEqual([runId])
    const record = await it.scheduler.waitFor(runId)

    expect(record.state).toBe('succeeded')
    expect(new Set(it.done.map(({ task }) => task)).size).toBe(it.done.length)
  })

  test('without a restart: the sweep of another replica sends what it left, and takes up the waiting windows', async () => {
    await using it = await given(database, { sweepMs: 20 })
    const dying = await it.start({ bus: { ...it.bus, send: () => Promise.reject(away()) }, sweepMs: 60_000 })
    const requested = await dying.requestRuns(aPipeline(), [DAY, NEXT_DAY])
    await dying[Symbol.asyncDispose]()

    const records = await Promise.all(requested.map(({ runId }) => it.scheduler.waitFor(runId)))

    expect(records.map(({ state }) => state)).toEqual(['succeeded', 'succeeded'])
  })

  test('while tasks are under way, on a bus that forgets: they are done again', async () => {
    const started = Promise.withResolvers<void>()
    const never = new Promise<void>(() => {})
    const before = await given(database, {
      behave: async ({ task }) => {
        if (task !== 'build order_totals') return
        started.resolve()
        await never
      },
    })
    const { runId } = await before.scheduler.requestRun(aPipeline(), DAY)
    await started.promise
    await until('its start is noted', async () => {
      const run = await before.scheduler.run(runId)
      return run?.tasks.some(({ name, state }) => name === 'build order_totals' && state === 'running') ?? false
    })
    await before.scheduler[Symbol.asyncDispose]()

    await using it = await given(database)
    it.lake.objects.clear()
    for (const [path, text] of before.lake.objects) it.lake.objects.set(path, text)
    await it.scheduler.resume()
    const record = await it.scheduler.waitFor(runId)

    expect(record.state).toBe('succeeded')
    expect(it.done.map(({ task }) => task)).toContain('build order_totals')
    expect(it.done.map(({ task }) => task)).not.toContain('refine orders')
  })
})

test('two schedulers on one database that hear the same events have the effect of one', async () => {
  await using it = await given(database)
  // A subscription of its own: every event reaches both, at once.
  const alsoHears: typeof it.bus.subscribe = (_, handler, options) => it.bus.subscribe('also', handler, options)
  await using other = await it.start({ bus: { ...it.bus, subscribe: alsoHears } })

  const requested = await Promise.all([it.scheduler, other].map((each) => each.requestRun(aPipeline(), DAY)))
  const records = await Promise.all([it.scheduler.waitFor('shop@2026-03-01'), other.waitFor('shop@2026-03-01')])
  await it.bus.idle()

  expect(requested.map(({ runId }) => runId)).toEqual(['shop@2026-03-01', 'shop@2026-03-01'])
  expect(records.map(({ state }) => state)).toEqual(['succeeded', 'succeeded'])
  expect(records[0]).toEqual(records[1])
  expect(it.done.map(commandKey).sort()).toEqual([...new Set(it.done.map(commandKey))].sort())
  expect(new Set(it.done.map(({ id }) => id)).size).toBe(it.done.length)
})

describe('cancelling', () => {
  test('skips what is not finished, ignores what is reported later, and leaves the rest to the next request', async () => {
    const reached = Promise.withResolvers<void>()
    const go = Promise.withResolvers<void>()
    await using it = await given(database, {
      behave: async ({ task }) => {
        if (task !== 'refine orders') return
        reached.resolve()
        await go.promise
      },
    })
    const { runId } = await it.scheduler.requestRun(aPipeline(), DAY)
    await reached.promise

    expect(await it.scheduler.cancel(runId)).toBe(true)
    expect(await it.scheduler.cancel(runId)).toBe(false)
    go.resolve()
    await it.bus.idle()
    const cancelled = await it.scheduler.waitFor(runId)

    expect(cancelled.state).toBe('cancelled')
    expect(cancelled.tasks.find(({ name }) => name === 'refine orders')).toMatchObject({
      state: 'skipped',
      reason: 'the run was cancelled',
    })
    expect((await runDay(it.scheduler)).state).toBe('succeeded')
  })

  test('of a run that nobody asked for is refused', async () => {
    await using it = await given(database)
    await expect(it.scheduler.cancel('shop@1999-01-01')).rejects.toMatchObject({ code: 'RUN_MISSING' })
    await expect(it.scheduler.waitFor('shop@1999-01-01')).rejects.toMatchObject({ code: 'RUN_MISSING' })
  })

  test('the wait does not cancel the run', async () => {
    await using it = await given(database, { workers: false })
    const { runId } = await it.scheduler.requestRun(aPipeline(), DAY)
    const stop = new AbortController()

    const waiting = it.scheduler.waitFor(runId, { signal: stop.signal })
    stop.abort()

    await expect(waiting).rejects.toMatchObject({ code: 'WORK_CANCELLED' })
    expect((await it.scheduler.run(runId))?.state).toBe('running')
  })
})

function commandKey(command: Command): string {
  return `${command.task} ${command.generation} ${command.attempt}`
}
