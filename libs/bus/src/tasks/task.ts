import type { Command, CommandKind, Queue, SuccessFacts, TaskEvent } from '@cinelake/contracts'
import type { Clock, Log } from '@cinelake/core'
import type { ConsumeOptions, MessageBus } from '../bus.ts'

export type CommandOf<Kind extends CommandKind> = Extract<Command, { kind: Kind }>

/** What a use case returns when its work is durable: all facts but those that the worker knows by itself. */
export type TaskOutcome = Partial<Omit<SuccessFacts, 'durationMs'>> & Pick<SuccessFacts, 'balance' | 'output'>

export type TaskContext = {
  readonly signal: AbortSignal
  /** Says how far the work is. Cheap: calls closer together than the progress interval are merged. */
  readonly progress: (done: { rowCount?: number; sizeBytes?: number }) => void
}

/** One use case of a service: does what the command says, once in effect however often it is called. */
export type TaskHandler<Kind extends CommandKind> = (
  command: CommandOf<Kind>,
  context: TaskContext,
) => Promise<TaskOutcome>

/** The use cases of a service by the kind of command that they carry out. */
export type TaskHandlers = { readonly [Kind in CommandKind]?: TaskHandler<Kind> }

export type TaskWorker = {
  readonly bus: MessageBus
  readonly queue: Queue
  /** Who works: host and process, for the run history. */
  readonly worker: string
  readonly handlers: TaskHandlers
  readonly clock: Clock
  readonly log: Log
  /** Takes secrets out of what an error says before it leaves the process. */
  readonly redact?: (text: string) => string
  /** Hears every event about a task once it is published: for metrics. */
  readonly observe?: (event: TaskEvent) => void
  readonly options?: ConsumeOptions
}
