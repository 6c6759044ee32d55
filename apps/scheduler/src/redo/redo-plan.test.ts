import type { CommandKind, TaskOutput } from '@cinelake/contracts'
import type { Window } from '@cinelake/core'
import { expandDiscovered, planRun, type CheckedModel, type CheckedPipeline } from '@cinelake/pipeline'
import type { Run, Task, TaskState } from '@cinelake/run-store'
import { describe, expect, test } from 'vitest'
import { aPipeline } from '../../test/given.ts'
import { newTask } from '../decide/task-step.ts'
import { planRedo, type RedoAsked, type RedoPlan } from './redo-plan.ts'

const day = (number: number): Window => {
  const label = (of: number) => `2026-03-${String(of).padStart(2, '0')}`
  return { start: `${label(number)}T00:00:00Z`, end: `${label(number + 1)}T00:00:00Z`, label: label(number) }
}

const OUTPUTS: Readonly<Record<CommandKind, TaskOutput | null>> = {
  discover: { kind: 'tables', tables: [{ schema: 'public', name: 'plans' }] },
  ingest: { kind: 'landed', manifest: 'm.json', fileCount: 3, sizeBytes: 1 },
  refine: null,
  build: null,
  load: null,
  deliver: null,
}

/** A run of a day in which every task has succeeded, but for those that are named. */
function aRun(number: number, pipeline: CheckedPipeline, states: Readonly<Record<string, TaskState>> = {}): Run {
  const window = day(number)
  const planned = [
    ...planRun(pipeline),
    ...expandDiscovered(pipeline, 'billing', [{ schema: 'public', name: 'plans' }]),
  ]
  const tasks = planned.map((task, position): [string, Task] => {
    const state = states[task.name] ?? 'succeeded'
    const finishedAt = '2026-04-10T05:00:00.000Z'
    const output = state === 'succeeded' ? OUTPUTS[task.work.kind] : null
    const facts = output === null ? {} : { output }
    return [task.name, { ...newTask(task, position, 1, pipeline.retry), state, facts, finishedAt }]
  })
  return {
    id: `shop@${window.label}`,
    pipeline: 'shop',
    digest: 'before',
    window,
    state: 'succeeded',
    after: null,
    requestedAt: '2026-04-10T05:00:00.000Z',
    startedAt: null,
    finishedAt: null,
    redo: null,
    tasks: new Map(tasks),
  }
}

type Given = {
  readonly asked: RedoAsked
  readonly days?: readonly number[]
  readonly of?: readonly number[]
  readonly before?: CheckedPipeline
  readonly after?: CheckedPipeline
  readonly states?: Readonly<Record<number, Readonly<Record<string, TaskState>>>>
  readonly lost?: boolean
}

/** @param given `of`: the days that were run; `days`: those that are asked for */
function planned({
  asked,
  days = [1],
  of = [1],
  before = aPipeline(),
  after = before,
  states = {},
  lost,
}: Given): RedoPlan {
  const runs = new Map(of.map((number) => [day(number).label, aRun(number, before, states[number])]))
  return planRedo({
    pipeline: after,
    asked,
    windows: days.length === 0 ? undefined : days.map(day),
    runs,
    everDone: (run, task) =>
      [...runs.values()].some(({ id, tasks }) => id === run && tasks.get(task)?.state === 'succeeded'),
    textOf: () => (lost === true ? undefined : before),
  })
}

const doneIn = (plan: RedoPlan, at = 0) =>
  plan.windows[at]?.tasks.filter(({ action }) => action === 'do').map(({ name }) => name) ?? []
const reasonOf = (plan: RedoPlan, name: string, at = 0) =>
  plan.windows[at]?.tasks.find((task) => task.name === name)?.reason
const restartsIn = (plan: RedoPlan) =>
  plan.windows.flatMap(({ window, tasks }) =>
    tasks.filter(({ restart }) => restart).map(({ name }) => `${window.label} ${name}`),
  )

