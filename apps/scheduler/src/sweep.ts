import type { MessageBus } from '@cinelake/bus'
import { Command } from '@cinelake/contracts'
import { reportError, type Clock, type Log } from '@cinelake/core'
import { tryOf, type CarryOut } from './carry-out.ts'
import type { Patience, TaskInput } from './decision.ts'
import type { OpsStore } from './ops-store.ts'
import type { RunDesk } from './run-desk.ts'
import { isUnsent } from './run-state.ts'

export type SweepDeps = {
  readonly bus: Pick<MessageBus, 'deadLetters'>
  readonly store: Pick<OpsStore, 'load' | 'unfinished'>
  readonly desk: RunDesk
  readonly carryOut: Pick<CarryOut, 'send'>
  readonly begin: (runId: string) => Promise<void>
  readonly patience: Patience
  /** Milliseconds. What is older than this was left behind: whoever should have done it is gone. */
  readonly graceMs: number
  readonly clock: Clock
  readonly log: Log
}

/**
 * Finds what was left behind: commands that a replica noted but did not send, alarms that went with it, runs whose turn
 * has come, and commands that the broker gave up on. Doing it twice, or in several replicas at once, does no harm.
 */
export async function sweep(deps: SweepDeps): Promise<void> {
  const given: GivenUp = { queues: new Set(), byRun: new Map() }
  for (const { id, state } of await deps.store.unfinished()) {
    try {
      if (state === 'waiting') await deps.begin(id)
      else await sweepRun(deps, id, given)
    } catch (error) {
      deps.log.warn({ run: id, error: reportError(error) }, 'run was not swept; the next sweep tries again')
    }
  }
}

/** What was found in dead letters so far: each queue is looked at once per sweep. */
type GivenUp = { readonly queues: Set<string>; readonly byRun: Map<string, TaskInput[]> }

async function sweepRun(deps: SweepDeps, id: string, given: GivenUp): Promise<void> {
  const run = (await deps.store.load(id))?.run
  if (run === undefined) return
  const now = deps.clock().getTime()
  const isLeft = (dueAt: string | null, waitMs: number) =>
    dueAt !== null && Date.parse(dueAt) - waitMs + deps.graceMs < now

  const tasks = [...run.tasks.values()]
  const unsent = tasks.filter((task) => isUnsent(task) && isLeft(task.dueAt, deps.patience.queuedMs))
  if (unsent.length > 0) await deps.carryOut.send(run, unsent)

  const open = tasks.filter(({ state }) => state === 'queued' || state === 'running')
  for (const queue of new Set(open.map((task) => task.planned.queue))) await readDeadLetters(deps, queue, given)
  const due = tasks.filter((task) => isLeft(task.dueAt, 0)).map((task) => ({ kind: 'due', ...tryOf(task) }) as const)
  const inputs = [...due, ...(given.byRun.get(id) ?? [])]
  if (inputs.length > 0) await deps.desk.submit(id, inputs)
}

async function readDeadLetters({ bus }: SweepDeps, queue: string, given: GivenUp): Promise<void> {
  if (given.queues.has(queue)) return
  given.queues.add(queue)
  for (const letter of await bus.deadLetters(queue)) {
    const command = Command.safeParse(letter.body)
    // What does not say which task it is about is for people to look at.
    if (!command.success) continue
    const { run, task, generation, attempt } = command.data
    const error = {
      code: letter.reason,
      message: `the broker gave the command up after ${letter.deliveryCount} deliveries: ${letter.description}`,
      retryable: false,
      context: { queue, message: letter.id },
    }
    given.byRun.set(run, [...(given.byRun.get(run) ?? []), { kind: 'refused', task, generation, attempt, error }])
  }
}
