import type { TaskOutput } from '@cinelake/contracts'
import { balanceHolds, reportError, type ErrorReport } from '@cinelake/core'
import type { PlannedTask } from '@cinelake/contracts'
import type { RetryPolicy } from '@cinelake/pipeline'
import type { FailedInput, StartedInput, SucceededInput, TaskInput, World } from './decision.ts'
import type { TryRecord } from '@cinelake/run-store'
import { BalanceBrokenError, discoveryError, outputError, silenceError } from './errors.ts'
import { type Run, type Task, isTaskFinished } from '@cinelake/run-store'
import { newTask, withTask } from './tasks.ts'

/** What an input does to the task that it is about; nothing when it is late, a duplicate, or about an unknown task. */
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
      return withTask(run, failed(task, { ...input, ...unattended(task, world) }, retry, world, records))
    default:
      return withTask(run, due(task, retry, world, records))
  }
}

/** Puts the task's next try in the outbox. */
export function queue(task: Task, world: World): Task {
  return {
    ...task,
    state: 'queued',
    attempt: task.attempt + 1,
    sentAt: null,
    worker: null,
    startedAt: null,
    finishedAt: null,
    durationMs: null,
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
  // Work is durable and keyed by generation: done by whichever attempt, it is done.
  if (input.kind === 'succeeded') return input.attempt <= task.attempt
  return input.attempt === task.attempt && (task.state !== 'retrying' || input.kind === 'due')
}

function started(task: Task, input: StartedInput, world: World): Task {
  const dueAt = waitUntil(world, world.timeouts.heartbeatMs)
  return { ...task, state: 'running', worker: input.worker, startedAt: task.startedAt ?? input.at, dueAt }
}

/** Whether so much of the heartbeat timeout has passed that a heartbeat is worth writing down. */
function isNearlyDue(task: Task, { now, timeouts }: World): boolean {
  return task.dueAt !== null && Date.parse(task.dueAt) - now.getTime() < timeouts.heartbeatMs / 2
}

function succeeded(run: Run, task: Task, input: SucceededInput, world: World, records: TryRecord[]): Run {
  const added = discovered(run, task, input.output, world)
  const wrong = whatIsWrong(task, input, added)
  if (wrong !== undefined) {
    return withTask(run, failed(task, { ...input, error: wrong }, world.rules(run.digest).retry, world, records))
  }
  const done: Task = {
    ...task,
    state: 'succeeded',
    // The try that did it, which need not be the last one: its rejects and quality results are the task's.
    attempt: input.attempt,
    worker: input.worker,
    startedAt: startOf(task, input),
    finishedAt: input.at,
    dueAt: null,
    durationMs: input.durationMs,
    balance: input.balance,
    output: input.output,
    error: null,
    digest: run.digest,
  }
  const { attempt, quality, rejects } = input
  records.push({
    ...recordOf(done, attempt, input.at),
    outcome: 'succeeded',
    quality,
    rejects,
    late: isLate(task, attempt),
  })
  return withAdded(withTask(run, done), done, added, world)
}

function whatIsWrong(task: Task, input: SucceededInput, added: readonly PlannedTask[]): ErrorReport | undefined {
  if (!balanceHolds(input.balance)) return reportError(new BalanceBrokenError(task, input.balance))
  const error = outputError(task, input.output) ?? discoveryError(task, added)
  return error === undefined ? undefined : reportError(error)
}

/** The tasks for the tables that a discovery found; none for other tasks. */
function discovered(run: Run, { planned }: Task, output: TaskOutput, world: World): readonly PlannedTask[] {
  if (planned.work.kind !== 'discover' || output.kind !== 'tables') return []
  return world.rules(run.digest).expand(planned.work.source, output.tables)
}

/** Adds tasks that a discovery found. Those that are there already stay as they are. */
function withAdded(run: Run, discover: Task, added: readonly PlannedTask[], world: World): Run {
  if (added.length === 0) return run
  const { retry } = world.rules(run.digest)
  const all = new Map(run.tasks)
  for (const planned of added) {
    if (!all.has(planned.name)) all.set(planned.name, newTask(planned, all.size, discover.generation, retry))
  }
  return { ...run, tasks: all }
}

type Failure = Pick<FailedInput, 'attempt' | 'at' | 'error' | 'quality'> & {
  readonly worker: string | null
  readonly durationMs: number | null
}

function failed(task: Task, failure: Failure, retry: RetryPolicy, world: World, records: TryRecord[]): Task {
  const ended: Task = {
    ...task,
    worker: failure.worker,
    startedAt: startOf(task, failure),
    finishedAt: failure.at,
    dueAt: null,
    durationMs: failure.durationMs,
    error: failure.error,
  }
  const record = recordOf(ended, failure.attempt, failure.at)
  records.push({
    ...record,
    outcome: 'failed',
    quality: failure.quality,
    rejects: {},
    late: isLate(task, failure.attempt),
  })
  if (!failure.error.retryable || task.attempt >= task.attemptLimit) return { ...ended, state: 'failed' }
  return { ...ended, state: 'retrying', dueAt: waitUntil(world, backoffMs(task, retry, world)) }
}

/**
 * Doubled with each try, up to the policy's limit, and up to a quarter longer at random: tasks that failed together do
 * not come back together.
 */
function backoffMs(task: Task, retry: RetryPolicy, { random }: World): number {
  const failures = Math.max(1, task.attempt - (task.attemptLimit - retry.maxAttempts))
  const doubled = Math.min(retry.maxBackoffMs, retry.backoffMs * 2 ** (failures - 1))
  return Math.round(doubled * (1 + random() / 4))
}

function due(task: Task, retry: RetryPolicy, world: World, records: TryRecord[]): Task {
  if (task.dueAt === null || Date.parse(task.dueAt) > world.now.getTime()) return task
  if (task.state === 'retrying') return queue(task, world)
  const failure = { attempt: task.attempt, error: reportError(silenceError(task)), ...unattended(task, world) }
  return failed(task, failure, retry, world, records)
}

/** What is known of a try that no worker reported on. */
function unattended(task: Task, { now }: World) {
  return { at: now.toISOString(), worker: task.worker, durationMs: null, quality: [] }
}

function startOf(task: Task, ended: { readonly at: string; readonly durationMs: number | null }): string | null {
  if (task.startedAt !== null || ended.durationMs === null) return task.startedAt
  return new Date(Date.parse(ended.at) - ended.durationMs).toISOString()
}

/** Whether a try that reports now was given up before. */
function isLate(task: Task, attempt: number): boolean {
  return attempt < task.attempt || task.state === 'retrying'
}

function recordOf(task: Task, attempt: number, finishedAt: string) {
  const { generation, worker, startedAt, durationMs, error } = task
  return { task: task.planned.name, generation, attempt, worker, startedAt, finishedAt, durationMs, error }
}
