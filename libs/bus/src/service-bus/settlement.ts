import Long from 'long'
import type { ServiceBusReceivedMessage, ServiceBusReceiver } from '@azure/service-bus'
import { setTimeout as pause } from 'node:timers/promises'

/** How a message is settled through the client library. */
export type Settle = (message: ServiceBusReceivedMessage) => Promise<void>

/** The link of a received message: the client library has it as an internal property. */
type Received = { readonly delivery?: { readonly link?: { is_open(): boolean } } }

/**
 * Milliseconds between two checks of a link that a settlement went out on, and between two attempts to reach the
 * broker.
 */
const LOOK_MS = 200
/** Milliseconds that one attempt to reach the broker may take. */
const REACH_MS = 5000

/**
 * Settles a message over its original link; when that link is gone, by its lock token, which stays valid after a
 * connection loss for as long as the lock does.
 *
 * The client library intends to do the same, but mistakes the new link for the old one, and then waits for an answer to
 * a request that is never sent (7.9.5: the receiver stays in the connection's list under the old link's name).
 * @returns false: the lock was lost before the broker was reached
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

/** @returns false: the link closed meanwhile, and it is unknown whether the broker received the settlement */
async function overLink(message: ServiceBusReceivedMessage, settle: Settle): Promise<boolean> {
  const settled = settle(message).then(() => true)
  // It may keep retrying after its result is ignored.
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
 * Waits until the broker answers again. Uses a peek, the only request that can be aborted: a settlement during an
 * outage would block for more than a minute.
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

/** In the form of deferred messages, which have no link: the client library settles them by lock token. */
function withoutLink(message: ServiceBusReceivedMessage): ServiceBusReceivedMessage {
  const byToken: ServiceBusReceivedMessage & Received = { ...message, delivery: {} }
  return byToken
}

/** How a message is settled. */
export type Settling = 'complete' | 'abandon' | 'dead-letter'

/** Serialises settlements of one link. */
export type SettlementGate = {
  /** Begins the settlement in its turn. The next one waits for the turn, not for the broker's answer. */
  pass<T>(how: Settling, settle: () => Promise<T>): Promise<T>
}

/**
 * Separates settlements that must not be sent in one turn of the event loop.
 *
 * rhea, the AMQP library below `@azure/service-bus`, writes the settlements of one turn as one frame for a range of
 * deliveries, and gives a range of two the outcome of the first: `complete` beside `dead-letter` completes both, and a
 * message is lost without an error (rhea 2.0.8 to 3.0.5, session.js, write_dispositions). Completions may share a turn;
 * anything else gets a turn of its own.
 */
export function createSettlementGate(): SettlementGate {
  let last: Settling | undefined
  let turn: Promise<void> = Promise.resolve()
  const follow = async (before: Promise<void>, how: Settling) => {
    await before
    if (how !== 'complete' || last !== 'complete') await nextTurn()
    last = how
  }
  return {
    async pass(how, settle) {
      turn = follow(turn, how)
      await turn
      return await settle()
    },
  }
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => void setImmediate(resolve))
}
