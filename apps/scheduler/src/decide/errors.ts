import type { CommandKind, PlannedTask, TaskOutput } from '@cinelake/contracts'
import { defineErrors, terminal, transient, type PipelineError } from '@cinelake/core'
import { MAX_TASK_NAME, type Task } from '@cinelake/run-store'

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
}
