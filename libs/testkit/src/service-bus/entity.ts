import { randomBytes } from 'node:crypto'
import { decode, encode, type AmqpMessage } from './amqp.ts'
import type { Change, Journal, KeptMessage } from './journal.ts'

export type EntitySettings = {
  readonly lockMs: number
  readonly maxDeliveryCount: number
  /** How long a message is kept; Infinity: for ever. */
  readonly timeToLiveMs: number
  readonly deadLetterOnExpiration: boolean
}

export type StoredMessage = {
  readonly sequence: number
  readonly enqueuedAt: number
  readonly expiresAt: number
  /** How often it was handed out without being settled. */
  readonly deliveryCount: number
  readonly message: AmqpMessage
}

/** A lock on a message: its name, hex, and when it ends, as a taker is told. */
export type Lock = { readonly token: string; readonly until: number }

/** Someone who takes messages: a link with credit. */
export type Taker = {
  hasRoom(): boolean
  /** @param lock undefined: the message is gone with this */
  take(stored: StoredMessage, lock: Lock | undefined): void
  readonly isDestructive: boolean
}

export type Settlement =
  | { readonly kind: 'complete' }
  | { readonly kind: 'abandon'; readonly modify?: Properties | undefined }
  | { readonly kind: 'dead-letter'; readonly reason?: Properties | undefined }
type Properties = Readonly<Record<string, unknown>>

type Held = { readonly stored: StoredMessage; readonly until: number }

/** A queue, a subscription, or the dead letters of either. */
export type Entity = {
  readonly path: string
  readonly deadLetters: Entity | undefined
  /** Stores a message. Returns what the journal has to know. */
  accept(message: AmqpMessage, deliveryCount?: number): Change
  join(taker: Taker): void
  leave(taker: Taker): void
  /** Looks whether messages can be handed out, after this turn. */
  kick(): void
  /** False when the lock is not held any more; then nothing was done. */
  settle(token: string, settlement: Settlement): boolean
  /** When the lock ends from now on; undefined when it is not held any more. */
  renew(token: string): number | undefined
  /** Messages by number, locked ones included. */
  peek(fromSequence: number, count: number): StoredMessage[]
  /** Messages, locked ones included. */
  count(): number
  /** How often locks were renewed. */
  renewalCount(): number
  /** From now on takers are told that locks end so soon; they last as long as ever. */
  tellLocks(toldMs: number): void
  /** Lets every lock run out now. Returns how many there were. */
  expireLocks(): number
  close(): void
}

const NEVER: EntitySettings = {
  lockMs: 60_000,
  maxDeliveryCount: Infinity,
  timeToLiveMs: Infinity,
  deadLetterOnExpiration: false,
}

/** An entity with its dead letters, holding what the journal kept of it. */
export function createEntity(path: string, settings: EntitySettings, journal: Journal): Entity {
  const deadLetters = openEntity(`${path}/$DeadLetterQueue`, { ...NEVER, lockMs: settings.lockMs }, journal, undefined)
  return openEntity(path, settings, journal, deadLetters)
}

/**
 * A message is *ready* → *locked* → gone (completed), *ready* again (abandoned, or the lock ran out: that counts), or in
 * the dead letters (dead-lettered, handed out too often, or expired).
 */
