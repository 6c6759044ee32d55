import {
  closestName,
  defineErrors,
  terminal,
  TerminalError,
  transient,
  type Window,
  type PipelineError,
} from '@cinelake/core'
import type { CommandKind, PlannedTask, TaskOutput } from '@cinelake/contracts'
import { MAX_TASK_NAME, type Task } from '@cinelake/run-store'

/** A run in progress cannot be requested with other parameters. */
export class RunUnderWayError extends TerminalError {
  readonly code = 'RUN_UNDER_WAY'

  constructor(run: string, state: string, why: string) {
    super(
      `the run is under way [run=${run} state=${state}]: expected a finished run to ${why}; wait for it or cancel it, then ask again`,
      { run, state },
    )
  }
}

export const schedulerErrors = defineErrors({
  /** Tasks cannot be re-run as requested. */
  REDO_REFUSED: terminal((pipeline: string, problems: readonly string[]) => [
    `tasks cannot be done again so [pipeline=${pipeline}]: ${problems.join('; ')}`,
    { pipeline },
  ]),

  /**
   * The scheduler has no pipeline of that name.
   * @param url of the scheduler that was called
   */
  PIPELINE_UNKNOWN: terminal((name: string, known: readonly string[], url?: string) => {
    const closest = closestName(name, known)
    const hint = closest === undefined ? '' : ` (did you mean \`${closest}\`?)`
    return [
      `there is no such pipeline [pipeline=${name}${url === undefined ? '' : ` url=${url}`}]: expected one of ${known.join(', ') || 'none'}${hint}; check the name, or deploy it below the folder that CINELAKE_PIPELINES names`,
      { pipeline: name, ...(url !== undefined && { url }) },
    ]
  }),

  /** A text that names no window of a pipeline. */
  WINDOW_UNKNOWN: terminal((pipeline: string, text: string, every: string) => [
    `the text names no window [pipeline=${pipeline} window=${text}]: expected ${EXAMPLES[every] ?? every}; write it so`,
    { pipeline, window: text },
  ]),

  /** More windows are requested than one request may ask for. */
  WINDOWS_TOO_MANY: terminal((pipeline: string, from: string, to: string, limit: number) => [
    `the range has too many windows [pipeline=${pipeline} from=${from} to=${to}]: expected at most ${limit}; ask for it in several parts, or raise CINELAKE_MAX_WINDOWS`,
    { pipeline, from, to, limit },
  ]),

  /** The end of a range is before its start. */
  WINDOWS_REVERSED: terminal((pipeline: string, from: string, to: string) => [
    `the range ends before it begins [pipeline=${pipeline} from=${from} to=${to}]: expected the earlier window first; swap them`,
    { pipeline, from, to },
  ]),

  /** A window that is not over, so that its data cannot be complete. */
  WINDOW_NOT_OVER: terminal((pipeline: string, { label, end }: Window, isBegun: boolean) => [
    `the window ${isBegun ? 'is not over yet' : 'has not begun yet'} [pipeline=${pipeline} window=${label}]: expected its end to be in the past, got ${end}; ask for an earlier one, or force it (\`--force\`, or "force": true)`,
    { pipeline, window: label, end },
  ]),

  /** A window before the first one of the pipeline's schedule. */
  WINDOW_BEFORE_START: terminal((pipeline: string, window: string, start: string) => [
    `the window is before the first one of the schedule [pipeline=${pipeline} window=${window}]: expected ${start} or later; set schedule.start in pipeline.yaml earlier, or force it (\`--force\`, or "force": true)`,
    { pipeline, window, start },
  ]),
})

const EXAMPLES: Readonly<Record<string, string>> = {
  hour: 'an hour like 2026-03-01T05',
  day: 'a day like 2026-03-01',
  month: 'a month like 2026-03',
}

export const taskErrors = defineErrors({
  /** A worker reports another kind of output than the command asked for. */
  TASK_OUTPUT_UNEXPECTED: terminal((task: Task, expected: string, got: string) => {
    const name = task.planned.name
    return [
      `the task made another thing than it was for [task=${name}]: expected ${expected}, got ${got}; ` +
        'check that the workers and the scheduler are of one version, then run it again',
      { task: name, expected, got },
    ]
  }),

  /** The schedule-to-start timeout of a command has passed. */
  TASK_NOT_TAKEN: terminal((task: Task) => {
    const { name, queue } = task.planned
    return [
      `no worker took the task [task=${name} queue=${queue}]: expected one to begin by ${task.dueAt}, got none; ` +
        'start a worker of this queue, then run what failed again',
      { task: name, queue, dueAt: task.dueAt },
    ]
  }),

  /** The heartbeat of a worker timed out: it hangs, or it died and the broker dead-lettered the command. */
  TASK_SILENT: transient((task: Task) => {
    const { name } = task.planned
    return [
      `the worker fell silent [task=${name} worker=${task.worker}]: expected a heartbeat by ${task.dueAt}, got none; ` +
        'the task is tried again; look at the log of that worker',
      { task: name, worker: task.worker, dueAt: task.dueAt },
    ]
  }),

  /** A task is ready by the plan but an input that it needs is missing. */
  TASK_INPUT_MISSING: terminal((task: Task, what: string) => {
    const name = task.planned.name
    const needs = task.planned.needs.join(', ')
    return [
      `the task lacks an input [task=${name}]: expected ${what} from ${needs === '' ? 'nothing' : needs}, got none; ` +
        'check the pipeline with `cinelake validate`, then run the window again',
      { task: name, needs },
    ]
  }),

  /** A discovered table has a name that is not valid in a task name. */
  TABLE_NAME_TOO_LONG: terminal((task: Task, named: string) => {
    const name = task.planned.name
    return [
      `the name of a discovered table is too long [task=${name}]: expected a task's name of at most ${MAX_TASK_NAME} characters, got ${named.length} (${named}); ` +
        "leave the table out with the source's `tables.exclude`, or declare it as a dataset with a short name",
      { task: name, named, length: named.length },
    ]
  }),
})

export function silenceError(task: Task): PipelineError {
  return task.state === 'running' ? taskErrors.TASK_SILENT(task) : taskErrors.TASK_NOT_TAKEN(task)
}

/** The problem with an output, as the error to fail the task with; undefined when the output is valid. */
export function outputError(task: Task, output: TaskOutput): PipelineError | undefined {
  const { work } = task.planned
  const expected = OUTPUT_OF[work.kind]
  if (output.kind !== expected) return taskErrors.TASK_OUTPUT_UNEXPECTED(task, expected, output.kind)
  if (output.kind !== 'table') return undefined
  const table = work.kind === 'refine' ? work.dataset : work.kind === 'build' ? work.model : output.table
  return output.table === table
    ? undefined
    : taskErrors.TASK_OUTPUT_UNEXPECTED(task, `table ${table}`, `table ${output.table}`)
}

/** The problem with the tasks that a discovery adds; undefined when the run history can hold them all. */
export function discoveryError(task: Task, added: readonly PlannedTask[]): PipelineError | undefined {
  const tooLong = added.find(({ name }) => name.length > MAX_TASK_NAME)
  return tooLong === undefined ? undefined : taskErrors.TABLE_NAME_TOO_LONG(task, tooLong.name)
}

const OUTPUT_OF: Readonly<Record<CommandKind, TaskOutput['kind']>> = {
  discover: 'tables',
  ingest: 'landed',
  refine: 'table',
  build: 'table',
  load: 'loaded',
  deliver: 'delivered',
}
