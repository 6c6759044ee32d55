import type { Delivery, MessageBus } from '@cinelake/bus'
import type { Event } from '@cinelake/contracts'
import { TerminalError, type Clock, type Log } from '@cinelake/core'
import type { Agents } from '@cinelake/run-store/write'
import { setTimeout as pause } from 'node:timers/promises'
import { inputOf } from '../decide/decision.ts'
import type { Timers } from '../timers/timers.ts'
import { startInterval } from './interval.ts'
import type { RunProcessor } from './run-processor.ts'
import { EVENTS, SUBSCRIPTION, sweep, type SweepDeps } from './sweep.ts'

export type EventConsumerDeps = Omit<SweepDeps, 'graceMs' | 'bus'> & {
  readonly bus: Pick<MessageBus, 'subscribe' | 'deadLetters' | 'discard'>
  readonly timers: Pick<Timers, 'consume'>
  readonly agents: Pick<Agents, 'note'>
  readonly sweepMs: number
}

/** Events processed at once. Events of one run are decided together, whatever this number is. */
const EVENT_CONCURRENCY = 64
/** Milliseconds that an event is held before it is abandoned: the first time, and at most. */
const HOLD_MS = 100
const HOLD_AT_MOST_MS = 15_000

/** Consumes external inputs: timers, sweep ticks and events. */
export async function startEventConsumer(deps: EventConsumerDeps): Promise<AsyncDisposableStack> {
  const { bus, timers, log, processor, sweepMs } = deps
  await using starting = new AsyncDisposableStack()
  starting.use(
    await timers.consume('task', async ({ run, task, generation, attempt }) => {
      await processor.submit(run, [{ kind: 'due', task, generation, attempt }])
    }),
  )
  // Runs in this process rather than by a timer, since it has to find lost timers.
  starting.use(startInterval('sweep', sweepMs, () => sweep({ ...deps, graceMs: sweepMs }), log))
  const onEvent = (event: Event, delivery: Delivery) => takeEvent(deps, event, delivery)
  starting.use(await bus.subscribe(SUBSCRIPTION, onEvent, { concurrency: EVENT_CONCURRENCY }))
  log.debug({ entity: EVENTS }, 'events are taken')
  return starting.move()
}

type Taking = {
  readonly processor: RunProcessor
  readonly agents: Pick<Agents, 'note'>
  readonly clock: Clock
  readonly log: Log
}

async function takeEvent(
  { processor, agents, clock, log }: Taking,
  event: Event,
  { signal, deliveryCount }: Delivery,
): Promise<void> {
  try {
    if (event.kind === 'agent.heartbeat') return await agents.note(event, clock())
    const run = await processor.submit(event.run, [inputOf(event)])
    if (run === undefined) log.warn({ run: event.run, task: event.task }, 'event of a run that is not in the history')
  } catch (error) {
    // Abandoned at once, it would be redelivered at once: one minute without the database would exhaust the delivery
    // count of every event.
    const holdMs = Math.min(HOLD_AT_MOST_MS, HOLD_MS * 2 ** (deliveryCount - 1))
    if (!(error instanceof TerminalError)) await pause(holdMs, undefined, { signal }).catch(() => undefined)
    throw error
  }
}
