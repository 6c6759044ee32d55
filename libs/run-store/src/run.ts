import type { PlannedTask, TaskFacts } from '@cinelake/contracts'
import type { Window } from '@cinelake/core'

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
 * `cancel` moves every unfinished task to `skipped`. Finished tasks move again only by a new request.
 */
export const TASK_STATES = ['waiting', 'queued', 'running', 'retrying', 'succeeded', 'failed', 'skipped'] as const
export type TaskState = (typeof TASK_STATES)[number]

/**
 * The states of a run. It is `waiting` for the run named by its `after`, then `running` until every task is finished:
 * `succeeded` when all of them are, `failed` otherwise; `cancelled` when a user cancelled it. A finished run becomes
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
  /** Of the last try that came to its end; while another one is under way its error only. Empty before the first. */
  readonly facts: TaskFacts
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

/** Whether all that a request to do tasks again asked for in a window is done. */
export function isRedone({ redo, tasks }: Pick<Run, 'redo' | 'tasks'>): boolean {
  return redo === null || redo.tasks.every((name) => tasks.get(name)?.state === 'succeeded')
}

/** Which try of which task something is about. */
export type Try = { readonly task: string; readonly generation: number; readonly attempt: number }

/** A try that came to its end, for the history. */
export type TryRecord = Try & {
  readonly worker: string | null
  readonly startedAt: string | null
  readonly finishedAt: string
  readonly outcome: 'succeeded' | 'failed'
  readonly facts: TaskFacts
  /** Whether the try had timed out before, so that this replaces what was noted of it then. */
  readonly late: boolean
}

/** What a decision changes of a run: kept in one transaction. */
export type RunUpdate = {
  readonly run: Run
  /** Tasks that are new or not what they were. */
  readonly changes: readonly Task[]
  /** Names of tasks that are not part of the run any more. */
  readonly removed: readonly string[]
  readonly records: readonly TryRecord[]
}
