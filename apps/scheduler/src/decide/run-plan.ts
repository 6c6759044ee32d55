import type { PlannedTask } from '@cinelake/contracts'
import { isRunFinished, type Run, type Task } from '@cinelake/run-store'
import type { PipelineRules, PlanInput } from './decision.ts'
import { newTask } from './task-step.ts'

/**
 * Plans the requested tasks of a run, which then waits to start. A run in progress is left as it is.
 *
 * - `rest`: tasks that succeeded stay done, unless their landed data is gone; all others are reset with new attempts.
 *   Under another text of the pipeline, a task that was tried before gets a new generation, since its writes may differ
 *   from those of the earlier attempts.
 * - `again`: the whole window, in a new generation; tables are discovered again.
 * - `redo`: the named tasks, in a new generation; the others keep their results, or the lack of them.
 */
export function replan(run: Run, input: PlanInput, rules: PipelineRules, now: Date): Run {
  if (!isRunFinished(run) && run.tasks.size > 0) return run

  const tasks = TASKS[input.mode](run, input, rules)
  return {
    ...run,
    redo: input.mode === 'rest' ? run.redo : (input.redo ?? null),
    digest: input.digest,
    state: 'waiting',
    after: input.after,
    requestedAt: now.toISOString(),
    startedAt: null,
    finishedAt: null,
    tasks,
  }
}

/**
 * Fills in where incremental tasks resume: once, before their first attempt, so that every attempt reads the same rows.
 */
export function withSince(run: Run, since: ReadonlyMap<string, string>): Run {
  const tasks = [...run.tasks].map(([name, task]) => {
    const { work } = task.planned
    const isNew = task.attempt === 0 && task.generation === 1
    if (work.kind !== 'ingest' || !work.incremental || !isNew) return [name, task] as const
    return [name, { ...task, since: since.get(name) ?? null }] as const
  })
  return { ...run, tasks: new Map(tasks) }
}

const TASKS = { rest: unfinishedAgain, again: allAgain, redo: someAgain }

/** A generation above all earlier ones: the tasks of one request share it, whatever theirs were. */
function nextGeneration({ tasks }: Run): number {
  return Math.max(0, ...[...tasks.values()].map((task) => task.generation)) + 1
}

function allAgain(run: Run, { planned }: PlanInput, { retry }: PipelineRules): Map<string, Task> {
  // One for all: a table that failed in a higher generation may be discovered again.
  const generation = nextGeneration(run)
  return new Map(
    planned.map((task, position) => {
      const fresh = newTask(task, position, generation, retry)
      return [task.name, { ...fresh, since: run.tasks.get(task.name)?.since ?? null }]
    }),
  )
}

function someAgain(run: Run, input: PlanInput, rules: PipelineRules): Map<string, Task> {
  const generation = nextGeneration(run)
  const chosen = new Set(input.redo?.tasks)
  const tasks = new Map<string, Task>()
  for (const planned of [...input.planned, ...discovered(run, input.planned, rules.expand)]) {
    const before = run.tasks.get(planned.name)
    const position = tasks.size
    if (chosen.has(planned.name)) {
      const fresh = newTask(planned, position, before === undefined ? 1 : generation, rules.retry)
      const restart = input.restart?.has(planned.name) === true
      tasks.set(planned.name, { ...fresh, since: before?.since ?? null, restart })
    } else if (before !== undefined) tasks.set(planned.name, keptUnder(run, { ...before, planned, position }))
  }
  return tasks
}

/** A kept result was made under the text that the run had, unless it says otherwise. */
function keptUnder({ digest }: Run, task: Task): Task {
  return task.state === 'succeeded' && task.digest === null ? { ...task, digest } : task
}

function unfinishedAgain(run: Run, input: PlanInput, rules: PipelineRules): Map<string, Task> {
  const otherText = input.digest !== run.digest
  const lost = lostLandings(run)
  const tasks = new Map<string, Task>()
  for (const planned of [...input.planned, ...discovered(run, input.planned, rules.expand)]) {
    const before = run.tasks.get(planned.name)
    const task =
      before === undefined
        ? newTask(planned, 0, 1, rules.retry)
        : lost.has(planned.name)
          ? landAgain(before, planned, rules)
          : goAgain(keptUnder(run, before), planned, otherText, rules)
    const position = tasks.size
    tasks.set(planned.name, task.position === position ? task : { ...task, position })
  }
  return tasks
}

/** The tasks of the tables that a discovery has already found. */
export function discovered(run: Run, planned: readonly PlannedTask[], expand: PipelineRules['expand']): PlannedTask[] {
  const known = new Set(planned.map((task) => task.name))
  const found = planned.flatMap(({ name, work }) => {
    const output = run.tasks.get(name)?.facts.output
    if (work.kind !== 'discover' || output?.kind !== 'tables') return []
    return expand(work.source, output.tables)
  })
  return found.filter((task) => !known.has(task.name))
}

/** Error codes of tasks that find landed data to be gone or damaged. */
const LANDING_LOST = new Set(['RAW_LOST', 'RAW_DAMAGED', 'LAKE_MANIFEST_CORRUPT'])

/** Ingest tasks that succeeded but whose landed data no longer matches their report. */
function lostLandings(run: Run): ReadonlySet<string> {
  const lost = new Set<string>()
  for (const { planned, facts, state } of run.tasks.values()) {
    if (state !== 'failed' || !LANDING_LOST.has(facts.error?.code ?? '')) continue
    for (const name of [planned.name, ...planned.needs]) {
      if (run.tasks.get(name)?.planned.work.kind === 'ingest') lost.add(name)
    }
  }
  return lost
}

/** Under its own generation, so that remains of the earlier landing do not conflict. */
function landAgain(before: Task, planned: PlannedTask, { retry }: PipelineRules): Task {
  return { ...newTask(planned, before.position, before.generation + 1, retry), since: before.since }
}

function goAgain(before: Task, planned: PlannedTask, otherText: boolean, { retry }: PipelineRules): Task {
  if (before.state === 'succeeded') return otherText ? { ...before, planned } : before
  const { since, restart } = before
  const fresh = { ...newTask(planned, before.position, before.generation, retry), since, restart }
  if (otherText && before.attempt > 0) return { ...fresh, generation: before.generation + 1 }
  return { ...fresh, attempt: before.attempt, attemptLimit: before.attempt + retry.maxAttempts }
}