const changing = (name: string, change: Partial<CheckedModel>, pipeline = aPipeline()): CheckedPipeline => ({
  ...pipeline,
  models: pipeline.models.map((model) => (model.name === name ? { ...model, ...change } : model)),
})
const withRule = (pipeline = aPipeline()): CheckedPipeline => ({
  ...pipeline,
  datasets: pipeline.datasets.map((dataset) =>
    dataset.name === 'orders'
      ? {
          ...dataset,
          contract: {
            ...dataset.contract,
            rowRules: [{ name: 'positive', severity: 'error' as const, expression: 'id > 0' }],
          },
        }
      : dataset,
  ),
})

describe('what depends on a change', () => {
  test('of a model are it, what reads it and what is loaded of that; the rest is kept', () => {
    const plan = planned({
      asked: { kind: 'changed' },
      after: changing('order_totals', { sql: 'SELECT 1 AS id FROM orders' }),
    })

    expect(plan.windows[0]?.changed).toEqual(['models/order_totals.sql'])
    expect(doneIn(plan)).toEqual(['build order_totals', 'build customer_totals', 'load customer_totals'])
    expect(reasonOf(plan, 'build order_totals')).toBe('models/order_totals.sql changed')
    expect(reasonOf(plan, 'build customer_totals')).toBe('depends on build order_totals')
    expect(reasonOf(plan, 'ingest drops/orders')).toBe('landed')
    expect(restartsIn(plan)).toEqual([])
  })

  test('of a contract are what is refined by it and all below; nothing is landed or discovered', () => {
    const plan = planned({ asked: { kind: 'changed' }, after: withRule() })

    expect(plan.windows[0]?.changed).toEqual(['contracts/orders.yaml'])
    expect(doneIn(plan)).toEqual([
      'refine orders',
      'build order_totals',
      'build customer_totals',
      'load customer_totals',
    ])
  })

  test('are not the tasks that it took out of the pipeline: those that are not done are dropped', () => {
    const before = aPipeline()
    const after = {
      ...before,
      models: before.models.filter(({ name }) => name !== 'customer_totals'),
      serve: before.serve.filter(({ table }) => table !== 'customer_totals'),
    }
    const states = { 1: { 'build customer_totals': 'failed', 'load customer_totals': 'skipped' } } as const
    const plan = planned({ asked: { kind: 'changed' }, before, after, states })

    expect(doneIn(plan)).toEqual([])
    expect(plan.windows[0]?.tasks.filter(({ action }) => action === 'drop')).toMatchObject([
      { name: 'build customer_totals', reason: 'failed, no longer in the pipeline' },
      { name: 'load customer_totals', reason: 'skipped, no longer in the pipeline' },
    ])
    expect(planned({ asked: { kind: 'changed' }, before, after }).windows[0]?.tasks).not.toContainEqual(
      expect.objectContaining({ action: 'drop' }),
    )
  })

  test('of a description is nothing', () => {
    const pipeline = aPipeline()
    const after = changing('order_totals', { description: 'Totals.' }, { ...pipeline, description: 'Shop.' })

    expect(planned({ asked: { kind: 'changed' }, after }).windows[0]).toMatchObject({ changed: [], needsSource: [] })
  })

  test('of what is read from a source is told, with what reads it again', () => {
    const pipeline = aPipeline()
    const sources = pipeline.sources.map((source) =>
      source.type === 'files'
        ? {
            ...source,
            datasets: source.datasets.map((one) => (one.name === 'orders' ? { ...one, files: '*.csv' } : one)),
          }
        : source,
    )
    const plan = planned({ asked: { kind: 'changed' }, after: { ...pipeline, sources } })

    expect(plan.windows[0]).toMatchObject({
      changed: ['pipeline.yaml (sources.drops.datasets.orders)'],
      needsSource: ['drops/orders'],
    })
    expect(doneIn(plan)).toEqual([])
    expect(reasonOf(plan, 'ingest drops/orders')).toMatch(/needs the source: --again, or --select 'drops\/orders\+'/)
  })

  test('of a served table is not the load of a window after which a later one has loaded it', () => {
    const before = aPipeline()
    const pipeline = { ...before, serve: before.serve.map((served) => ({ ...served, as: 'totals' })) }
    const changedOf = (loaded: number, looked: number) => {
      const runs = [1, 2].map((number) => ({
        ...aRun(number, before),
        digest: number === loaded ? 'after' : 'before',
      }))
      const plan = planRedo({
        pipeline,
        asked: { kind: 'changed' },
        windows: [day(looked)],
        runs: new Map(runs.map((run) => [run.window.label, run])),
        everDone: () => true,
        textOf: (digest) => (digest === 'after' ? pipeline : before),
      })
      return plan.windows[0]?.changed
    }

    expect(changedOf(2, 1)).toEqual([])
    expect(changedOf(1, 2)).toEqual(['pipeline.yaml (serve.customer_totals)'])
  })

  test('of a served table alone is its load', () => {
    const pipeline = aPipeline()
    const serve = pipeline.serve.map((served) => ({ ...served, as: 'totals' }))
    const plan = planned({ asked: { kind: 'changed' }, after: { ...pipeline, serve } })

    expect(plan.windows[0]?.changed).toEqual(['pipeline.yaml (serve.customer_totals)'])
    expect(doneIn(plan)).toEqual(['load customer_totals'])
  })

  test('are a model that is new, and what is not done yet', () => {
    const pipeline = aPipeline()
    const [model] = pipeline.models
    const after = {
      ...pipeline,
      models: [...pipeline.models, { ...model, name: 'extra', inputs: ['payments'] } as CheckedModel],
    }
    const plan = planned({ asked: { kind: 'changed' }, after, states: { 1: { 'load customer_totals': 'failed' } } })

    expect(plan.windows[0]).toMatchObject({ changed: [], added: ['models/extra.sql'] })
    expect(doneIn(plan)).toEqual(['build extra', 'load customer_totals'])
  })

  test('is everything made from raw where the text of before is gone', () => {
    const plan = planned({ asked: { kind: 'changed' }, lost: true })

    expect(doneIn(plan).filter((name) => /^(ingest|discover)/.test(name))).toEqual([])
    expect(doneIn(plan)).toContain('refine billing_plans')
  })
})

