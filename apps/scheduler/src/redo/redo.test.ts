// @module-tag slow: takes long
import type { Command } from '@cinelake/contracts'
import { TerminalError } from '@cinelake/core'
import { freezePipeline } from '@cinelake/pipeline'
import { until } from '@cinelake/testkit'
import { afterAll, beforeEach, describe, expect, test } from 'vitest'
import {
  aPipeline,
  DAY,
  emptied,
  given,
  NEXT_DAY,
  openDatabase,
  runDay,
  statesOf,
  THIRD_DAY,
} from '../../test/given.ts'

const database = await openDatabase()
afterAll(() => database[Symbol.asyncDispose]())
beforeEach(() => emptied(database))

class RuleBroken extends TerminalError {
  readonly code = 'TEST_RULE_BROKEN'
}

/** The pipeline with another rule for orders. */
function changed(expression = 'id > 0') {
  const pipeline = aPipeline()
  const rowRules = [{ name: 'positive', severity: 'error' as const, expression }]
  return {
    ...pipeline,
    datasets: pipeline.datasets.map((dataset) =>
      dataset.name === 'orders' ? { ...dataset, contract: { ...dataset.contract, rowRules } } : dataset,
    ),
  }
}

const namesOf = (commands: readonly Command[]) => commands.map(({ window, task }) => `${window.label} ${task}`)
const BELOW = ['refine orders', 'build order_totals', 'build customer_totals']

describe('tasks done again', () => {
  test('leave the others their results, and the run is green again', async () => {
    await using it = await given(database)
    const first = await runDay(it.scheduler)
    it.done.length = 0

    await it.scheduler.requestRedo(changed(), { kind: 'changed' }, [DAY])
    const again = await it.scheduler.waitFor('shop@2026-03-01')

    expect(namesOf(it.done)).toEqual([...BELOW, 'load customer_totals'].map((name) => `2026-03-01 ${name}`))
    expect(new Set(it.done.map(({ generation }) => generation))).toEqual(new Set([2]))
    expect(again.state).toBe('succeeded')
    const [before, after] = [first, again].map(({ tasks }) => tasks.find(({ name }) => name === 'ingest drops/orders'))
    expect(after).toMatchObject({ output: before?.output, generation: 1, digest: first.digest })
    expect(again.tasks.find(({ name }) => name === 'refine orders')?.digest).toBe(again.digest)
  })

  test('are none the second time, until the text changes once more', async () => {
    await using it = await given(database)
    await runDay(it.scheduler)
    await it.scheduler.requestRedo(changed(), { kind: 'changed' }, [DAY])
    await it.scheduler.waitFor('shop@2026-03-01')
    it.done.length = 0

    expect(await it.scheduler.requestRedo(changed(), { kind: 'changed' }, [DAY])).toEqual([
      { runId: 'shop@2026-03-01', created: false },
    ])
    expect((await it.scheduler.planRedo(aPipeline(), { kind: 'changed' }, [DAY])).windows[0]?.changed).toEqual([
      'contracts/orders.yaml',
    ])
    expect(it.done).toEqual([])
  })

  test('are compared with the text that each was done under, not with that of the run', async () => {
    const original = freezePipeline(aPipeline()).digest
    await using it = await given(database, {
      behave({ task, pipeline: { digest } }) {
        if (task === 'load customer_totals' && digest === original) throw new RuleBroken('no', {})
      },
    })
    await runDay(it.scheduler)
    // Under another text the rest is done: all but the load keep what they made under the first one.
    await it.scheduler.requestRun(changed(), DAY)
    await it.scheduler.waitFor('shop@2026-03-01')

    const plan = await it.scheduler.planRedo(changed(), { kind: 'changed' }, [DAY])

    expect(plan.windows[0]?.changed).toEqual(['contracts/orders.yaml'])
  })

  test('of a run under way are refused', async () => {
    const held = Promise.withResolvers<void>()
    await using it = await given(database, { behave: ({ kind }) => (kind === 'load' ? held.promise : undefined) })
    await it.scheduler.requestRun(aPipeline(), DAY)

    await expect(it.scheduler.requestRedo(aPipeline(), { kind: 'from-raw' }, [DAY])).rejects.toMatchObject({
      code: 'RUN_UNDER_WAY',
    })
    held.resolve()
    await it.scheduler.waitFor('shop@2026-03-01')
  })

  test('that cannot be found are refused with every reason', async () => {
    await using it = await given(database)
    await runDay(it.scheduler)

    await expect(
      it.scheduler.requestRedo(aPipeline(), { kind: 'select', names: ['order', 'nothing_like_it'] }, [DAY]),
    ).rejects.toMatchObject({
      code: 'REDO_REFUSED',
      message: expect.stringMatching(/did you mean `orders`\?; `nothing_like_it`/),
    })
  })
})

