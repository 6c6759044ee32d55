import { CONTRACT_VERSION, type Command, type TableVersion, type TaskOutput } from '@cinelake/contracts'
import type { Run, Task } from './run-state.ts'
import { TaskInputMissingError } from './task-errors.ts'

/**
 * The command that has a queued task done. Everything that it names is there already: what the task needs has succeeded.
 * @throws {TaskInputMissingError} terminal: the plan does not give the task what it asks for
 * @param id a new one for every message, also for the same try sent again
 */
export function commandFor(run: Run, task: Task, id: string): Command {
  const { name, work } = task.planned
  const header = {
    contract: CONTRACT_VERSION,
    id,
    run: run.id,
    task: name,
    generation: task.generation,
    attempt: task.attempt,
    pipeline: { name: run.pipeline, digest: run.digest },
    window: run.window,
  } as const

  switch (work.kind) {
    case 'discover':
      return { kind: 'discover', ...header, source: work.source }
    case 'ingest':
      return {
        kind: 'ingest',
        ...header,
        source: work.source,
        dataset: work.dataset,
        ...(work.table === undefined ? {} : { table: work.table }),
        since: task.since,
      }
    case 'refine':
      return { kind: 'refine', ...header, dataset: work.dataset, manifest: manifestOf(run, task), ...restartOf(task) }
    case 'build':
      return {
        kind: 'build',
        ...header,
        model: work.model,
        inputs: work.inputs.map((table) => versionOf(run, task, table)),
        ...restartOf(task),
      }
    default:
      return { kind: 'load', ...header, ...versionOf(run, task, work.table) }
  }
}

const restartOf = ({ restart }: Task) => (restart ? { restart } : {})

function manifestOf(run: Run, task: Task): string {
  for (const output of outputsFor(run, task)) if (output.kind === 'landed') return output.manifest
  throw new TaskInputMissingError(task, 'a manifest')
}

function versionOf(run: Run, task: Task, table: string): TableVersion {
  for (const output of outputsFor(run, task)) {
    if (output.kind === 'table' && output.table === table) return { table, version: output.version }
  }
  throw new TaskInputMissingError(task, `a version of ${table}`)
}

function outputsFor(run: Run, task: Task): TaskOutput[] {
  return task.planned.needs.flatMap((need) => run.tasks.get(need)?.output ?? [])
}
