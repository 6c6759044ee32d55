import type { Delivery, Sender } from 'rhea'
import rhea from 'rhea'
import { accepted, internalsOf, rejected, type AmqpMessage, type Outcome } from './amqp.ts'
import type { Entity, Lock, Settlement, StoredMessage, Taker } from './entity.ts'
import { lockLost } from './errors.ts'
import { delayed, type PendingFaults } from './faults.ts'

/** A link that a peer receives on: hands out messages while it has credit, and settles them. */
export type ConsumerLink = {
  readonly taker: Taker
  readonly entity: Entity
  /** The peer gave credit. */
  onFlow(): void
  /** The peer wants its credit back. */
  onDrain(): void
  /** Does what the peer says about a delivery. Undefined: not one of ours. */
  settle(delivery: Delivery): Outcome | undefined
}

/** Sent settled: the peer need not say what became of it. Source: AMQP 1.0, snd-settle-mode `settled` */
const SEND_SETTLED = 1

export function createConsumerLink(link: Sender, entity: Entity, faults: PendingFaults): ConsumerLink {
  const inside = internalsOf(link)
  const tokens = new WeakMap<Delivery, string>()
  const isDestructive = inside.remote.attach.snd_settle_mode === SEND_SETTLED
  let [issued, isDraining] = [0, false]

  // rhea answers a drain only if credit is left, and lets the peer wait for ever where a message has just used it up.
  inside._get_drain = () => {
    if (!inside._draining) return false
    inside.delivery_count += inside.credit
    inside.credit = 0
    issued = inside.delivery_count
    isDraining = false
    inside._draining = false
    return true
  }

  const taker: Taker = {
    isDestructive,
    // Counted here: rhea lowers the credit only when the frame has gone out.
    hasRoom: () => !isDraining && link.is_open() && inside.delivery_count + inside.credit > issued,
    take(stored, lock) {
      issued += 1
      delayed(faults, () => {
        if (!link.is_open()) return
        const tag = lock && Buffer.from(lock.token, 'hex')
        const delivery = link.send(onTheWire(stored, lock) as never, tag)
        if (lock !== undefined) tokens.set(delivery, lock.token)
      })
    },
  }
  return {
    taker,
    entity,
    onFlow: () => entity.kick(),
    onDrain() {
      isDraining = true
      inside._drained = true
      inside.issue_flow = true
    },
    settle(delivery) {
      const token = tokens.get(delivery)
      const settlement = token === undefined ? undefined : settlementOf(delivery)
      if (token === undefined || settlement === undefined) return undefined
      // Success is always "accepted": the client takes an echoed error for its own.
      return entity.settle(token, settlement) ? accepted() : rejected(lockLost)
    },
  }
}

type RemoteState = {
  readonly constructor: { readonly composite_type?: string }
  readonly undeliverable_here?: boolean
  readonly message_annotations?: Readonly<Record<string, unknown>>
  readonly error?: { readonly info?: Readonly<Record<string, unknown>> }
}

/** What a disposition means to Service Bus. Deferring (modified, undeliverable here) is not supported. */
function settlementOf({ remote_state }: Delivery): Settlement | undefined {
  const state = remote_state as RemoteState | undefined
  switch (state?.constructor.composite_type) {
    case 'accepted':
      return { kind: 'complete' }
    case 'rejected':
      return { kind: 'dead-letter', reason: withoutNulls(state.error?.info) }
    case 'modified':
      return state.undeliverable_here === true ? undefined : { kind: 'abandon', modify: state.message_annotations }
    case 'released':
      return { kind: 'abandon' }
    default:
      return undefined
  }
}

function withoutNulls(fields: Readonly<Record<string, unknown>> = {}): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== null && value !== undefined))
}

/**
 * A message with what the broker adds to it.
 * @param lock undefined where it is only looked at
 * Source: Service Bus' message annotations, `x-opt-…`
 */
export function onTheWire({ message, sequence, enqueuedAt, deliveryCount }: StoredMessage, lock?: Lock): AmqpMessage {
  return {
    ...message,
    delivery_count: deliveryCount,
    message_annotations: {
      ...message.message_annotations,
      'x-opt-sequence-number': rhea.types.wrap_long(sequence),
      'x-opt-enqueue-sequence-number': rhea.types.wrap_long(sequence),
      'x-opt-enqueued-time': new Date(enqueuedAt),
      'x-opt-message-state': rhea.types.wrap_int(0),
      ...(lock === undefined ? {} : { 'x-opt-locked-until': new Date(lock.until) }),
    },
  }
}
