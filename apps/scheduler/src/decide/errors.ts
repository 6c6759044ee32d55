import type { CommandKind, PlannedTask, TaskOutput } from '@cinelake/contracts'
import { defineErrors, terminal, transient, type PipelineError } from '@cinelake/core'
import { MAX_TASK_NAME, type Task } from '@cinelake/run-store'

export const taskErrors = defineErrors({
  /** A worker reports having made another kind of thing than the command asked for. */
  TASK_OUTPUT_UNEXPECTED: terminal((task: Task, expected: string, got: string) => {
    const name = task.planned.name
    return [
      `the task made another thing than it was for [task=${name}]: expected ${expected}, got ${got}; ` +
        'check that the workers and the scheduler are of one version, then run it again',
      { task: name, expected, got },
    ]
  }),

  /** The command lay in its queue for as long as the scheduler is willing to wait. */
  TASK_NOT_TAKEN: terminal((task: Task) => {
    const { name, queue } = task.planned
    return [
      `no worker took the task [task=${name} queue=${queue}]: expected one to begin by ${task.dueAt}, got none; ` +
        'start a worker of this queue, then run what failed again',
      { task: name, queue, dueAt: task.dueAt },
    ]
  }),

  /** A worker began and was not heard of again: it hangs, or it died and the broker gave the command up. */
  TASK_SILENT: transient((task: Task) => {
    const { name } = task.planned
    return [
      `the worker fell silent [task=${name} worker=${task.worker}]: expected a sign of life by ${task.dueAt}, got none; ` +
        'the task is tried again; look at the log of that worker',
      { task: name, worker: task.worker, dueAt: task.dueAt },
    ]
  }),

  /** The plan lets a task go that lacks what it asks for. */
  TASK_INPUT_MISSING: terminal((task: Task, what: string) => {
    const name = task.planned.name
    const needs = task.planned.needs.join(', ')
    return [
      `the task lacks an input [task=${name}]: expected ${what} from ${needs === '' ? 'nothing' : needs}, got none; ` +
        'check the pipeline with `cinelake validate`, then run the window again',
      { task: name, needs },
    ]
  }),

  /** A discovered table has a name that no task can be named after. */
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

/** What is wrong with an output, as the error to fail the task with; undefined when it is what the task was for. */
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

/** What is wrong with the tasks that a discovery adds; undefined when the run history can hold them all. */
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