function openEntity(path: string, settings: EntitySettings, journal: Journal, deadLetters: Entity | undefined): Entity {
  const { lockMs, maxDeliveryCount, timeToLiveMs, deadLetterOnExpiration } = settings
  const kept = journal.kept.get(path)
  /** Oldest first. */
  let ready: StoredMessage[] = (kept?.messages ?? []).map(fromKept)
  const locked = new Map<string, Held>()
  const takers: Taker[] = []
  let nextSequence = kept?.nextSequence ?? 1
  /** No ready message expires before this. */
  let nextExpiry = soonestExpiry(ready)
  let isKicked = false
  let renewals = 0
  let toldMs = lockMs
  let timer: NodeJS.Timeout | undefined

  const gone = ({ sequence }: StoredMessage): Change => ({ op: 'gone', entity: path, sequence })

  const bury = (stored: StoredMessage, reason: Properties) => {
    const properties = { ...stored.message.application_properties, ...reason }
    const moved = deadLetters?.accept({ ...stored.message, application_properties: properties }, stored.deliveryCount)
    journal.write(moved === undefined ? [gone(stored)] : [gone(stored), moved])
  }

  const expire = (stored: StoredMessage) => {
    if (deadLetterOnExpiration) bury(stored, reasonOf('TTLExpiredException', 'The message expired.'))
    else journal.write([gone(stored)])
  }

  const putBack = (stored: StoredMessage, modify: Properties = {}) => {
    const deliveryCount = stored.deliveryCount + 1
    const message = {
      ...stored.message,
      application_properties: { ...stored.message.application_properties, ...modify },
    }
    const counted = { ...stored, deliveryCount, message }
    if (deliveryCount >= maxDeliveryCount) {
      const words = `Message could not be consumed after ${deliveryCount} delivery attempts.`
      return bury(counted, reasonOf('MaxDeliveryCountExceeded', words))
    }
    const place = ready.findIndex(({ sequence }) => sequence > stored.sequence)
    ready.splice(place === -1 ? ready.length : place, 0, counted)
    nextExpiry = Math.min(nextExpiry, stored.expiresAt)
  }

  /** What a lock holds. Undefined when the lock has ended. */
  const heldBy = (token: string): StoredMessage | undefined => {
    const held = locked.get(token)
    if (held === undefined || held.until > Date.now()) return held?.stored
    locked.delete(token)
    putBack(held.stored)
    return undefined
  }

  const tidy = () => {
    const now = Date.now()
    for (const [token, { stored, until }] of locked) {
      if (until > now) continue
      locked.delete(token)
      putBack(stored)
    }
    if (nextExpiry > now) return
    const expired = ready.filter(({ expiresAt }) => expiresAt <= now)
    ready = ready.filter(({ expiresAt }) => expiresAt > now)
    nextExpiry = soonestExpiry(ready)
    for (const stored of expired) expire(stored)
  }

  const hand = (taker: Taker, stored: StoredMessage) => {
    if (taker.isDestructive) {
      journal.write([gone(stored)])
      return taker.take(stored, undefined)
    }
    // Counted now: should the broker end while the lock is held, the delivery was in vain.
    const deliveryCount = stored.deliveryCount + 1
    journal.write([{ op: 'count', entity: path, sequence: stored.sequence, deliveryCount }])
    const token = randomBytes(16).toString('hex')
    const until = Date.now() + lockMs
    locked.set(token, { stored, until })
    taker.take(stored, { token, until: Date.now() + toldMs })
  }

  /** The next in turn with room for a message. */
  const nextTaker = (): Taker | undefined => {
    const place = takers.findIndex((taker) => taker.hasRoom())
    const [taker] = place === -1 ? [] : takers.splice(place, 1)
    if (taker !== undefined) takers.push(taker)
    return taker
  }

  const dispatch = () => {
    tidy()
    while (ready.length > 0) {
      const taker = nextTaker()
      const stored = taker && ready.shift()
      if (taker === undefined || stored === undefined) break
      hand(taker, stored)
    }
    wakeUpAt(Math.min(nextExpiry, ...[...locked.values()].map(({ until }) => until)))
  }

  const wakeUpAt = (instant: number) => {
    clearTimeout(timer)
    if (instant === Infinity) return
    timer = setTimeout(dispatch, Math.min(Math.max(instant - Date.now(), 1), MAX_TIMER_MS))
    timer.unref()
  }

  const kick = () => {
    if (isKicked) return
    isKicked = true
    setImmediate(() => {
      isKicked = false
      dispatch()
    })
  }

  return {
    path,
    deadLetters,
    accept(message, deliveryCount = 0) {
      const enqueuedAt = Date.now()
      const expiresAt =
        enqueuedAt + Math.min(deadLetters === undefined ? Infinity : (message.ttl ?? Infinity), timeToLiveMs)
      const stored = { sequence: nextSequence++, enqueuedAt, expiresAt, deliveryCount, message }
      ready.push(stored)
      nextExpiry = Math.min(nextExpiry, expiresAt)
      kick()
      return { op: 'put', entity: path, message: toKept(stored) }
    },
    join: (taker) => void takers.push(taker),
    leave(taker) {
      const place = takers.indexOf(taker)
      if (place !== -1) takers.splice(place, 1)
    },
    kick,
    settle(token, settlement) {
      const stored = heldBy(token)
      if (stored === undefined) return false
      locked.delete(token)
      if (settlement.kind === 'complete') journal.write([gone(stored)])
      else if (settlement.kind === 'abandon') putBack(stored, settlement.modify)
      else bury(stored, settlement.reason ?? {})
      kick()
      return true
    },
    renew(token) {
      const stored = heldBy(token)
      if (stored === undefined) return undefined
      const until = Date.now() + lockMs
      locked.set(token, { stored, until })
      renewals += 1
      return Date.now() + toldMs
    },
    peek(fromSequence, count) {
      return [...[...locked.values()].map(({ stored }) => stored), ...ready]
        .filter(({ sequence }) => sequence >= fromSequence)
        .sort((one, other) => one.sequence - other.sequence)
        .slice(0, count)
    },
    count: () => locked.size + ready.length,
    renewalCount: () => renewals,
    tellLocks: (ms) => void (toldMs = ms),
    expireLocks() {
      const held = [...locked.values()]
      locked.clear()
      for (const { stored } of held) putBack(stored)
      kick()
      return held.length
    },
    close: () => clearTimeout(timer),
  }
}

/** Milliseconds that a timer of Node can wait at most. */
const MAX_TIMER_MS = 2 ** 31 - 1

function soonestExpiry(messages: readonly StoredMessage[]): number {
  return messages.reduce((soonest, { expiresAt }) => Math.min(soonest, expiresAt), Infinity)
}

/** As Service Bus writes it on what it dead-letters itself. */
function reasonOf(reason: string, description: string): Properties {
  return { DeadLetterReason: reason, DeadLetterErrorDescription: description }
}

function toKept({ message, expiresAt, ...rest }: StoredMessage): KeptMessage {
  return { ...rest, expiresAt: expiresAt === Infinity ? null : expiresAt, bytes: encode(message).toString('base64') }
}

function fromKept({ bytes, expiresAt, ...rest }: KeptMessage): StoredMessage {
  return { ...rest, expiresAt: expiresAt ?? Infinity, message: decode(Buffer.from(bytes, 'base64')) }
}
