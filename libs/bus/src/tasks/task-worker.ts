import {
  type Command,
  type CommandKind,
  CONTRACT_VERSION,
  QualityResult,
  type Queue,
  type SuccessFacts,
  type TaskEvent,
} from '@cinelake/contracts'
import {
  balanceErrors,
  balanceHolds,
  CancelledError,
  type Clock,
  defineErrors,
  type ErrorReport,
  type Log,
  reportError,
  terminal,
  TerminalError,
  UNEXPECTED,
} from '@cinelake/core'
import { trace } from '@opentelemetry/api'
import { randomUUID } from 'node:crypto'
import type { ConsumeOptions, Consumer, MessageBus } from '../bus.ts'
import { markFailed } from '../tracing.ts'

const busTaskErrors = defineErrors({
  /** A command of a kind that this service does not handle: it was sent to the wrong queue. */
  COMMAND_UNKNOWN: terminal((kind: string, known: readonly string[]) => [
    `command is not for this service [kind=${kind}]: expected one of ${known.join(', ')}; check which queue the scheduler sends it to`,
    { kind, known: known.join(', ') },
  ]),
})

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

/** Heartbeat interval of one task: often enough for a progress display, rare enough for a broker. */
const PROGRESS_INTERVAL_MS = 250

/** Characters of an error's message in an event, and of each fact of its context. */
const MAX_ERROR_TEXT = 4000

/** An error may carry the results of the quality rules so far; they go into the event. */
export type WithQuality = { readonly quality: readonly QualityResult[] }

/** Publishes and logs the progress of one task. */
type TaskReporter = {
  started(): Promise<void>
  readonly progress: TaskContext['progress']
  succeeded(outcome: TaskOutcome): Promise<void>
  failed(error: unknown): Promise<void>
}

type EventBody = TaskEvent extends infer Kind
  ? Kind extends TaskEvent
    ? Omit<Kind, keyof ReturnType<typeof headerOf>>
    : never
  : never

function createTaskReporter(worker: TaskWorker, command: Command): TaskReporter {
  const { bus, clock } = worker
  const log = worker.log.child({ run: command.run, task: command.task, attempt: command.attempt })
  const startedAt = clock().getTime()
  /** Measured for every task, whatever its outcome. */
  const measured = () => ({ durationMs: Math.max(0, clock().getTime() - startedAt) })
  let progressedAt = -Infinity
  let progressing: Promise<void> = Promise.resolve()

  const publish = async (body: EventBody) => {
    await progressing
    const event = { ...headerOf(worker, command), ...body }
    await bus.publish(event)
    worker.observe?.(event)
  }

  const failed = async (error: unknown) => {
    const report = presentable(reportError(error), worker.redact)
    const body = { kind: 'task.failed', ...measured(), error: report, quality: qualityOf(error) } as const
    try {
      await publish(body)
    } catch (refusal) {
      if (!(refusal instanceof TerminalError)) throw refusal
      // Details that exceed the broker's limit must not suppress the failure event: the run would wait for ever.
      await publish({ ...body, error: { ...report, context: {} }, quality: [] })
    }
    markFailed(trace.getActiveSpan(), report.code)
    const facts = { code: report.code, error: report.message, retryable: report.retryable, ...measured() }
    if (report.retryable) log.warn(report.code === UNEXPECTED ? { ...facts, err: error } : facts, 'task failed')
    else log.error(facts, 'task failed for good')
  }

  return {
    async started() {
      await publish({ kind: 'task.started' })
      log.info({}, 'task started')
    },
    progress(done) {
      const now = clock().getTime()
      if (now - progressedAt < PROGRESS_INTERVAL_MS) return
      progressedAt = now
      progressing = progressing
        .then(() => bus.publish({ ...headerOf(worker, command), kind: 'task.progressed', ...done }))
        // A heartbeat may be lost: nothing depends on it.
        .catch((error: unknown) => log.debug({ err: error }, 'progress was not published'))
    },
    async succeeded(outcome) {
      const facts = { ...measured(), ...outcome, rejects: outcome.rejects ?? {}, quality: outcome.quality ?? [] }
      try {
        await publish({ kind: 'task.succeeded', ...facts })
      } catch (error) {
        // An outcome that exceeds the broker's limit has to be reported as well.
        if (!(error instanceof TerminalError)) throw error
        return failed(error)
      }
      log.info({ ...measured(), balance: facts.balance, output: facts.output }, 'task succeeded')
    },
    failed,
  }
}

function headerOf({ clock, worker }: TaskWorker, { run, task, generation, attempt }: Command) {
  const at = clock().toISOString()
  return { contract: CONTRACT_VERSION, id: randomUUID(), run, task, generation, attempt, at, worker } as const
}

function qualityOf(error: unknown): QualityResult[] {
  if (!(error instanceof Error) || !('quality' in error)) return []
  const parsed = QualityResult.array().safeParse(error.quality)
  return parsed.success ? parsed.data : []
}

function presentable({ code, message, retryable, context }: ErrorReport, redact = (text: string) => text) {
  const clean = (text: string) => cut(redact(text))
  const facts = Object.entries(context).map(
    ([key, value]) => [key, typeof value === 'string' ? clean(value) : value] as const,
  )
  return { code, message: clean(message), retryable, context: Object.fromEntries(facts) }
}

function cut(text: string): string {
  return text.length <= MAX_ERROR_TEXT ? text : `${text.slice(0, MAX_ERROR_TEXT)}…`
}
