import type { PlannedTask, SuccessFacts, TaskFacts, TaskOutput } from '@cinelake/contracts'
import { balanceErrors, balanceHolds, reportError, type ErrorReport } from '@cinelake/core'
import type { RetryPolicy } from '@cinelake/pipeline'
import { isTaskFinished, type Run, type Task, type TryRecord } from '@cinelake/run-store'
import type { FailedInput, StartedInput, SucceededInput, TaskInput, World } from './decision.ts'
import { discoveryError, outputError, silenceError } from '../errors.ts'

/** Applies an input to its task; no effect when it is late, a duplicate, or about an unknown task. */
export function stepTask(run: Run, input: TaskInput, world: World, records: TryRecord[]): Run {
  const task = run.tasks.get(input.task)
  if (task === undefined || !concerns(input, task)) return run

  const { retry } = world.rules(run.digest)
  switch (input.kind) {
    case 'started':
      return withTask(run, started(task, input, world))
    case 'progressed':
      return isNearlyDue(task, world)
        ? withTask(run, { ...task, dueAt: waitUntil(world, world.timeouts.heartbeatMs) })
        : run
    case 'succeeded':
      return succeeded(run, task, input, world, records)
    case 'failed':
      return withTask(run, failed(task, input, retry, world, records))
    case 'refused':
      return withTask(run, failed(task, unattended(task, input, world), retry, world, records))
    default:
      return withTask(run, due(task, retry, world, records))
  }
}

/** Puts the task's next attempt in the outbox. */
export function queue(task: Task, world: World): Task {
  return {
    ...task,
    state: 'queued',
    attempt: task.attempt + 1,
    sentAt: null,
    worker: null,
    startedAt: null,
    finishedAt: null,
    facts: errorOf(task.facts),
    dueAt: waitUntil(world, world.timeouts.scheduleToStartMs),
  }
}

export function skip(task: Task, reason: string, now: Date): Task {
  return { ...task, state: 'skipped', reason, finishedAt: now.toISOString(), dueAt: null }
}

export function waitUntil(world: World, ms: number): string {
  return new Date(world.now.getTime() + ms).toISOString()
}

function concerns(input: TaskInput, task: Task): boolean {
  if (input.generation !== task.generation || task.state === 'waiting' || isTaskFinished(task)) return false
  // Work is durable and keyed by generation: a success of any attempt counts.
  if (input.kind === 'succeeded') return input.attempt <= task.attempt
  return input.attempt === task.attempt && (task.state !== 'retrying' || input.kind === 'due')
}

function started(task: Task, input: StartedInput, world: World): Task {
  const dueAt = waitUntil(world, world.timeouts.heartbeatMs)
  return { ...task, state: 'running', worker: input.worker, startedAt: task.startedAt ?? input.at, dueAt }
}

/** Whether enough of the heartbeat timeout has passed that a heartbeat is worth writing down. */
function isNearlyDue(task: Task, { now, timeouts }: World): boolean {
  return task.dueAt !== null && Date.parse(task.dueAt) - now.getTime() < timeouts.heartbeatMs / 2
}

function succeeded(run: Run, task: Task, input: SucceededInput, world: World, records: TryRecord[]): Run {
  const { facts } = input
  const added = discovered(run, task, facts.output, world)
  const wrong = whatIsWrong(task, facts, added)
  if (wrong !== undefined) {
    // Its rows and results are not reliable.
    const { balance: _balance, rejects: _rejects, output: _output, ...rest } = facts
    const failure = { ...input, facts: { ...rest, error: wrong } }
    return withTask(run, failed(task, failure, world.rules(run.digest).retry, world, records))
  }
  const done: Task = {
    ...task,
    state: 'succeeded',
    // The attempt that succeeded, which need not be the last one: its rejects and quality results are the task's.
    attempt: input.attempt,
    worker: input.worker,
    startedAt: startOf(task, input),
    finishedAt: input.at,
    dueAt: null,
    facts,
    digest: run.digest,
  }
  records.push({ ...recordOf(done, input), outcome: 'succeeded', late: isLate(task, input.attempt) })
  return withAdded(withTask(run, done), done, added, world)
}

function whatIsWrong(
  task: Task,
  { balance, output }: SuccessFacts,
  added: readonly PlannedTask[],
): ErrorReport | undefined {
  if (!balanceHolds(balance))
    return reportError(
      balanceErrors.BALANCE_BROKEN(
        { task: task.planned.name },
        balance,
        'look at what the task read and what it wrote, then run it again',
      ),
    )
  const error = outputError(task, output) ?? discoveryError(task, added)
  return error === undefined ? undefined : reportError(error)
}

