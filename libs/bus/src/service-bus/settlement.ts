import type { ServiceBusReceivedMessage, ServiceBusReceiver } from '@azure/service-bus'
import Long from 'long'
import { setTimeout as pause } from 'node:timers/promises'

/** How a message is settled through the client library. */
export type Settle = (message: ServiceBusReceivedMessage) => Promise<void>

/** What a received message holds of the link that it came over; the client library has it without showing it. */
type Received = { readonly delivery?: { readonly link?: { is_open(): boolean } } }

/** Milliseconds between two looks at a link that a settlement went out on, and between two tries to reach the broker. */
const LOOK_MS = 200
/** Milliseconds that one try to reach the broker may take. */
const REACH_MS = 5000

/**
 * Settles a message over the link that it came over; when that link is gone, by its lock token instead, which holds
 * through the loss of a connection for as long as the lock does.
 *
 * The client library means to do that by itself, but takes the new link for the old one, and then waits for an answer to
 * what never leaves (7.9.5: the receiver stays in the connection's list under the old link's name).
 * @returns false: the lock was lost before the broker could be told
 */
export async function settleMessage(
  receiver: ServiceBusReceiver,
  message: ServiceBusReceivedMessage,
  lost: AbortSignal,
  settle: Settle,
): Promise<boolean> {
  if (isLinkOpen(message) && (await overLink(message, settle))) return true
  if (!(await reach(receiver, lost))) return false
  await settle(withoutLink(message))
  return true
}

/** @returns false: the link closed meanwhile, and nobody knows whether the broker heard of it */
async function overLink(message: ServiceBusReceivedMessage, settle: Settle): Promise<boolean> {
  const settled = settle(message).then(() => true)
  // It may go on trying when nobody listens to it any more.
  settled.catch(() => {})
  const closed = Promise.withResolvers<false>()
  const timer = setInterval(() => {
    if (!isLinkOpen(message)) closed.resolve(false)
  }, LOOK_MS)
  try {
    return await Promise.race([settled, closed.promise])
  } finally {
    clearInterval(timer)
  }
}

/**
 * Waits until the broker answers again. By a peek, the one request that can be broken off: a settlement that falls into an
 * outage would be stuck for a minute and more.
 * @returns false: the lock was lost before
 */
async function reach(receiver: ServiceBusReceiver, lost: AbortSignal): Promise<boolean> {
  while (!lost.aborted) {
    const abortSignal = AbortSignal.any([lost, AbortSignal.timeout(REACH_MS)])
    try {
      await receiver.peekMessages(1, { fromSequenceNumber: Long.UONE, abortSignal })
      return true
    } catch {
      await pause(LOOK_MS)
    }
  }
  return false
}

function isLinkOpen(message: ServiceBusReceivedMessage): boolean {
  return (message as Received).delivery?.link?.is_open() ?? false
}

/** In the form of messages that never came over a link (deferred ones): the client library settles them by lock token. */
function withoutLink(message: ServiceBusReceivedMessage): ServiceBusReceivedMessage {
  const byToken: ServiceBusReceivedMessage & Received = { ...message, delivery: {} }
  return byToken
}
