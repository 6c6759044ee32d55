import type { MessageBus } from '@cinelake/bus'
import { Command, Event } from '@cinelake/contracts'
import { reportError, type Clock, type Log } from '@cinelake/core'
import { isUnsent, type Task } from '@cinelake/run-store'
import type { RunStore } from '@cinelake/run-store/write'
import { inputOf, type TaskTimeouts, type TaskInput } from '../decide/decision.ts'
import { tryOf, type EffectDispatcher } from './dispatch-effects.ts'
import type { RunProcessor } from './run-processor.ts'

/** The subscription of the events topic that all schedulers share, and the source of dead-lettered events. */
export const SUBSCRIPTION = 'scheduler'
export const EVENTS = `events/${SUBSCRIPTION}`

export type SweepDeps = {
  readonly bus: Pick<MessageBus, 'deadLetters' | 'discard'>
  readonly store: Pick<RunStore, 'load' | 'unfinished'>
  readonly processor: RunProcessor
  readonly effects: Pick<EffectDispatcher, 'send' | 'setTimers'>
  readonly begin: (runId: string) => Promise<void>
  readonly timeouts: TaskTimeouts
  /** Milliseconds from one sweep to the next. Work older than this was left behind by a process that is gone. */
  readonly graceMs: number
  readonly clock: Clock
  readonly log: Log
}

/**
 * Finds work that was left behind: commands that a replica noted but did not send, lost timers, runs that can start,
 * dead-lettered commands, and events that were dead-lettered while the database was down. Idempotent, also in several
 * replicas at once.
 */
export async function sweep(deps: SweepDeps): Promise<void> {
  const unfinished = await deps.store.unfinished()
  if (unfinished.length > 0) await attempt(deps, { entity: EVENTS }, () => takeUpEvents(deps))
  const given: GivenUp = { queues: new Set(), byRun: new Map() }
  for (const { id, state } of unfinished) {
    await attempt(deps, { run: id }, () => (state === 'waiting' ? deps.begin(id) : sweepRun(deps, id, given)))
  }
}

/** One item that cannot be swept does not block the others. */
async function attempt(
  { log }: SweepDeps,
  facts: Readonly<Record<string, string>>,
  work: () => Promise<void>,
): Promise<void> {
  try {
    await work()
  } catch (error) {
    log.warn({ ...facts, error: reportError(error) }, 'was not swept; the next sweep tries again')
  }
}

/** A worker's report counts, however often writing it down failed. */
async function takeUpEvents(deps: SweepDeps): Promise<void> {
  const { bus, processor, log } = deps
  for (const { id, reason, body } of await bus.deadLetters(EVENTS)) {
    const event = Event.safeParse(body).data
    // An unreadable message is left for an operator.
    if (event === undefined) continue
    if (event.kind === 'agent.heartbeat') {
      // The next heartbeat says more.
      await attempt(deps, { worker: event.worker }, async () => void (await bus.discard(EVENTS, id)))
      continue
    }
    const facts = { run: event.run, task: event.task }
    await attempt(deps, facts, async () => {
      await processor.submit(event.run, [inputOf(event)])
      await bus.discard(EVENTS, id)
      log.info({ ...facts, reason }, 'event was taken up again')
    })
  }
}

/** Dead letters found so far: each queue is read once per sweep. */
type GivenUp = { readonly queues: Set<string>; readonly byRun: Map<string, TaskInput[]> }

async function sweepRun(deps: SweepDeps, id: string, given: GivenUp): Promise<void> {
  const run = (await deps.store.load(id))?.run
  if (run === undefined) return
  const now = deps.clock().getTime()
  const isLeft = (dueAt: string | null, waitMs: number) =>
    dueAt !== null && Date.parse(dueAt) - waitMs + deps.graceMs < now

  const tasks = [...run.tasks.values()]
  const unsent = tasks.filter((task) => isUnsent(task) && isLeft(task.dueAt, deps.timeouts.scheduleToStartMs))
  if (unsent.length > 0) await deps.effects.send(run, unsent)
  await deps.effects.setTimers(run, soonDue(tasks, now, deps.graceMs))

  const open = tasks.filter(({ state }) => state === 'queued' || state === 'running')
  for (const queue of new Set(open.map((task) => task.planned.queue))) await readDeadLetters(deps, queue, given)
  const due = tasks.filter((task) => isLeft(task.dueAt, 0)).map((task) => ({ kind: 'due', ...tryOf(task) }) as const)
  const inputs = [...due, ...(given.byRun.get(id) ?? [])]
  if (inputs.length > 0) await deps.processor.submit(id, inputs)
}

/**
 * Tasks whose timer is set again, in case it was lost: those due before the sweep after the next one. So a lost timer
 * is late only if it was due soon, and few timers are set twice.
 */
function soonDue(tasks: readonly Task[], now: number, graceMs: number): Task[] {
  return tasks.filter(({ dueAt }) => {
    const dueInMs = dueAt === null ? -1 : Date.parse(dueAt) - now
    return dueInMs > 0 && dueInMs <= 2 * graceMs
  })
}

async function readDeadLetters({ bus }: SweepDeps, queue: string, given: GivenUp): Promise<void> {
  if (given.queues.has(queue)) return
  given.queues.add(queue)
  for (const letter of await bus.deadLetters(queue)) {
    const command = Command.safeParse(letter.body)
    // A message that does not name its task is left for an operator.
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