describe('tasks that are named', () => {
  test.each([
    [['order_totals'], ['build order_totals']],
    [['order_totals+'], ['build order_totals', 'build customer_totals', 'load customer_totals']],
    [
      ['drops/orders+'],
      ['ingest drops/orders', 'refine orders', 'build order_totals', 'build customer_totals', 'load customer_totals'],
    ],
    [['+orders'], ['ingest drops/orders', 'refine orders']],
    [
      ['orders', 'load customer_totals'],
      ['refine orders', 'load customer_totals'],
    ],
    [['billing_plans'], ['refine billing_plans']],
  ])('%j are %j', (names, expected) => {
    const plan = planned({ asked: { kind: 'select', names } })
    expect(plan.problems).toEqual([])
    expect(doneIn(plan).toSorted()).toEqual(expected.toSorted())
  })

  test('bring along what they need and was never done', () => {
    const states = { 1: { 'ingest drops/orders': 'failed', 'refine orders': 'skipped' } as const }
    const plan = planned({ asked: { kind: 'select', names: ['order_totals'] }, states })

    expect(doneIn(plan)).toEqual(['ingest drops/orders', 'refine orders', 'build order_totals'])
    expect(reasonOf(plan, 'refine orders')).toBe('needed by build order_totals, and not done yet')
  })

  test('that are not there are answered with what may have been meant', () => {
    expect(planned({ asked: { kind: 'select', names: ['order_total'] } }).problems).toEqual([
      '`order_total` is no dataset, model, served table or source/dataset: did you mean `order_totals`?',
    ])
  })

  test('of a window that was never run are refused', () => {
    expect(planned({ asked: { kind: 'select', names: ['orders'] }, days: [4] }).problems).toEqual([
      'shop@2026-03-04 was never run: run it whole first',
    ])
  })

  test('from raw are all but what reads the sources', () => {
    const plan = planned({ asked: { kind: 'from-raw' } })

    expect(doneIn(plan).some((name) => /^(ingest|discover)/.test(name))).toBe(false)
    expect(reasonOf(plan, 'refine orders')).toBe('from raw: landed 2026-04-10, 3 files')
  })
})

