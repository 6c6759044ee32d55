import type { CommandKind, PlannedTask, TaskOutput } from '@cinelake/contracts'
import { formatBalance, TerminalError, TransientError, type Balance, type PipelineError } from '@cinelake/core'
import { MAX_TASK_NAME, type Task } from '@cinelake/run-store'

/** A task's rows do not add up: something was lost or counted twice, so nothing that needs the task may be done. */
export class BalanceBrokenError extends TerminalError {
  readonly code = 'BALANCE_BROKEN'

  constructor(task: Task, balance: Balance) {
    const name = task.planned.name
    super(
      `the ${balance.unit} of the task do not add up [task=${name}]: expected in = out + rejected + duplicates, got ${formatBalance(balance)}; ` +
        'look at what the task read and what it wrote, then run it again',
      { task: name, in: balance.in, out: balance.out, rejected: balance.rejected, duplicates: balance.duplicates },
    )
  }
}

/** A worker reports having made another kind of thing than the command asked for. */
class UnexpectedOutputError extends TerminalError {
  readonly code = 'TASK_OUTPUT_UNEXPECTED'

  constructor(task: Task, expected: string, got: string) {
    const name = task.planned.name
    super(
      `the task made another thing than it was for [task=${name}]: expected ${expected}, got ${got}; ` +
        'check that the workers and the scheduler are of one version, then run it again',
      { task: name, expected, got },
    )
  }
}

/** The command lay in its queue for as long as the scheduler is willing to wait. */
class TaskNotTakenError extends TerminalError {
  readonly code = 'TASK_NOT_TAKEN'

  constructor(task: Task) {
    const { name, queue } = task.planned
    super(
      `no worker took the task [task=${name} queue=${queue}]: expected one to begin by ${task.dueAt}, got none; ` +
        'start a worker of this queue, then run what failed again',
      { task: name, queue, dueAt: task.dueAt },
    )
  }
}

/** A worker began and was not heard of again: it hangs, or it died and the broker gave the command up. */
class TaskSilentError extends TransientError {
  readonly code = 'TASK_SILENT'

  constructor(task: Task) {
    const { name } = task.planned
    super(
      `the worker fell silent [task=${name} worker=${task.worker}]: expected a sign of life by ${task.dueAt}, got none; ` +
        'the task is tried again; look at the log of that worker',
      { task: name, worker: task.worker, dueAt: task.dueAt },
    )
  }
}

/** The plan lets a task go that lacks what it asks for. */
export class TaskInputMissingError extends TerminalError {
  readonly code = 'TASK_INPUT_MISSING'

  constructor(task: Task, what: string) {
    const name = task.planned.name
    const needs = task.planned.needs.join(', ')
    super(
      `the task lacks an input [task=${name}]: expected ${what} from ${needs === '' ? 'nothing' : needs}, got none; ` +
        'check the pipeline with `cinelake validate`, then run the window again',
      { task: name, needs },
    )
  }
}

/** A discovered table has a name that no task can be named after. */
class TableNameTooLongError extends TerminalError {
  readonly code = 'TABLE_NAME_TOO_LONG'

  constructor(task: Task, named: string) {
    const name = task.planned.name
    super(
      `the name of a discovered table is too long [task=${name}]: expected a task's name of at most ${MAX_TASK_NAME} characters, got ${named.length} (${named}); ` +
        "leave the table out with the source's `tables.exclude`, or declare it as a dataset with a short name",
      { task: name, named, length: named.length },
    )
  }
}

export function silenceError(task: Task): PipelineError {
  return task.state === 'running' ? new TaskSilentError(task) : new TaskNotTakenError(task)
}

/** What is wrong with an output, as the error to fail the task with; undefined when it is what the task was for. */
export function outputError(task: Task, output: TaskOutput): PipelineError | undefined {
  const { work } = task.planned
  const expected = OUTPUT_OF[work.kind]
  if (output.kind !== expected) return new UnexpectedOutputError(task, expected, output.kind)
  if (output.kind !== 'table') return undefined
  const table = work.kind === 'refine' ? work.dataset : work.kind === 'build' ? work.model : output.table
  return output.table === table ? undefined : new UnexpectedOutputError(task, `table ${table}`, `table ${output.table}`)
}

/** What is wrong with the tasks that a discovery adds; undefined when the run history can hold them all. */
export function discoveryError(task: Task, added: readonly PlannedTask[]): PipelineError | undefined {
  const tooLong = added.find(({ name }) => name.length > MAX_TASK_NAME)
  return tooLong === undefined ? undefined : new TableNameTooLongError(task, tooLong.name)
}

const OUTPUT_OF: Readonly<Record<CommandKind, TaskOutput['kind']>> = {
  discover: 'tables',
  ingest: 'landed',
  refine: 'table',
  build: 'table',
  load: 'loaded',
}
