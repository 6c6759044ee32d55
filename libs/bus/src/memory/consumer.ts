import { CancelledError, reportError, type Log } from '@cinelake/core'
import type { Consumer, MessageHandler } from '../bus.ts'
import type { Codec } from '../codec.ts'
import { workOn } from '../lease.ts'
import type { Traced } from '../tracing.ts'
import type { Entity, MemoryLease } from './entity.ts'
import type { Timers } from './timers.ts'

export type ConsumerSettings<Message> = {
  readonly entity: Entity
  readonly codec: Codec<Message>
  readonly handler: MessageHandler<Message>
  readonly concurrency: number
  readonly timers: Timers
  readonly lockMs: number
  readonly log: Log
}

/** Receives messages under a lock, renews the lock while the handler works, and settles according to the result. */
export function startConsumer<Message extends Traced>(settings: ConsumerSettings<Message>): Consumer {
  const stop = new AbortController()
  const loops = Array.from({ length: settings.concurrency }, () => takeUntil(stop.signal, settings))
  return {
    async [Symbol.asyncDispose]() {
      stop.abort()
      await Promise.all(loops)
    },
  }
}

async function takeUntil<Message extends Traced>(
  stop: AbortSignal,
  settings: ConsumerSettings<Message>,
): Promise<void> {
  const { entity, codec, handler, log } = settings
  for (;;) {
    const lease = await entity.receive(stop)
    if (lease === undefined) return
    if (stop.aborted) {
      lease.giveBack(reportError(new CancelledError('message')))
      continue
    }
    const stopRenewing = keepRenewing(lease, settings)
    await workOn(lease, stop, { entity: entity.name, codec, handler, log }).finally(stopRenewing)
  }
}

/** Renews at half the lock duration, so that one late timer does no harm. */
function keepRenewing(
  lease: MemoryLease,
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