describe('a table begins again', () => {
  test('when all of its windows are done again and what it holds depends on what it held', () => {
    const plan = planned({ asked: { kind: 'changed' }, after: withRule(), of: [1, 2], days: [2, 1] })

    expect(restartsIn(plan)).toEqual(['2026-03-01 refine orders'])
    expect(plan).toMatchObject({ isOrdered: true, notes: [] })
    expect(doneIn(plan, 0)).not.toContain('load customer_totals')
    expect(reasonOf(plan, 'load customer_totals', 0)).toBe('loaded with 2026-03-02, when the table is whole')
    expect(doneIn(plan, 1)).toContain('load customer_totals')
  })

  test('not when others of its windows stay, which is told', () => {
    const plan = planned({ asked: { kind: 'changed' }, after: withRule(), of: [1, 2, 3], days: [3] })

    expect(restartsIn(plan)).toEqual([])
    expect(plan.notes).toEqual([
      'orders keeps what 2 other windows brought as they were; `cinelake rebuild DIR orders` applies all of them again',
    ])
  })

  test('with the tables that feed one that keeps what it held, since it needs their state of each window', () => {
    const before = changing('customer_totals', { materialization: 'history', key: ['id'] })
    const after = changing('order_totals', { sql: 'SELECT 2 AS id FROM orders' }, before)
    const plan = planned({ asked: { kind: 'changed' }, before, after, of: [1, 2], days: [1, 2] })

    expect(restartsIn(plan)).toEqual(['2026-03-01 build order_totals', '2026-03-01 build customer_totals'])
  })
})

