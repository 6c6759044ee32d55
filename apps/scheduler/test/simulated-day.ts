import type { PlannedTask, TaskOutput } from '@cinelake/contracts'
import type { ErrorReport } from '@cinelake/core'
import type { Run, Task } from '@cinelake/run-store'
import { decide } from '../src/decide/decide.ts'
import type { Decision, Input, PipelineRules, TaskInput, World } from '../src/decide/decision.ts'

/** The outcome of an attempt. From the first `ok` on, the work is done and every further attempt is `ok` as well. */
export type Verdict = 'ok' | 'transient' | 'terminal' | 'unbalanced'

/** A task of a generated plan: its dependencies by index of earlier tasks, and the outcomes of its attempts in turn. */
export type MadeUpTask = { readonly needs: readonly number[]; readonly verdicts: readonly Verdict[] }

/** The first task discovers tables; each table adds a task of its own. */
export type MadeUpDay = {
  readonly tasks: readonly MadeUpTask[]
  readonly tables: readonly Verdict[][]
  readonly maxAttempts: number
}

export const DIGEST = 'a'.repeat(64)
export const NOON = new Date('2026-03-02T12:00:00Z')
const TIMEOUTS = { scheduleToStartMs: 1e9, heartbeatMs: 1e9 }

export function planOf(day: MadeUpDay): PlannedTask[] {
  return day.tasks.map((task, index) => ({
    name: nameOf(index),
    queue: 'transformer',
    needs: [...new Set(task.needs.filter((need) => need < index))].map(nameOf),
    work: index === 0 ? { kind: 'discover', source: 'billing' } : { kind: 'build', model: nameOf(index), inputs: [] },
  }))
}

function rulesOf(day: MadeUpDay): PipelineRules {
  return {
    retry: { maxAttempts: day.maxAttempts, backoffMs: 1000, maxBackoffMs: 60_000 },
    expand: (_source, tables) =>
      tables.map(({ name }) => ({
        name,
        queue: 'transformer',
        needs: [nameOf(0)],
        work: { kind: 'build', model: name, inputs: [] },
      })),
  }
}

export function worldOf(day: MadeUpDay, now = NOON): World {
  return { now, random: () => 0.5, timeouts: TIMEOUTS, rules: () => rulesOf(day) }
}

export function newRun(): Run {
  return {
    id: 'made-up@2026-03-01',
    pipeline: 'made-up',
    digest: DIGEST,
    window: { start: '2026-03-01T00:00:00Z', end: '2026-03-02T00:00:00Z', label: '2026-03-01' },
    state: 'waiting',
    after: null,
    requestedAt: NOON.toISOString(),
    startedAt: null,
    finishedAt: null,
    redo: null,
    tasks: new Map(),
  }
}

export function begin(day: MadeUpDay): Input[] {
  return [
    { kind: 'plan', mode: 'rest', digest: DIGEST, planned: planOf(day), after: null },
    { kind: 'begin', since: new Map() },
  ]
}

/** The expected result of the day, computed without a scheduler. */
export function expectedStates(day: MadeUpDay): Record<string, Task['state']> {
  const states: Record<string, Task['state']> = {}
  for (const [index, { needs, verdicts }] of day.tasks.entries()) {
    const isReady = needs.filter((need) => need < index).every((need) => states[nameOf(need)] === 'succeeded')
    states[nameOf(index)] = isReady ? stateAfter(verdicts, day.maxAttempts) : 'skipped'
  }
  if (states[nameOf(0)] === 'succeeded') {
    for (const [index, verdicts] of day.tables.entries()) states[tableOf(index)] = stateAfter(verdicts, day.maxAttempts)
  }
  return states
}

function verdictOf(day: MadeUpDay, task: string, attempt: number): Verdict {
  const index = Number(task.slice(task.indexOf('-') + 1))
  const verdicts = (task.startsWith('table-') ? day.tables[index] : day.tasks[index]?.verdicts) ?? []
  const done = verdicts.slice(0, attempt).includes('ok')
  return done ? 'ok' : (verdicts[attempt - 1] ?? 'ok')
}

