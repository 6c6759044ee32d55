import type { TaskOutput } from '@cinelake/contracts'
import type { Balance, ErrorReport, Window } from '@cinelake/core'
import type { PlannedTask, RetryPolicy } from '@cinelake/pipeline'

/**
 * The states of a task, and what moves it from one to the next:
 *
 * ```
 *              needs succeeded             a worker began
 *   waiting ───────────────────▶ queued ───────────────────▶ running
 *      │                         ▲ │  │                       │  │
 *      │ a need failed,          │ │  └─────── success ───────┼──┼──▶ succeeded
 *      │ or the run was          │ │                          │
 *      ▼ cancelled          due  │ └──────── failure ─────────┤
 *   skipped                      │      a retry can help,     │
 *                                │      tries are left        │
 *                             retrying ◀──────────────────────┤
 *                                      otherwise              └─────▶ failed
 * ```
 *
 * A success counts in any unfinished state (`retrying` too) and from any attempt of the task's generation: work is
 * durable and keyed by generation, so whichever attempt did it, it is done. Everything else that comes from another
 * attempt, another generation or for a finished task is late or a duplicate, and changes nothing.
 * `cancel` moves every unfinished task to `skipped`. Finished tasks move again only by a new request (`run-plan.ts`).
 */
export const TASK_STATES = ['waiting', 'queued', 'running', 'retrying', 'succeeded', 'failed', 'skipped'] as const
export type TaskState = (typeof TASK_STATES)[number]

/**
 * The states of a run. It is `waiting` for the run named by its `after`, then `running` until every task is finished:
 * `succeeded` when all of them are, `failed` otherwise; `cancelled` when somebody said so. A finished run becomes
 * `waiting` again when it is asked for again.
 */
export const RUN_STATES = ['waiting', 'running', 'succeeded', 'failed', 'cancelled'] as const
export type RunState = (typeof RUN_STATES)[number]

/** One task of a run as the rules see it. Instants are ISO 8601 UTC. */
export type Task = {
  readonly planned: PlannedTask
  /** Place in the plan; what a task needs comes before it. */
  readonly position: number
  readonly state: TaskState
  readonly generation: number
  /** The current try within the generation, from 1; 0 before the first. In `succeeded` the try that did it. */
  readonly attempt: number
  /** The last attempt that is made of its own accord. */
  readonly attemptLimit: number
  /** Where the task's last succeeded window ended; incremental datasets only. */
  readonly since: string | null
  /** When the bus took the command of this attempt. Null in `queued` is the outbox: to be sent, now or after a restart. */
  readonly sentAt: string | null
  readonly worker: string | null
  readonly startedAt: string | null
  readonly finishedAt: string | null
  /** `retrying`: when the next attempt is due. `queued`, `running`: when silence becomes a failure. */
  readonly dueAt: string | null
  readonly durationMs: number | null
  readonly balance: Balance | null
  readonly output: TaskOutput | null
  readonly error: ErrorReport | null
  /** Why it was skipped. */
  readonly reason: string | null
  /** Digest of the pipeline's text that it succeeded under; null before that, and in a history that did not note it: then the run's. */
  readonly digest: string | null
  /** Whether its table begins a new life with it. Kept until it succeeds, by whichever request. */
  readonly restart: boolean
}

/** The request by which tasks of several windows are done again together. */
export type Redo = {
  /** The same in all windows of one request. */
  readonly id: string
  /** The same for the same request under the same text, asked at any time. */
  readonly of: string
  /** Label of its first window. */
  readonly first: string
  /** Whether each window has to be complete before the next one begins. */
  readonly isOrdered: boolean
  /** Names of the tasks that go again in this window. */
  readonly tasks: readonly string[]
  /** Names of those whose table begins again should it be lost: a rebuild of what it is made from finds it so. */
  readonly restartIfLost?: readonly string[]
}

export type Run = {
  readonly id: string
  readonly pipeline: string
  readonly digest: string
  readonly window: Window
  readonly state: RunState
  /** The run that has to be finished before this one begins. */
  readonly after: string | null
  readonly requestedAt: string
  readonly startedAt: string | null
  readonly finishedAt: string | null
  /** By which the last tasks went again; null for a window that was asked for as a whole. */
  readonly redo: Redo | null
  /** In order of position. */
  readonly tasks: ReadonlyMap<string, Task>
}

export function isTaskFinished(task: Task): boolean {
  return task.state === 'succeeded' || task.state === 'failed' || task.state === 'skipped'
}

export function isRunFinished(run: Pick<Run, 'state'>): boolean {
  return run.state !== 'waiting' && run.state !== 'running'
}

/** Whether the bus is yet to be given the task's command. */
export function isUnsent(task: Task): boolean {
  return task.state === 'queued' && task.sentAt === null
}

/** The run with one task put in place of its former self; the same run when that is the same. */
export function withTask(run: Run, task: Task): Run {
  if (run.tasks.get(task.planned.name) === task) return run
  return { ...run, tasks: new Map(run.tasks).set(task.planned.name, task) }
}

/** The run with every task as `change` makes it; the same run when none is changed. */
export function mapTasks(run: Run, change: (task: Task) => Task): Run {
  const tasks = new Map([...run.tasks].map(([name, task]) => [name, change(task)]))
  return [...tasks].some(([name, task]) => run.tasks.get(name) !== task) ? { ...run, tasks } : run
}

/** Whether all that a request to do tasks again asked for in a window is done. */
export function isRedone({ redo, tasks }: Pick<Run, 'redo' | 'tasks'>): boolean {
  return redo === null || redo.tasks.every((name) => tasks.get(name)?.state === 'succeeded')
}

/** A task that nothing has happened to yet. */
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
    durationMs: null,
    balance: null,
    output: null,
    error: null,
    reason: null,
    digest: null,
    restart: false,
  }
}
