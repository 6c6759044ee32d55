import type { Command, CommandKind, Queue, SuccessFacts, TaskEvent } from '@cinelake/contracts'
import type { Clock, Log } from '@cinelake/core'
import type { ConsumeOptions, MessageBus } from '../bus.ts'

export type CommandOf<Kind extends CommandKind> = Extract<Command, { kind: Kind }>

/** The result of a use case whose work is durable: all facts except those that the worker adds. */
export type TaskOutcome = Partial<Omit<SuccessFacts, 'durationMs'>> & Pick<SuccessFacts, 'balance' | 'output'>

export type TaskContext = {
  readonly signal: AbortSignal
  /** Reports progress. Cheap: calls closer together than the progress interval are merged. */
  readonly progress: (done: { rowCount?: number; sizeBytes?: number }) => void
}

/** One use case of a service: executes the command, idempotently. */
export type TaskHandler<Kind extends CommandKind> = (
  command: CommandOf<Kind>,
  context: TaskContext,
) => Promise<TaskOutcome>

/** The use cases of a service by kind of command. */
export type TaskHandlers = { readonly [Kind in CommandKind]?: TaskHandler<Kind> }

export type TaskWorker = {
  readonly bus: MessageBus
  readonly queue: Queue
  /** The worker's name, host and process, for the run history. */
  readonly worker: string
  readonly handlers: TaskHandlers
  readonly clock: Clock
  readonly log: Log
  /** Removes secrets from error texts before they leave the process. */
  readonly redact?: (text: string) => string
  /** Called with every published task event: for metrics. */
  readonly observe?: (event: TaskEvent) => void
  readonly options?: ConsumeOptions
}