describe('a rebuild', () => {
  test('goes over all windows that have landed, oldest first, without touching a source', () => {
    const states = {
      2: {
        'ingest drops/orders': 'failed',
        'refine orders': 'skipped',
        'build order_totals': 'skipped',
        'build customer_totals': 'skipped',
        'load customer_totals': 'skipped',
      } as const,
    }
    const plan = planned({ asked: { kind: 'rebuild', tables: ['orders'] }, days: [], of: [3, 1, 2], states })

    expect(plan.problems).toEqual([])
    expect(plan.windows.map(({ window }) => window.label)).toEqual(['2026-03-01', '2026-03-02', '2026-03-03'])
    expect(doneIn(plan, 0)).toEqual(['refine orders', 'build order_totals', 'build customer_totals'])
    expect(doneIn(plan, 1)).toEqual([])
    expect(doneIn(plan, 2)).toEqual([
      'refine orders',
      'build order_totals',
      'build customer_totals',
      'load customer_totals',
    ])
    expect(reasonOf(plan, 'refine orders', 1)).toBe('needs ingest drops/orders, of which nothing has landed')
    expect(restartsIn(plan)).toEqual(['2026-03-01 refine orders'])
  })

  test('begins what depends on the table again where it is lost and made whole in each window', () => {
    const history = changing('customer_totals', { materialization: 'history', key: ['id'] })
    const ifLost = (plan: RedoPlan) =>
      plan.windows.flatMap(({ window, tasks }) =>
        tasks.filter((task) => task.restartIfLost).map(({ name }) => `${window.label} ${name}`),
      )
    const asked = { kind: 'rebuild', tables: ['orders'] } as const

    expect(ifLost(planned({ asked, days: [], of: [1, 2] }))).toEqual([
      '2026-03-01 build order_totals',
      '2026-03-01 build customer_totals',
      '2026-03-02 build order_totals',
      '2026-03-02 build customer_totals',
    ])
    expect(ifLost(planned({ asked, days: [], of: [1, 2], before: history }))).not.toContain(
      '2026-03-02 build customer_totals',
    )
    expect(ifLost(planned({ asked, days: [2], of: [1, 2] }))).toEqual([])
    expect(ifLost(planned({ asked: { kind: 'from-raw' }, of: [1], days: [1] }))).toEqual([])
  })

  test('of a model begins that again whatever it is, and leaves its inputs', () => {
    const plan = planned({ asked: { kind: 'rebuild', tables: ['customer_totals'] }, days: [], of: [1, 2] })

    expect(doneIn(plan, 1)).toEqual(['build customer_totals', 'load customer_totals'])
    expect(restartsIn(plan)).toEqual(['2026-03-01 build customer_totals'])
  })

  test('of no table in particular is one of all that were made', () => {
    const plan = planned({ asked: { kind: 'rebuild', tables: [] }, days: [], of: [1] })

    expect(doneIn(plan).filter((name) => /^(refine|build)/.test(name))).toEqual([
      'refine orders',
      'refine customers',
      'refine payments',
      'build order_totals',
      'build customer_totals',
      'refine billing_plans',
    ])
    expect(restartsIn(plan)).toHaveLength(6)
  })

  test('of windows of which rows are in the table and the raw is not is refused, naming them', () => {
    const pipeline = aPipeline()
    const runs = new Map([1, 2].map((number) => [day(number).label, aRun(number, pipeline)]))
    const [, second] = [...runs.values()]
    const ingest = second?.tasks.get('ingest drops/orders')
    if (second === undefined || ingest === undefined) throw new Error('there is a second day')
    const failed = new Map(second.tasks).set('ingest drops/orders', { ...ingest, state: 'failed' })
    runs.set(second.window.label, { ...second, tasks: failed })

    const plan = planRedo({
      pipeline,
      asked: { kind: 'rebuild', tables: ['orders'] },
      windows: undefined,
      runs,
      everDone: () => true,
      textOf: () => pipeline,
    })

    expect(plan.problems).toEqual([
      'orders: it holds rows of 2026-03-02, and not all that they are made of is there: run these first',
    ])
  })

  const rebuilt = (before: CheckedPipeline, table: string, days: readonly number[]) =>
    planned({ asked: { kind: 'rebuild', tables: [table] }, before, of: [1, 2, 3], days })

  test('of a part applies these windows onto what is there, where order does not matter', () => {
    const plan = rebuilt(aPipeline(), 'orders', [2])

    expect(plan.problems).toEqual([])
    expect(restartsIn(plan)).toEqual([])
    expect(plan.notes).toContainEqual(expect.stringMatching(/^orders keeps what 2 other windows brought/))
  })

  test.each([
    ['merge', [1, 2], /an older window would come after 2026-03-03/],
    ['history', [2, 3], /written from the first window on/],
  ] as const)('of a part of a model by %s is refused where order matters', (materialization, days, why) => {
    const before = changing('order_totals', { materialization, key: ['id'] })

    expect(rebuilt(before, 'order_totals', days).problems).toEqual([expect.stringMatching(why)])
  })

  test('of a part up to the newest window is fine for a merged model', () => {
    const before = changing('order_totals', { materialization: 'merge', key: ['id'] })

    expect(rebuilt(before, 'order_totals', [2, 3]).problems).toEqual([])
  })

  test('of a table that is not there says what may have been meant', () => {
    expect(rebuilt(aPipeline(), 'order', []).problems).toEqual([expect.stringMatching(/did you mean `orders`/)])
  })
})
