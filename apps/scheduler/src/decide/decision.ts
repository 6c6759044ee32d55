import type {
  FailureFacts,
  PlannedTask,
  SuccessFacts,
  TableName,
  TaskFailed,
  TaskStarted,
  TaskSucceeded,
} from '@cinelake/contracts'
import type { ErrorReport } from '@cinelake/core'
import type { RetryPolicy } from '@cinelake/pipeline'
import type { Redo, RunUpdate, Task, Try } from '@cinelake/run-store'

/** The tasks that a request asks for. */
export type PlanInput = {
  readonly kind: 'plan'
  /** `rest`: what is not done yet. `again`: all of them, into a new generation. `redo`: some of them, likewise. */
  readonly mode: 'rest' | 'again' | 'redo'
  /** `redo`: the request, with the names of the tasks that go. */
  readonly redo?: Redo
  /** `redo`: names of those whose table begins a new life. */
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

/** What can happen to one task. */
export type TaskInput =
  | StartedInput
  | ({ readonly kind: 'progressed' } & Try)
  | SucceededInput
  | FailedInput
  /** The broker gave the command up: no event will come. */
  | ({ readonly kind: 'refused'; readonly error: ErrorReport } & Try)
  /** The moment that the task waited for (`dueAt`) has come. */
  | ({ readonly kind: 'due' } & Try)

/** Everything that can happen to a run. */
export type Input =
  | PlanInput
  /** Nothing is in the way any more. `since` has the end of each task's last succeeded window. */
  | { readonly kind: 'begin'; readonly since: ReadonlyMap<string, string> }
  | TaskInput
  /** The bus may have lost what it was given: every command under way is sent again. */
  | { readonly kind: 'resume' }
  | { readonly kind: 'cancel'; readonly reason?: string }

/** How long a task may go without news. Milliseconds. */
export type TaskTimeouts = {
  /** From sending the command to a worker's start: time in the queue. */
  readonly scheduleToStartMs: number
  /** From one event of a worker to the next. */
  readonly heartbeatMs: number
}

/** What a pipeline's text says about running it. */
export type PipelineRules = {
  readonly retry: RetryPolicy
  /** The tasks that discovered tables add. */
  readonly expand: (source: string, tables: readonly TableName[]) => readonly PlannedTask[]
}

/** What the rules need to know of the world, given to them so that they stay rules. */
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
