import {
  FailureFacts,
  SuccessFacts,
  type PlannedTask,
  type DiscoveredTable,
  type TaskFailed,
  type TaskStarted,
  type TaskSucceeded,
  type TaskEvent,
} from '@cinelake/contracts'
import type { ErrorReport } from '@cinelake/core'
import type { RetryPolicy } from '@cinelake/pipeline'
import type { Redo, RunUpdate, Task, Try } from '@cinelake/run-store'

/** The tasks that a request asks for. */
export type PlanInput = {
  readonly kind: 'plan'
  /** `rest`: tasks that are not done yet. `again`: all tasks, in a new generation. `redo`: some tasks, likewise. */
  readonly mode: 'rest' | 'again' | 'redo'
  /** `redo`: the request, with the names of the tasks to re-run. */
  readonly redo?: Redo
  /** `redo`: names of the tasks whose table starts over with a new table id. */
  readonly restart?: ReadonlySet<string>
  readonly digest: string
  readonly planned: readonly PlannedTask[]
  readonly after: string | null
}

export type StartedInput = { readonly kind: 'started' } & Try & Pick<TaskStarted, 'at' | 'worker'>

export type SucceededInput = { readonly kind: 'succeeded'; readonly facts: SuccessFacts } & Try &
  Pick<TaskSucceeded, 'at' | 'worker'>

export type FailedInput = { readonly kind: 'failed'; readonly facts: FailureFacts } & Try &
  Pick<TaskFailed, 'at' | 'worker'>

/** The inputs of one task. */
export type TaskInput =
  | StartedInput
  | ({ readonly kind: 'progressed' } & Try)
  | SucceededInput
  | FailedInput
  /** The command was dead-lettered: no event will come. */
  | ({ readonly kind: 'refused'; readonly error: ErrorReport } & Try)
  /** The task's timer (`dueAt`) fired. */
  | ({ readonly kind: 'due' } & Try)

/** The inputs of a run. */
export type Input =
  | PlanInput
  /** The run is no longer blocked. `since` has the end of each task's last succeeded window. */
  | { readonly kind: 'begin'; readonly since: ReadonlyMap<string, string> }
  | TaskInput
  /** The bus may have lost messages: every command in progress is sent again. */
  | { readonly kind: 'resume' }
  | { readonly kind: 'cancel'; readonly reason?: string }

/** The timeouts of a task. Milliseconds. */
export type TaskTimeouts = {
  /** From sending the command to a worker's start: time in the queue. */
  readonly scheduleToStartMs: number
  /** From one event of a worker to the next. */
  readonly heartbeatMs: number
}

/** The execution policy in a pipeline's text. */
export type PipelineRules = {
  readonly retry: RetryPolicy
  /** The tasks that discovered tables add. */
  readonly expand: (source: string, tables: readonly DiscoveredTable[]) => readonly PlannedTask[]
}

/** Facts about the environment, passed in so that the rules stay pure. */
export type World = {
  readonly now: Date
  /** In [0, 1). Spreads retries. */
  readonly random: () => number
  readonly timeouts: TaskTimeouts
  readonly rules: (digest: string) => PipelineRules
}

export type Decision = RunUpdate & {
  /** Tasks whose command goes to the bus, once the changes are durable. */
  readonly commands: readonly Task[]
  /** Tasks to look at again at their `dueAt`, which is new. */
  readonly timers: readonly Task[]
}

/** Translates an event to the input of its run. */
export function inputOf(event: TaskEvent): TaskInput {
  const { task, generation, attempt, at, worker } = event
  const about = { task, generation, attempt }
  switch (event.kind) {
    case 'task.started':
      return { kind: 'started', ...about, at, worker }
    case 'task.progressed':
      return { kind: 'progressed', ...about }
    case 'task.succeeded':
      return { kind: 'succeeded', ...about, at, worker, facts: SuccessFacts.parse(event) }
    default:
      return { kind: 'failed', ...about, at, worker, facts: FailureFacts.parse(event) }
  }
}