/** The tasks for the tables that a discovery found; none for other tasks. */
function discovered(run: Run, { planned }: Task, output: TaskOutput, world: World): readonly PlannedTask[] {
  if (planned.work.kind !== 'discover' || output.kind !== 'tables') return []
  return world.rules(run.digest).expand(planned.work.source, output.tables)
}

/** Adds the tasks that a discovery found. Existing ones stay as they are. */
function withAdded(run: Run, discover: Task, added: readonly PlannedTask[], world: World): Run {
  if (added.length === 0) return run
  const { retry } = world.rules(run.digest)
  const all = new Map(run.tasks)
  for (const planned of added) {
    if (!all.has(planned.name)) all.set(planned.name, newTask(planned, all.size, discover.generation, retry))
  }
  return { ...run, tasks: all }
}

type Failure = Pick<FailedInput, 'attempt' | 'at' | 'facts'> & { readonly worker: string | null }

function failed(task: Task, failure: Failure, retry: RetryPolicy, world: World, records: TryRecord[]): Task {
  const ended: Task = {
    ...task,
    worker: failure.worker,
    startedAt: startOf(task, failure),
    finishedAt: failure.at,
    dueAt: null,
    facts: failure.facts,
  }
  records.push({ ...recordOf(ended, failure), outcome: 'failed', late: isLate(task, failure.attempt) })
  if (!failure.facts.error.retryable || task.attempt >= task.attemptLimit) return { ...ended, state: 'failed' }
  return { ...ended, state: 'retrying', dueAt: waitUntil(world, backoffMs(task, retry, world)) }
}

/**
 * Exponential backoff, up to the policy's limit, plus up to a quarter of jitter: tasks that failed together do not
 * retry together.
 */
function backoffMs(task: Task, retry: RetryPolicy, { random }: World): number {
  const failures = Math.max(1, task.attempt - (task.attemptLimit - retry.maxAttempts))
  const doubled = Math.min(retry.maxBackoffMs, retry.backoffMs * 2 ** (failures - 1))
  return Math.round(doubled * (1 + random() / 4))
}

function due(task: Task, retry: RetryPolicy, world: World, records: TryRecord[]): Task {
  if (task.dueAt === null || Date.parse(task.dueAt) > world.now.getTime()) return task
  if (task.state === 'retrying') return queue(task, world)
  const failure = unattended(task, { attempt: task.attempt, error: reportError(silenceError(task)) }, world)
  return failed(task, failure, retry, world, records)
}

/** A failed attempt without a worker's report. */
function unattended(
  task: Task,
  { attempt, error }: { readonly attempt: number; readonly error: ErrorReport },
  { now }: World,
): Failure {
  return { attempt, at: now.toISOString(), worker: task.worker, facts: { error, quality: [] } }
}

/** The fields that are valid while another attempt is in progress. */
function errorOf({ error }: TaskFacts): TaskFacts {
  return error === undefined ? {} : { error }
}

function startOf(task: Task, { at, facts }: { readonly at: string; readonly facts: TaskFacts }): string | null {
  if (task.startedAt !== null || facts.durationMs === undefined) return task.startedAt
  return new Date(Date.parse(at) - facts.durationMs).toISOString()
}

/** Whether the reporting attempt was superseded, or its failure recorded, before. */
function isLate(task: Task, attempt: number): boolean {
  return attempt < task.attempt || task.state === 'retrying'
}

function recordOf({ planned, generation, worker, startedAt, facts }: Task, ended: Pick<Failure, 'attempt' | 'at'>) {
  return { task: planned.name, generation, attempt: ended.attempt, worker, startedAt, finishedAt: ended.at, facts }
}

/** A task in its initial state. */
export function newTask(planned: PlannedTask, position: number, generation: number, retry: RetryPolicy): Task {
  return {
    planned,
    position,
    state: 'waiting',
    generation,
    attempt: 0,
    attemptLimit: retry.maxAttempts,
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
  }
}

/** The run with one task replaced; the same object when nothing changes. */
function withTask(run: Run, task: Task): Run {
  if (run.tasks.get(task.planned.name) === task) return run
  return { ...run, tasks: new Map(run.tasks).set(task.planned.name, task) }
}

/** The run with `change` applied to every task; the same object when nothing changes. */
export function mapTasks(run: Run, change: (task: Task) => Task): Run {
  const tasks = new Map([...run.tasks].map(([name, task]) => [name, change(task)]))
  return [...tasks].some(([name, task]) => run.tasks.get(name) !== task) ? { ...run, tasks } : run
}
