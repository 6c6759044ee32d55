import type { Command, CommandKind, QualityResult, Queue, TaskEvent, TaskOutput } from '@cinelake/contracts'
import { balanceHolds, CancelledError, reportError, type Balance, type Clock, type Log } from '@cinelake/core'
import type { ConsumeOptions, Consumer, MessageBus } from './bus.ts'
import { BalanceBrokenError, CommandUnknownError } from './task-errors.ts'
import { createTaskReporter } from './task-reporter.ts'

export type CommandOf<Kind extends CommandKind> = Extract<Command, { kind: Kind }>

/** What a use case returns when its work is durable. */
export type TaskOutcome = {
  readonly balance: Balance
  /** Rejected rows by rule. */
  readonly rejects?: Readonly<Record<string, number>>
  readonly quality?: readonly QualityResult[]
  readonly output: TaskOutput
}

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

/**
 * Takes the commands of a queue and reports each as a task: started, progressed, then succeeded or failed, and settles
 * the command last. A task that fails is an event, not a dead letter: the scheduler decides what becomes of it.
 *
 * The command is given back, with nothing reported, when the work was stopped from outside (the service stops, the lock
 * was lost) or when an event could not be published. It is then done again; work is idempotent.
 */
export function runTaskWorker(worker: TaskWorker): Promise<Consumer> {
  const { bus, queue, options } = worker
  return bus.consume(queue, (command, { signal }) => doTask(worker, command, signal), options)
}

async function doTask(worker: TaskWorker, command: Command, signal: AbortSignal): Promise<void> {
  const reporter = createTaskReporter(worker, command)
  await reporter.started()
  let outcome: TaskOutcome
  try {
    outcome = await carryOut(worker.handlers, command, { signal, progress: reporter.progress })
  } catch (error) {
    // What fails while it is being stopped says nothing about the work.
    // A broker keeps what it is told about a command that was given back.
    if (signal.aborted) throw new CancelledError(command.task, { cause: reportError(error, worker.redact).message })
    return reporter.failed(error)
  }
  await reporter.succeeded(outcome)
}

async function carryOut(handlers: TaskHandlers, command: Command, context: TaskContext): Promise<TaskOutcome> {
  // The index and the command have the same kind, which the type system cannot see.
  const handler = handlers[command.kind] as TaskHandler<CommandKind> | undefined
  if (handler === undefined) throw new CommandUnknownError(command.kind, Object.keys(handlers))
  const outcome = await handler(command, context)
  if (!balanceHolds(outcome.balance)) throw new BalanceBrokenError(command.task, outcome.balance)
  return outcome
}
