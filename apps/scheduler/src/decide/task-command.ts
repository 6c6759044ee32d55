import {
  CONTRACT_VERSION,
  type Command,
  type KnownVersion,
  type TableVersion,
  type TaskOutput,
} from '@cinelake/contracts'
import type { Run, Task } from '@cinelake/run-store'
import { taskErrors } from './errors.ts'

/**
 * The command for a queued task. Everything that it names exists: the task's dependencies have succeeded.
 * @throws {TASK_INPUT_MISSING} terminal: the plan lacks an input of the task
 * @param id new for every message, also when the same attempt is sent again
 * @param expected the known version of the table that the task writes, and of the table of its rejected rows
 */
export function commandFor(run: Run, task: Task, id: string, expected: Expected = {}): Command {
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
  const { table: made, rejects } = expected
  const known = {
    ...(made === undefined ? {} : { expected: made }),
    ...(rejects === undefined ? {} : { expectedRejects: rejects }),
  }

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
      return {
        kind: 'refine',
        ...header,
        dataset: work.dataset,
        manifest: manifestOf(run, task),
        ...known,
        ...restartOf(run, task),
      }
    case 'build':
      return {
        kind: 'build',
        ...header,
        model: work.model,
        inputs: work.inputs.map((table) => versionOf(run, task, table)),
        ...known,
        ...restartOf(run, task),
      }
    default: {
      const { table, version, id: tableId } = versionOf(run, task, work.table)
      return { kind: 'load', ...header, table, version, ...(tableId === undefined ? {} : { tableId }) }
    }
  }
}

type Expected = { readonly table?: KnownVersion | undefined; readonly rejects?: KnownVersion | undefined }

const restartOf = ({ redo }: Run, { restart, planned }: Task) => ({
  ...(restart ? { restart } : {}),
  ...(redo?.restartIfLost?.includes(planned.name) === true ? { restartIfLost: true } : {}),
})

function manifestOf(run: Run, task: Task): string {
  for (const output of outputsFor(run, task)) if (output.kind === 'landed') return output.manifest
  throw taskErrors.TASK_INPUT_MISSING(task, 'a manifest')
}

function versionOf(run: Run, task: Task, table: string): TableVersion {
  for (const output of outputsFor(run, task)) {
    if (output.kind !== 'table' || output.table !== table) continue
    const { version, id } = output
    return { table, version, ...(id === undefined ? {} : { id }) }
  }
  throw taskErrors.TASK_INPUT_MISSING(task, `a version of ${table}`)
}

function outputsFor(run: Run, task: Task): TaskOutput[] {
  return task.planned.needs.flatMap((need) => run.tasks.get(need)?.facts.output ?? [])
}