/** The events that a worker sends about one attempt. */
export function eventsOf(day: MadeUpDay, task: Task): TaskInput[] {
  const { name } = task.planned
  const about = { task: name, generation: task.generation, attempt: task.attempt }
  const by = { at: NOON.toISOString(), worker: 'worker' }
  const started: TaskInput = { kind: 'started', ...about, ...by }
  const verdict = verdictOf(day, name, task.attempt)
  if (verdict === 'ok' || verdict === 'unbalanced') {
    const balance = { unit: 'rows', in: 10, out: verdict === 'ok' ? 9 : 8, rejected: 1, duplicates: 0 } as const
    const facts = { durationMs: 5, balance, rejects: { rule: 1 }, quality: [], output: outputOf(day, task) }
    return [started, { kind: 'progressed', ...about }, { kind: 'succeeded', ...about, ...by, facts }]
  }
  const error: ErrorReport = {
    code: verdict.toUpperCase(),
    message: verdict,
    retryable: verdict === 'transient',
    context: {},
  }
  return [started, { kind: 'failed', ...about, ...by, facts: { durationMs: 5, error, quality: [] } }]
}

export type Simulated = { readonly run: Run; readonly decisions: readonly Decision[]; readonly before: readonly Run[] }

/** Remaining faults of a simulation: duplicated messages, and lost ones. */
const MAX_FAULTS = 12

/**
 * Runs a day with messages in an order that `choose` picks: commands and events late, duplicated, or lost and recovered
 * by a restart. `choose(n)` is in [0, n); always 0 means no faults and in order.
 */
export function simulate(day: MadeUpDay, choose: (count: number) => number): Simulated {
  const decisions: Decision[] = []
  const before: Run[] = []
  let run = newRun()
  let commands: Task[] = []
  let events: TaskInput[] = []
  let faults = 0
  let isSomethingLost = false
  let now = NOON

  const give = (inputs: readonly Input[]) => {
    before.push(run)
    const decision = decide(run, inputs, worldOf(day, now))
    decisions.push(decision)
    run = decision.run
    for (const task of decision.commands) commands.push(task)
  }

  give(begin(day))
  for (let steps = 0; steps < 10_000; steps += 1) {
    const retrying = [...run.tasks.values()].filter((task) => task.state === 'retrying')
    const moves: (() => void)[] = []
    for (const event of events) {
      moves.push(() => {
        events = events.filter((other) => other !== event)
        give([event])
      })
    }
    for (const command of commands) {
      moves.push(() => {
        commands = commands.filter((other) => other !== command)
        events.push(...eventsOf(day, command))
      })
    }
    for (const task of retrying) {
      moves.push(() => {
        now = new Date(Math.max(now.getTime(), Date.parse(task.dueAt ?? '')))
        give([{ kind: 'due', task: task.planned.name, generation: task.generation, attempt: task.attempt }])
      })
    }
    if (moves.length > 0 && faults < MAX_FAULTS) {
      for (const event of events) {
        moves.push(() => (faults++, give([event])))
        moves.push(() => (faults++, (isSomethingLost = true), (events = events.filter((other) => other !== event))))
      }
      for (const command of commands) {
        moves.push(() => (faults++, void events.push(...eventsOf(day, command))))
        moves.push(
          () => (faults++, (isSomethingLost = true), (commands = commands.filter((other) => other !== command))),
        )
      }
      if (events.length > 1) moves.push(() => (faults++, give(events), (events = [])))
    }
    if (moves.length === 0) {
      if (!isSomethingLost) break
      isSomethingLost = false
      give([{ kind: 'resume' }])
      continue
    }
    moves[choose(moves.length)]?.()
  }
  return { run, decisions, before }
}

function stateAfter(verdicts: readonly Verdict[], maxAttempts: number): Task['state'] {
  for (let attempt = 1; attempt <= maxAttempts; attempt += 1) {
    const verdict = verdicts[attempt - 1] ?? 'ok'
    if (verdict === 'ok') return 'succeeded'
    if (verdict !== 'transient') return 'failed'
  }
  return 'failed'
}

function outputOf(day: MadeUpDay, task: Task): TaskOutput {
  if (task.planned.work.kind === 'discover') {
    // A table may be listed twice: by two patterns, or by a system that has two schemas of one name.
    const names = day.tables.map((_, index) => tableOf(index))
    return { kind: 'tables', tables: [...names, ...names].map((name) => ({ schema: 'public', name })) }
  }
  return { kind: 'table', table: task.planned.name, version: 0, outcome: 'committed' }
}

const nameOf = (index: number) => `task-${index}`
const tableOf = (index: number) => `table-${index}`
