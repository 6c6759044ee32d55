import type { Command, CommandKind } from '@cinelake/contracts'
import { balanceErrors, balanceHolds, CancelledError, reportError } from '@cinelake/core'
import type { Consumer } from '../bus.ts'
import { busTaskErrors } from './errors.ts'
import { createTaskReporter } from './task-reporter.ts'
import type { TaskContext, TaskHandler, TaskHandlers, TaskOutcome, TaskWorker } from './task.ts'

/**
 * Consumes the commands of a queue and reports each as a task: started, progressed, then succeeded or failed, and
 * settles the command last. A task that fails is an event, not a dead letter: the scheduler decides whether to retry
 * it.
 *
 * The command is abandoned, with nothing reported, when the work was cancelled (the service stops, the lock was lost)
 * or when an event could not be published. It is then redelivered; work is idempotent.
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
    // Failures during a cancellation say nothing about the work.
    // A broker keeps the reason given for an abandoned command.
    if (signal.aborted) throw new CancelledError(command.task, { cause: reportError(error, worker.redact).message })
    return reporter.failed(error)
  }
  await reporter.succeeded(outcome)
}

async function carryOut(handlers: TaskHandlers, command: Command, context: TaskContext): Promise<TaskOutcome> {
  // The index and the command have the same kind, which the type system cannot express.
  const handler = handlers[command.kind] as TaskHandler<CommandKind> | undefined
  if (handler === undefined) throw busTaskErrors.COMMAND_UNKNOWN(command.kind, Object.keys(handlers))
  const outcome = await handler(command, context)
  if (!balanceHolds(outcome.balance))
    throw balanceErrors.BALANCE_BROKEN({ task: command.task }, outcome.balance, LOST_ON_THE_WAY)
  return outcome
}

const LOST_ON_THE_WAY =
  'this is a mistake in a model or in the service, so look for the step that drops or repeats rows'
