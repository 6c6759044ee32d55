import { TaskOutput, type PlannedTask, type TaskFacts } from '@cinelake/contracts'
import type { ErrorReport } from '@cinelake/core'
import type { Redo, Run, Task, TryRecord } from './run.ts'
import type { NewTaskRow, RunRow, TaskRow } from './schema/tables.ts'

/** Reads a run as it stands in SQL. */
export function runFromRows(row: RunRow, tasks: readonly TaskRow[]): Run {
  const inOrder = tasks.map(taskFromRow).sort((one, other) => one.position - other.position)
  return {
    id: row.id,
    pipeline: row.pipeline,
    digest: row.digest,
    window: { start: seconds(row.window_start), end: seconds(row.window_end), label: row.window_label },
    state: row.state,
    after: row.after_run,
    requestedAt: row.requested_at.toISOString(),
    startedAt: text(row.started_at),
    finishedAt: text(row.finished_at),
    redo: row.redo === null ? null : (JSON.parse(row.redo) as Redo),
    tasks: new Map(inOrder.map((task) => [task.planned.name, task])),
  }
}

function taskFromRow(row: TaskRow): Task {
  return {
    planned: JSON.parse(row.planned) as PlannedTask,
    position: row.position,
    state: row.state,
    generation: row.generation,
    attempt: row.attempt,
    attemptLimit: row.attempt_limit,
    since: row.since === null ? null : seconds(row.since),
    sentAt: text(row.sent_at),
    worker: row.worker,
    startedAt: text(row.started_at),
    finishedAt: text(row.finished_at),
    dueAt: text(row.due_at),
    facts: row.facts === null ? factsOfBefore(row) : (JSON.parse(row.facts) as TaskFacts),
    reason: row.reason,
    digest: row.digest,
    restart: row.restart === 1,
  }
}

export function taskToRow(run: string, task: Task): NewTaskRow {
  const { balance, output, error } = task.facts
  return {
    run,
    task: task.planned.name,
    position: task.position,
    planned: JSON.stringify(task.planned),
    state: task.state,
    generation: task.generation,
    attempt: task.attempt,
    attempt_limit: task.attemptLimit,
    since: instant(task.since),
    sent_at: instant(task.sentAt),
    worker: task.worker,
    started_at: instant(task.startedAt),
    finished_at: instant(task.finishedAt),
    due_at: instant(task.dueAt),
    facts: JSON.stringify(task.facts),
    duration_ms: task.facts.durationMs ?? null,
    balance_unit: balance?.unit ?? null,
    count_in: balance?.in ?? null,
    count_out: balance?.out ?? null,
    count_rejected: balance?.rejected ?? null,
    count_duplicates: balance?.duplicates ?? null,
    output: output === undefined ? null : JSON.stringify(output),
    error_code: error?.code ?? null,
    error: error === undefined ? null : JSON.stringify(error),
    reason: task.reason,
    digest: task.digest,
    restart: task.restart ? 1 : null,
  }
}

/** The rows that one finished try adds to the history. */
export function historyRows(run: string, record: TryRecord) {
  const key = { run, task: record.task, generation: record.generation, attempt: record.attempt }
  const { durationMs, error, quality = [], rejects = {} } = record.facts
  return {
    key,
    attempt: {
      ...key,
      outcome: record.outcome,
      worker: record.worker,
      started_at: instant(record.startedAt),
      finished_at: new Date(record.finishedAt),
      facts: JSON.stringify(record.facts),
      duration_ms: durationMs ?? null,
      error_code: error?.code ?? null,
      error_message: error?.message ?? null,
    },
    quality: quality.map(({ rule, severity, checked, failed, detail }, ordinal) => ({
      ...key,
      ordinal,
      rule,
      severity,
      checked,
      failed,
      detail: detail ?? null,
    })),
    rejects: Object.entries(rejects).map(([rule, rows], ordinal) => ({
      ...key,
      ordinal,
      rule,
      row_count: rows,
    })),
  }
}

/** As windows write their instants: without fractions. */
function seconds(date: Date): string {
  return date.toISOString().replace('.000Z', 'Z')
}

function text(date: Date | null): string | null {
  return date === null ? null : date.toISOString()
}

function instant(text: string | null): Date | null {
  return text === null ? null : new Date(text)
}

/** The facts of a task that a version before facts were kept whole has written: of its last try all but rejects and quality. */
function factsOfBefore(row: TaskRow): TaskFacts {
  return {
    ...(row.duration_ms === null ? {} : { durationMs: row.duration_ms }),
    ...(row.balance_unit === null
      ? {}
      : {
          balance: {
            unit: row.balance_unit,
            in: Number(row.count_in),
            out: Number(row.count_out),
            rejected: Number(row.count_rejected),
            duplicates: Number(row.count_duplicates),
          },
        }),
    ...(row.output === null ? {} : { output: TaskOutput.parse(JSON.parse(row.output)) }),
    ...(row.error === null ? {} : { error: JSON.parse(row.error) as ErrorReport }),
  }
}

/**
 * In one statement. SQL Server takes 2,100, two of which the driver uses; PostgreSQL 65,535.
 * Source: learn.microsoft.com/sql/sql-server/maximum-capacity-specifications-for-sql-server
 */
export const MAX_PARAMETERS = 2000

export function chunks<Item>(items: readonly Item[], size: number): Item[][] {
  const length = Math.floor(size)
  const count = Math.ceil(items.length / length)
  return Array.from({ length: count }, (_, index) => items.slice(index * length, (index + 1) * length))
}
