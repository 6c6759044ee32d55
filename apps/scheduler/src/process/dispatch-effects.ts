import type { MessageBus } from '@cinelake/bus'
import { PipelineError, reportError, type Clock, type Log } from '@cinelake/core'
import {
  isRunFinished,
  isUnsent,
  rejectsOf,
  shownFacts,
  tableWrittenBy,
  type Run,
  type ShownFacts,
  type Task,
  type Try,
} from '@cinelake/run-store'
import type { RunStore } from '@cinelake/run-store/write'
import { context } from '@opentelemetry/api'
import type { Decision, Input } from '../decide/decision.ts'
import type { Timers } from '../timers/timers.ts'
import { contextOf, endRunTrace } from './run-trace.ts'
import {
  CONTRACT_VERSION,
  type Command,
  type KnownVersion,
  type TableVersion,
  type TaskOutput,
} from '@cinelake/contracts'
import { taskErrors } from '../errors.ts'

/** A change of a run, published after it is durable. */
export type RunChange = {
  readonly run: Run
  /** Tasks that are new or whose state or attempt changed, with the facts that readers get. */
  readonly tasks: readonly (Task & ShownFacts)[]
}

export type EffectDispatcherDeps = {
  readonly bus: Pick<MessageBus, 'send'>
  readonly store: Pick<RunStore, 'markSent' | 'known'>
  readonly timers: Pick<Timers, 'set' | 'clear'>
  readonly clock: Clock
  readonly log: Log
  readonly newId: () => string
  /** Redacts secrets before errors are written to the history. */
  readonly redact?: ((text: string) => string) | undefined
  /** Submits follow-up inputs of a dispatch; not awaited. */
  readonly enqueueFollowUp: (runId: string, inputs: readonly Input[]) => void
  /** Called with each change after it is durable. */
  readonly onChange: (change: RunChange) => void
}

export type EffectDispatcher = {
  /** Sends the effects of a decision to the bus and the timers. Effects that fail stay in the outbox, for the sweep. */
  readonly dispatch: (before: Run, decision: Decision) => Promise<Run>
  /** Sends the outbox commands of these tasks. @returns the run with the commands that were sent */
  readonly send: (run: Run, tasks: readonly Task[]) => Promise<Run>
  /** Sets the timers of these tasks, and removes those of tasks that wait for nothing. */
  readonly setTimers: (run: Run, tasks: readonly Task[]) => Promise<void>
}

export function createEffectDispatcher(deps: EffectDispatcherDeps): EffectDispatcher {
  const send = async (run: Run, tasks: readonly Task[]): Promise<Run> => {
    const unsent = tasks.filter(isUnsent)
    const known = await knownBefore(deps, run, unsent)
    if (known === undefined) return run
    const answers = await Promise.all(unsent.map((task) => sendOne(deps, run, task, known)))
    const sent = unsent.filter((_, index) => answers[index])
    if (sent.length === 0) return run
    const at = deps.clock()
    try {
      await deps.store.markSent(run.id, sent, at)
    } catch (error) {
      deps.log.warn(
        { run: run.id, error: reportError(error) },
        'commands were sent but not noted as sent; they may be sent twice',
      )
    }
    const marked = new Map(run.tasks)
    for (const task of sent) marked.set(task.planned.name, { ...task, sentAt: at.toISOString() })
    return { ...run, tasks: marked }
  }

  const setTimers = async (run: Run, tasks: readonly Task[]): Promise<void> => {
    for (const task of tasks) {
      const key = `task ${run.id} ${task.planned.name}`
      if (task.dueAt === null) await deps.timers.clear('task', key)
      else await deps.timers.set(key, new Date(task.dueAt), { kind: 'task', run: run.id, ...tryOf(task) })
    }
  }

  return {
    send,
    setTimers,
    async dispatch(before, { run, changes, commands, timers }) {
      const idle = changes.filter((task) => task.dueAt === null && before.tasks.get(task.planned.name)?.dueAt != null)
      try {
        await setTimers(run, [...timers, ...idle])
      } catch (error) {
        deps.log.warn({ run: run.id, error: reportError(error) }, 'timers were not set; the sweep finds what is due')
      }
      const after = await send(run, commands)
      report(deps, before, run, changes)
      return after
    },
  }
}

