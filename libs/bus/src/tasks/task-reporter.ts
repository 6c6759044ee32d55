import { CONTRACT_VERSION, QualityResult, type Command, type TaskEvent } from '@cinelake/contracts'
import { reportError, TerminalError, UNEXPECTED, type ErrorReport } from '@cinelake/core'
import { trace } from '@opentelemetry/api'
import { randomUUID } from 'node:crypto'
import { markFailed } from '../tracing.ts'
import type { TaskContext, TaskOutcome, TaskWorker } from './task.ts'

/** Heartbeat interval of one task: often enough for a progress display, rare enough for a broker. */
const PROGRESS_INTERVAL_MS = 250

/** Characters of an error's message in an event, and of each fact of its context. */
const MAX_ERROR_TEXT = 4000

/** An error may carry the results of the quality rules so far; they go into the event. */
export type WithQuality = { readonly quality: readonly QualityResult[] }

/** Publishes and logs the progress of one task. */
export type TaskReporter = {
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

export function createTaskReporter(worker: TaskWorker, command: Command): TaskReporter {
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
