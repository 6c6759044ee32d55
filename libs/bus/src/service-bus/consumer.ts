import type { ServiceBusReceivedMessage, ServiceBusReceiver } from '@azure/service-bus'
import { CancelledError, reportError, Semaphore, type PipelineError } from '@cinelake/core'
import type { Consumer } from '../bus.ts'
import { tooOften, workOn, type Lease, type LeaseWork, type Reason } from '../lease.ts'
import type { Traced } from '../tracing.ts'
import { closeInTime } from './client.ts'
import { isLockLost, translateBusError, type Attempt } from './errors.ts'
import { keepLock, type KeptLock } from './lock.ts'
import { bodyText, deadLetterOptions, traceContextOf } from './message.ts'
import { createSettlementGate, type Settle, type SettlementGate, settleMessage, type Settling } from './settlement.ts'

export type ServiceBusConsumerSettings<Message> = LeaseWork<Message> & LinkSettings

type LinkSettings = Pick<LeaseWork<unknown>, 'entity' | 'log'> & {
  /** In peek-lock mode, without the library's lock renewal. */
  readonly receiver: ServiceBusReceiver
  readonly concurrency: number
  readonly lockMs: number
  readonly maxDeliveryCount: number
}

/**
 * Receives messages under a lock, renews the lock while the handler works, and settles according to the result.
 * Disposing stops receiving, aborts the handlers' signals, abandons messages that were not begun, waits, and only then
 * closes the link, which the settlements need.
 */
export function startServiceBusConsumer<Message extends Traced>(
  settings: ServiceBusConsumerSettings<Message>,
): Consumer {
  const { receiver, concurrency, entity, log } = settings
  const stop = new AbortController()
  const gate = createSettlementGate()
  const permits = new Semaphore(concurrency)
  const credit = createCreditCount(concurrency)
  const running = new Set<Promise<void>>()

  const take = async (message: ServiceBusReceivedMessage) => {
    using lock = lockOf(message, settings)
    const lease = leaseOf(message, lock, gate, settings)
    using permit = await permits.acquire(AbortSignal.any([stop.signal, lock.lost])).catch(() => undefined)
    try {
      if (permit !== undefined && !stop.signal.aborted) await workOn(lease, stop.signal, settings)
      else await lease.giveBack(reportError(new CancelledError('message')))
    } catch (error) {
      // Settling failed for good. The broker recovers: the lock expires, and the message is redelivered.
      log.warn({ entity, error: reportError(error) }, 'message could not be settled; it comes again')
    }
  }

  const subscription = receiver.subscribe(
    {
      async processMessage(message) {
        credit.onTaken()
        const work = take(message)
        running.add(work)
        await work.finally(() => running.delete(work))
        await credit.onDone()
      },
      async processError({ error }) {
        const translated = translateBusError(error, { entity, doing: `receive from ${entity}`, role: 'receive' })
        report(translated, settings)
      },
    },
    // The signal only ends the link's own waiting: for a connection, or for the next retry.
    { autoCompleteMessages: false, maxConcurrentCalls: concurrency, abortSignal: stop.signal },
  )
  return {
    async [Symbol.asyncDispose]() {
      stop.abort()
      await closeInTime(subscription)
      while (running.size > 0) await Promise.all(running)
      await closeInTime(receiver)
    },
  }
}

/** A consumer keeps retrying; a problem that needs an operator is logged as an error. */
function report(error: PipelineError, { log, entity }: LinkSettings): void {
  const { code, message } = reportError(error)
  const facts = { entity, code, error: message }
  if (code === 'BUS_UNAVAILABLE') log.warn(facts, 'messages cannot be received now')
  else log.error(facts, 'messages cannot be received')
}

function lockOf(message: ServiceBusReceivedMessage, settings: LinkSettings): KeptLock {
  const { receiver, entity, lockMs, log } = settings
  return keepLock({
    entity,
    deliveryCount: deliveryCountOf(message),
    lockedUntil: message.lockedUntilUtc,
    lockMs,
    renew: () => receiver.renewMessageLock(message),
    log,
  })
}

function leaseOf(
  message: ServiceBusReceivedMessage,
  { lost }: KeptLock,
  gate: SettlementGate,
  { receiver, entity, maxDeliveryCount }: LinkSettings,
): Lease {
  const deliveryCount = deliveryCountOf(message)
  const settle = async (how: Settling, run: Settle): Promise<boolean> => {
    try {
      return await gate.pass(how, () => settleMessage(receiver, message, lost, run))
    } catch (error) {
      if (isLockLost(error)) return false
      const attempt: Attempt = { entity, doing: `${how} a message`, role: 'receive' }
      throw translateBusError(error, attempt)
    }
  }
  const deadLetter = (reason: Reason) =>
    settle('dead-letter', (it) => receiver.deadLetterMessage(it, deadLetterOptions(reason, deliveryCount)))
  return {
    text: bodyText(message),
    sentIn: traceContextOf(message),
    deliveryCount,
    lost,
    complete: () => settle('complete', (it) => receiver.completeMessage(it)),
    deadLetter,
    // Checked here and not by the broker, whose dead letter would not have the last error.
    giveBack: (reason) =>
      deliveryCount >= maxDeliveryCount
        ? deadLetter(tooOften(deliveryCount, reason))
        : settle('abandon', (it) => receiver.abandonMessage(it)),
  }
}

/** The broker counts unsuccessful deliveries. */
function deliveryCountOf({ deliveryCount = 0 }: ServiceBusReceivedMessage): number {
  return deliveryCount + 1
}

/**
 * Keeps the credit of a link at the configured concurrency. When a connection is lost while handlers work, the client
 * library gives the new link full credit, and one more for every old handler that ends: each connection loss would
 * leave more messages in this process than allowed. So for each excess message one call is left pending, since
 * completing a call is how credit is given.
 */
function createCreditCount(agreed: number): { onTaken(): void; onDone(): Promise<void> } {
  let [taken, surplus] = [0, 0]
  return {
    onTaken() {
      taken += 1
      if (taken > agreed + surplus) surplus += 1
    },
    async onDone() {
      taken -= 1
      if (surplus === 0) return
      surplus -= 1
      await new Promise<never>(() => {})
    },
  }
}