export function tryOf(task: Task): Try {
  return { task: task.planned.name, generation: task.generation, attempt: task.attempt }
}

type Known = Awaited<ReturnType<RunStore['known']>>

/** The known version of the tables that tasks write; undefined while the lookup fails. */
async function knownBefore(
  { store, log }: EffectDispatcherDeps,
  run: Run,
  tasks: readonly Task[],
): Promise<Known | undefined> {
  const names = tasks.flatMap((task) => {
    const name = tableWrittenBy(task)
    return name === undefined ? [] : [name, rejectsOf(name)]
  })
  try {
    return names.length === 0 ? new Map() : await store.known(run.pipeline, names)
  } catch (error) {
    log.warn({ run: run.id, error: reportError(error) }, 'commands were not sent; they stay in the outbox')
    return undefined
  }
}

/** @returns whether the bus accepted it */
async function sendOne(deps: EffectDispatcherDeps, run: Run, task: Task, known: Known): Promise<boolean> {
  const facts = { run: run.id, task: task.planned.name, attempt: task.attempt }
  try {
    const name = tableWrittenBy(task) ?? ''
    const expected = { table: known.get(name), rejects: known.get(rejectsOf(name)) }
    const command = commandFor(run, task, deps.newId(), expected)
    await context.with(contextOf(run), () => deps.bus.send(task.planned.queue, command))
    deps.log.debug(facts, 'command sent')
    return true
  } catch (error) {
    const report = reportError(error, deps.redact)
    if (error instanceof PipelineError && !error.retryable) {
      deps.log.error({ ...facts, error: report }, 'command cannot be sent; the task fails')
      deps.enqueueFollowUp(run.id, [{ kind: 'refused', ...tryOf(task), error: report }])
      return false
    }
    deps.log.warn({ ...facts, error: report }, 'command was not taken by the bus; it stays in the outbox')
    return false
  }
}

function report({ log, onChange }: EffectDispatcherDeps, before: Run, run: Run, tasks: readonly Task[]): void {
  for (const task of tasks) {
    const facts = { run: run.id, task: task.planned.name, attempt: task.attempt }
    if (task.state === 'failed') log.error({ ...facts, error: task.facts.error }, 'task failed')
    else if (task.state === 'retrying')
      log.warn({ ...facts, error: task.facts.error, dueAt: task.dueAt }, 'task failed and is tried again')
    else log.debug({ ...facts, state: task.state }, 'task moved')
  }
  if (isRunFinished(run) && !isRunFinished(before)) {
    log.info({ run: run.id, state: run.state }, 'run finished')
    endRunTrace(run)
  }
  const moved = tasks.filter((task) => hasMoved(task, before.tasks.get(task.planned.name)))
  onChange({ run, tasks: moved.map((task) => ({ ...task, ...shownFacts(task.facts) })) })
}

/** A task whose result is kept may differ only in its place in the plan. */
function hasMoved(task: Task, before: Task | undefined): boolean {
  return task.state !== before?.state || task.attempt !== before.attempt || task.generation !== before.generation
}

/**
 * The command for a queued task. Everything that it names exists: the task's dependencies have succeeded.
 * @throws {TASK_INPUT_MISSING} terminal: the plan lacks an input of the task
 * @param id new for every message, also when the same attempt is sent again
 * @param expected the known version of the table that the task writes, and of the table of its rejected rows
 */
function commandFor(run: Run, task: Task, id: string, expected: Expected = {}): Command {
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
    case 'deliver':
      return {
        kind: 'deliver',
        ...header,
        delivery: work.delivery,
        inputs: work.tables.map((table) => versionOf(run, task, table)),
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
