import { expandDiscovered, type DatabaseSource } from '@cinelake/pipeline'
import { MAX_TASK_NAME, type Run, type Task } from '@cinelake/run-store'
import { describe, expect, test } from 'vitest'
import { aPipeline } from '../../test/given.ts'
import {
  begin,
  DIGEST,
  eventsOf,
  newRun,
  NOON,
  planOf,
  worldOf,
  type MadeUpDay,
  type Verdict,
} from '../../test/simulated-day.ts'
import { decide } from './decide.ts'
import type { Input, World } from './decision.ts'

const aDay = (verdicts: Verdict[] = [], maxAttempts = 4): MadeUpDay => ({
  tasks: [
    { needs: [], verdicts },
    { needs: [0], verdicts: [] },
  ],
  tables: [],
  maxAttempts,
})
const about = (attempt = 1) => ({ task: 'task-0', generation: 1, attempt })
const after = (ms: number, world: World): World => ({ ...world, now: new Date(NOON.getTime() + ms) })
const first = (run: Run) => run.tasks.get('task-0') as Task
const failure: Input = {
  kind: 'failed',
  ...about(),
  at: NOON.toISOString(),
  worker: 'w',
  facts: { durationMs: 5, error: { code: 'AWAY', message: 'away', retryable: true, context: {} }, quality: [] },
}

describe('going on with a run', () => {
  const day = aDay()
  const world = worldOf(day)
  const unsent = decide(newRun(), [...begin(day)], world).run
  const sentAt = NOON.toISOString()

  test('sends a command that is under way again, and waits for it anew', () => {
    const sent = { ...unsent, tasks: new Map(unsent.tasks).set('task-0', { ...first(unsent), sentAt }) }

    const { run, commands } = decide(sent, [{ kind: 'resume' }], after(5000, world))

    expect(commands).toEqual([first(run)])
    expect(Date.parse(first(run).dueAt ?? '') - Date.parse(first(sent).dueAt ?? '')).toBe(5000)
  })

  test('leaves a command that was never sent as old as it is, so that the sweep finds it however often that is said', () => {
    const { run, commands } = decide(unsent, [{ kind: 'resume' }], after(5000, world))

    expect(commands).toEqual([first(unsent)])
    expect(first(run).dueAt).toBe(first(unsent).dueAt)
  })
})

describe('the wait before another try', () => {
  test.each([
    { attempt: 1, random: 0, waitMs: 1000 },
    { attempt: 2, random: 0, waitMs: 2000 },
    { attempt: 3, random: 0, waitMs: 4000 },
    { attempt: 3, random: 0.9999, waitMs: 5000 },
    { attempt: 9, random: 0, waitMs: 60_000 },
  ])('after try $attempt is $waitMs ms when chance says $random', ({ attempt, random, waitMs }) => {
    const day = aDay([], 20)
    const world = { ...worldOf(day), random: () => random }
    const inputs: Input[] = [...begin(day)]
    let run = decide(newRun(), inputs, world).run
    for (let number = 1; number < attempt; number += 1) {
      run = decide(run, [{ ...failure, attempt: number }], world).run
      run = decide(run, [{ kind: 'due', ...about(number) }], after(1e9, world)).run
    }

    const { timers } = decide(run, [{ ...failure, attempt }], world)

    expect(Date.parse(timers[0]?.dueAt ?? '') - NOON.getTime()).toBe(waitMs)
  })

  test('starts over when a failed run is asked for again', () => {
    const day = aDay(['transient', 'transient'], 2)
    const world = { ...worldOf(day), random: () => 0 }
    let { run } = decide(newRun(), [...begin(day), failure], world)
    run = decide(run, [{ kind: 'due', ...about() }], after(5000, world)).run
    run = decide(run, [{ ...failure, attempt: 2 }], world).run
    expect(run.state).toBe('failed')

    const again = decide(
      run,
      [
        { kind: 'plan', mode: 'rest', digest: DIGEST, planned: planOf(day), after: null },
        { kind: 'begin', since: new Map() },
        { ...failure, attempt: 3 },
      ],
      world,
    )

    expect(first(again.run)).toMatchObject({ state: 'retrying', attempt: 3, generation: 1 })
    expect(Date.parse(first(again.run).dueAt ?? '') - NOON.getTime()).toBe(1000)
  })

  test('a timer that goes off too early is not the time yet', () => {
    const day = aDay()
    const { run } = decide(newRun(), [...begin(day), failure], worldOf(day))

    expect(decide(run, [{ kind: 'due', ...about() }], after(999, worldOf(day))).run).toBe(run)
  })
})

