import type { Clock } from '@cinelake/core'
import { randomUUID } from 'node:crypto'
import type { DeadLetter } from '../bus.ts'
import { LockLostError } from '../errors.ts'
import { tooOften, type Lease, type Reason } from '../lease.ts'
import type { TraceContext } from '../tracing.ts'
import type { Timers } from './timers.ts'

/** A lease whose lock is in this process, so its state is always known. */
export type MemoryLease = Omit<Lease, 'complete' | 'giveBack' | 'deadLetter'> & {
  renew(): boolean
  complete(): boolean
  giveBack(reason: Reason): boolean
  deadLetter(reason: Reason): boolean
}

/** A queue, or a subscription of a topic, on the broker's side. */
export type Entity = {
  readonly name: string
  accept(message: Sent): void
  /** The next message under a lock; waits for one. Undefined once `stop` is aborted. */
  receive(stop: AbortSignal): Promise<MemoryLease | undefined>
  deadLetters(): readonly DeadLetter[]
  resend(id: string): boolean
  discard(id: string): boolean
  /** The same for all dead letters. Returns how many there were. */
  resendAll(): number
  discardAll(): number
  /** Expires every lock now. Returns how many there were. */
  expireLocks(): number
  duplicateNext(): void
  delayNext(delayMs: number): void
  /** Messages that are neither settled nor dead-lettered. */
  openCount(): number
  close(): void
}

export type EntitySettings = {
  readonly clock: Clock
  readonly timers: Timers
  readonly lockMs: number
  readonly maxDeliveryCount: number
  /** Index of the waiting message to deliver next; 0 is the oldest. */
  readonly pick: (waitingCount: number) => number
  /** Called whenever a message was settled or dead-lettered. */
  readonly onSettled: () => void
}

/** A message as its sender passes it. */
type Sent = { readonly id: string; readonly text: string; readonly sentIn: TraceContext }
type Stored = Sent & { readonly deliveryCount: number }
type Waiter = (lease: MemoryLease | undefined) => void

/**
 * A message is *delayed* (not visible yet) → *waiting* → *locked* → gone (completed), *waiting* again (abandoned, or
 * the lock expired) or *dead* (dead-lettered, or delivered too often). A dead one can be resubmitted or discarded.
 */
export function createEntity(name: string, settings: EntitySettings): Entity {
  const { clock, timers, lockMs, maxDeliveryCount, pick, onSettled } = settings
  const waiting: Stored[] = []
  let dead: readonly { readonly letter: DeadLetter; readonly sent: Sent }[] = []
  const locks = new Map<string, { readonly expire: () => void; readonly cancel: () => void }>()
  const delays = new Set<() => void>()
  const waiters: Waiter[] = []
  let duplicates = 0
  let nextDelayMs = 0

  const enqueue = (message: Stored) => {
    waiting.push(message)
    dispatch()
  }

  const dispatch = () => {
    while (waiting.length > 0 && waiters.length > 0) {
      const [message] = waiting.splice(pick(waiting.length), 1)
      const waiter = waiters.shift()
      if (message !== undefined && waiter !== undefined)
        waiter(lock({ ...message, deliveryCount: message.deliveryCount + 1 }))
    }
  }

  const bury = ({ deliveryCount, ...sent }: Stored, { code: reason, message: description }: Reason) => {
    const { id, text } = sent
    const deadLetteredAt = clock().toISOString()
    dead = [...dead, { sent, letter: { id, reason, description, deliveryCount, deadLetteredAt, body: bodyOf(text) } }]
    onSettled()
  }

  const putBack = (message: Stored, reason: Reason) => {
    if (message.deliveryCount < maxDeliveryCount) return enqueue(message)
    bury(message, tooOften(message.deliveryCount, reason))
  }

  const lock = (message: Stored): MemoryLease => {
    const token = randomUUID()
    const lost = new AbortController()
    /** Releases the lock; false when it had ended before. */
    const release = () => {
      locks.get(token)?.cancel()
      return locks.delete(token)
    }
    const expire = () => {
      if (!release()) return
      const error = new LockLostError(name, message.deliveryCount)
      lost.abort(error)
      putBack(message, error)
    }
    const hold = () => locks.set(token, { expire, cancel: timers.after(lockMs, expire) })
    const settle = (how: () => void) => {
      const held = release()
      if (held) how()
      return held
    }
    hold()
    return {
      text: message.text,
      sentIn: message.sentIn,
      deliveryCount: message.deliveryCount,
      lost: lost.signal,
      renew: () => settle(hold),
      complete: () => settle(onSettled),
      giveBack: (reason) => settle(() => putBack(message, reason)),
      deadLetter: (reason) => settle(() => bury(message, reason)),
    }
  }

  const later = (message: Stored, delayMs: number) => {
    const cancel = timers.after(delayMs, () => {
      delays.delete(cancel)
      enqueue(message)
    })
    delays.add(cancel)
  }

  /** Removes a dead letter. Returns the message. */
  const unbury = (id: string): Sent | undefined => {
    const found = dead.find(({ letter }) => letter.id === id)
    dead = dead.filter((other) => other !== found)
    return found?.sent
  }

  return {
    name,
    accept(sent) {
      const message = { ...sent, deliveryCount: 0 }
      const delayMs = nextDelayMs
      nextDelayMs = 0
      for (; duplicates > 0; duplicates--) enqueue(message)
      if (delayMs > 0) later(message, delayMs)
      else enqueue(message)
    },
    receive(stop) {
      if (stop.aborted) return Promise.resolve(undefined)
      return new Promise((resolve) => {
        const leave = () => {
          waiters.splice(waiters.indexOf(waiter), 1)
          resolve(undefined)
        }
        const waiter: Waiter = (lease) => {
          stop.removeEventListener('abort', leave)
          resolve(lease)
        }
        stop.addEventListener('abort', leave, { once: true })
        waiters.push(waiter)
        dispatch()
      })
    },
    deadLetters: () => dead.map(({ letter }) => letter),
    resend(id) {
      const sent = unbury(id)
      if (sent !== undefined) enqueue({ ...sent, deliveryCount: 0 })
      return sent !== undefined
    },
    discard: (id) => unbury(id) !== undefined,
    resendAll() {
      const letters = dead
      dead = []
      for (const { sent } of letters) enqueue({ ...sent, deliveryCount: 0 })
      return letters.length
    },
    discardAll() {
      const { length } = dead
      dead = []
      return length
    },
    expireLocks() {
      const held = [...locks.values()]
      for (const { expire } of held) expire()
      return held.length
    },
    duplicateNext: () => void duplicates++,
    delayNext: (delayMs) => void (nextDelayMs = delayMs),
    openCount: () => waiting.length + locks.size + delays.size,
    close() {
      for (const { cancel } of locks.values()) cancel()
      for (const cancel of delays) cancel()
      locks.clear()
      delays.clear()
    },
  }
}

function bodyOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}
