import { CancelledError, type Log, PipelineError, reportError, TerminalError } from '@cinelake/core'
import type { Consumer, MessageHandler } from './bus.ts'
import type { Codec } from './codec.ts'
import type { Entity, Lease } from './memory-entity.ts'
import type { Timers } from './timers.ts'

/** Characters. Service Bus cuts descriptions of dead letters there. Source: learn.microsoft.com/azure/service-bus-messaging/service-bus-quotas */
const MAX_DESCRIPTION_LENGTH = 4096

export type ConsumerSettings<Message> = {
  readonly entity: Entity
  readonly codec: Codec<Message>
  readonly handler: MessageHandler<Message>
  readonly concurrency: number
  readonly timers: Timers
  readonly lockMs: number
  readonly log: Log
}

/** Takes messages under a lock, keeps the lock while the handler works, and settles by how the handler ended. */
export function startConsumer<Message>(settings: ConsumerSettings<Message>): Consumer {
  const stop = new AbortController()
  const loops = Array.from({ length: settings.concurrency }, () => takeUntil(stop.signal, settings))
  return {
    async [Symbol.asyncDispose]() {
      stop.abort()
      await Promise.all(loops)
    },
  }
}

async function takeUntil<Message>(stop: AbortSignal, settings: ConsumerSettings<Message>): Promise<void> {
  for (;;) {
    const lease = await settings.entity.receive(stop)
    if (lease === undefined) return
    if (stop.aborted) lease.giveBack(reportError(new CancelledError('message')))
    else await work(lease, stop, settings)
  }
}

async function work<Message>(lease: Lease, stop: AbortSignal, settings: ConsumerSettings<Message>): Promise<void> {
  const { codec, handler, log, entity } = settings
  const { deliveryCount } = lease
  const stopRenewing = keepRenewing(lease, settings)
  try {
    await handler(codec.decode(lease.text), { signal: AbortSignal.any([stop, lease.lost]), deliveryCount })
    if (!lease.complete()) log.warn({ entity: entity.name, deliveryCount }, 'message was done after its lock was lost')
  } catch (error) {
    const { code, message } = reportError(error)
    const reason = { code, message: message.slice(0, MAX_DESCRIPTION_LENGTH) }
    const isTerminal = error instanceof TerminalError
    if (isTerminal) lease.deadLetter(reason)
    else lease.giveBack(reason)
    const facts = { entity: entity.name, deliveryCount, code, error: message }
    if (isTerminal) log.error(facts, 'message was dead-lettered')
    else log.warn(error instanceof PipelineError ? facts : { ...facts, err: error }, 'message was given back')
  } finally {
    stopRenewing()
  }
}

/** Renews at half the lock's time, so that one late timer does no harm. */
function keepRenewing(
  lease: Lease,
  { timers, lockMs }: Pick<ConsumerSettings<unknown>, 'timers' | 'lockMs'>,
): () => void {
  let cancel = () => {}
  const next = () => {
    cancel = timers.after(lockMs / 2, () => {
      if (lease.renew()) next()
    })
  }
  next()
  return () => cancel()
}