describe('silence', () => {
  const timeouts = { scheduleToStartMs: 10_000, heartbeatMs: 2000 }
  const day = aDay()
  const world = { ...worldOf(day), timeouts }
  const queued = decide(newRun(), begin(day), world).run
  const [started, progressed, succeeded] = eventsOf(day, first(queued)) as [Input, Input, Input]
  const running = decide(queued, [started], world).run

  test('in the queue is a failure for good: another command would lie there as well', () => {
    expect(decide(queued, [{ kind: 'due', ...about() }], after(9999, world)).run).toBe(queued)
    expect(first(decide(queued, [{ kind: 'due', ...about() }], after(10_000, world)).run)).toMatchObject({
      state: 'failed',
      facts: { error: { code: 'TASK_NOT_TAKEN' } },
    })
  })

  test('of a worker costs it its try', () => {
    expect(first(decide(running, [{ kind: 'due', ...about() }], after(2000, world)).run)).toMatchObject({
      state: 'retrying',
      facts: { error: { code: 'TASK_SILENT' } },
    })
  })

  test('is broken by a sign of life, which is written down only when it matters', () => {
    expect(decide(running, [progressed], after(900, world)).run).toBe(running)

    const { run, timers } = decide(running, [progressed], after(1500, world))

    expect(timers).toHaveLength(1)
    expect(decide(run, [{ kind: 'due', ...about() }], after(3000, world)).run).toBe(run)
  })

  test('that ends with the news of work done is no failure: the work counts, and replaces what was noted of the try', () => {
    const silent = decide(running, [{ kind: 'due', ...about() }], after(2000, world)).run
    const queuedAgain = decide(silent, [{ kind: 'due', ...about() }], after(20_000, world)).run
    expect(first(queuedAgain)).toMatchObject({ state: 'queued', attempt: 2 })

    for (const run of [silent, queuedAgain]) {
      const late = decide(run, [succeeded], world)
      expect(first(late.run)).toMatchObject({ state: 'succeeded', attempt: 1 })
      expect(late.records).toMatchObject([{ outcome: 'succeeded', attempt: 1, late: true }])
      expect(late.commands.map((task) => task.planned.name)).toEqual(['task-1'])
    }
  })
})

test('what a task made must be what it was for', () => {
  const day = { ...aDay(), tasks: [...aDay().tasks] }
  const run = decide(newRun(), [...begin(day), ...eventsOf(day, { ...newTaskOf(day) })], worldOf(day)).run
  const [, , succeeded] = eventsOf(day, run.tasks.get('task-1') as Task) as [
    Input,
    Input,
    Extract<Input, { kind: 'succeeded' }>,
  ]

  const wrongKind: Input = {
    ...succeeded,
    facts: { ...succeeded.facts, output: { kind: 'tables', tables: [] } },
  }
  const wrongTable: Input = {
    ...succeeded,
    facts: { ...succeeded.facts, output: { kind: 'table', table: 'other', version: 0, outcome: 'committed' } },
  }
  for (const wrong of [wrongKind, wrongTable]) {
    expect(decide(run, [wrong], worldOf(day)).run.tasks.get('task-1')).toMatchObject({
      state: 'failed',
      facts: { error: { code: 'TASK_OUTPUT_UNEXPECTED' } },
    })
  }
})

test('a task that needs what is not part of the run is skipped, and the run ends', () => {
  const day = aDay()
  const [discover, build] = planOf(day)
  const planned = [
    { ...(build as NonNullable<typeof build>), needs: ['build gone'] },
    discover as NonNullable<typeof discover>,
  ]
  const { run } = decide(
    newRun(),
    [
      { kind: 'plan', mode: 'rest', digest: DIGEST, planned, after: null },
      { kind: 'begin', since: new Map() },
      { kind: 'cancel' },
    ],
    worldOf(day),
  )

  expect(run.tasks.get('task-1')?.reason).toBe('needs build gone, which is not part of the run')
  expect(run.state).toBe('cancelled')
})

function newTaskOf(day: MadeUpDay): Task {
  return first(decide(newRun(), begin(day), worldOf(day)).run)
}

test('a discovery of a table whose name no task can have fails for good, and says what to do', () => {
  const day = aDay()
  const name = 'n'.repeat(MAX_TASK_NAME + 1)
  const world = worldOf(day)
  const rules: World['rules'] = (digest) => ({
    ...world.rules(digest),
    expand: (source) => [{ name, queue: 'ingest-files', needs: [], work: { kind: 'discover', source } }],
  })
  const { run } = decide(newRun(), begin(day), world)

  const decided = decide(run, eventsOf(day, first(run)), { ...world, rules })

  expect(first(decided.run)).toMatchObject({
    state: 'failed',
    facts: { error: { code: 'TABLE_NAME_TOO_LONG' } },
  })
  expect(first(decided.run).facts.error?.message).toMatch(/at most 340 characters, got 341 .*tables\.exclude/)
  expect([...decided.run.tasks.keys()]).toEqual(['task-0', 'task-1'])
})

test('the longest names that pipelines and databases allow are names that tasks can have', () => {
  const [source, schema, table] = ['s'.repeat(63), 'c'.repeat(128), 't'.repeat(128)]
  const [, database] = aPipeline().sources
  // Two tables of which only their case differs get names that are told apart by a hash.
  const tables = [table, table.toUpperCase()].map((name) => ({ schema, name }))
  const pipeline = aPipeline({ sources: [{ ...(database as DatabaseSource), name: source, include: ['*'] }] })

  const lengths = expandDiscovered(pipeline, source, tables).map(({ name }) => name.length)

  expect(Math.max(...lengths)).toBe(337)
  expect(Math.max(...lengths)).toBeLessThanOrEqual(MAX_TASK_NAME)
})