describe('a rebuild', () => {
  const DAYS = [DAY, NEXT_DAY, THIRD_DAY]
  const rebuild = { kind: 'rebuild', tables: ['orders'] } as const
  const runAll = async (scheduler: Awaited<ReturnType<typeof given>>['scheduler']) => {
    for (const window of DAYS) await runDay(scheduler, aPipeline(), window)
  }

  test('takes one window after the other, begins the table again with the first, and loads it when it is whole', async () => {
    await using it = await given(database)
    await runAll(it.scheduler)
    it.done.length = 0

    const requested = await it.scheduler.requestRedo(aPipeline(), rebuild)
    const records = await Promise.all(requested.map(({ runId }) => it.scheduler.waitFor(runId)))

    expect(namesOf(it.done)).toEqual([
      ...DAYS.flatMap(({ label }) => BELOW.map((name) => `${label} ${name}`)),
      '2026-03-03 load customer_totals',
    ])
    expect(
      it.done.filter((command) => 'restart' in command).map(({ window, task }) => `${window.label} ${task}`),
    ).toEqual(['2026-03-01 refine orders'])
    expect(records.map(({ state }) => state)).toEqual(['succeeded', 'succeeded', 'succeeded'])
  })

  test('stops at a window that fails, and goes on with that one when it is asked for again', async () => {
    let isBroken = true
    await using it = await given(database, {
      behave({ task, window, generation }) {
        if (isBroken && generation > 1 && task === 'refine orders' && window.label === NEXT_DAY.label)
          throw new RuleBroken('no', {})
      },
    })
    await runAll(it.scheduler)
    const ids = DAYS.map(({ label }) => `shop@${label}`)
    await it.scheduler.requestRedo(aPipeline(), rebuild)
    const stopped = await Promise.all(ids.map((id) => it.scheduler.waitFor(id)))

    expect(stopped.map(({ state }) => state)).toEqual(['succeeded', 'failed', 'cancelled'])
    expect(stopped[2]?.tasks.find(({ name }) => name === 'refine orders')).toMatchObject({
      state: 'skipped',
      reason: 'needs shop@2026-03-02, in which the same tasks were not done',
    })

    isBroken = false
    it.done.length = 0
    const requested = await it.scheduler.requestRedo(aPipeline(), rebuild)
    const records = await Promise.all(ids.map((id) => it.scheduler.waitFor(id)))

    expect(requested.map(({ created }) => created)).toEqual([false, true, true])
    expect(namesOf(it.done)).toEqual([
      ...[NEXT_DAY, THIRD_DAY].flatMap(({ label }) => BELOW.map((name) => `${label} ${name}`)),
      '2026-03-03 load customer_totals',
    ])
    expect(records.map(({ state }) => state)).toEqual(['succeeded', 'succeeded', 'succeeded'])
  })

  test('whose first window failed begins the table again when that window is asked for by itself', async () => {
    let isBroken = true
    await using it = await given(database, {
      behave({ task, generation }) {
        if (isBroken && generation > 1 && task === 'refine orders') throw new RuleBroken('no', {})
      },
    })
    await runAll(it.scheduler)
    await it.scheduler.requestRedo(aPipeline(), rebuild)
    await Promise.all(DAYS.map(({ label }) => it.scheduler.waitFor(`shop@${label}`)))
    isBroken = false
    it.done.length = 0

    for (const window of DAYS) await runDay(it.scheduler, aPipeline(), window)

    expect(namesOf(it.done)).toEqual([
      ...DAYS.flatMap(({ label }) => BELOW.map((name) => `${label} ${name}`)),
      '2026-03-03 load customer_totals',
    ])
    expect(it.done.filter((command) => 'restart' in command)).toHaveLength(1)
  })

  test('goes on after its process died, and is the same when asked for meanwhile; another is refused', async () => {
    const held = Promise.withResolvers<void>()
    await using it = await given(database, {
      behave: ({ generation, task }) => (generation > 1 && task === 'build order_totals' ? held.promise : undefined),
    })
    await runAll(it.scheduler)
    const ids = DAYS.map(({ label }) => `shop@${label}`)
    await it.scheduler.requestRedo(aPipeline(), rebuild)
    await until('a task is under way', async () => {
      const run = await it.scheduler.run(ids[0] ?? '')
      return run?.tasks.some(({ state }) => state === 'running') === true
    })

    await using other = await it.start()
    expect(await other.requestRedo(aPipeline(), rebuild)).toEqual(ids.map((runId) => ({ runId, created: false })))
    await expect(other.requestRedo(aPipeline(), { kind: 'rebuild', tables: ['customers'] })).rejects.toMatchObject({
      code: 'RUN_UNDER_WAY',
    })
    expect(await other.resume()).toEqual(ids)
    held.resolve()
    const records = await Promise.all(ids.map((id) => other.waitFor(id)))

    expect(records.map(({ state }) => state)).toEqual(['succeeded', 'succeeded', 'succeeded'])
    expect(statesOf(records[2] ?? { tasks: [] })['load customer_totals']).toBe('succeeded')
  })
})
