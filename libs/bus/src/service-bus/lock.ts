import type { Log } from '@cinelake/core'
import { LockLostError } from '../errors.ts'
import { isLockLost } from './errors.ts'

export type LockSettings = {
  readonly entity: string
  readonly deliveryCount: number
  /** When the lock expires, by the broker's clock, which may differ from ours. */
  readonly lockedUntil: Date | undefined
  /** Configured lock duration of the entity, in milliseconds. */
  readonly lockMs: number
  /** Asks the broker to extend the lock. */
  readonly renew: () => Promise<Date>
  readonly log: Log
}

/** A lock that is renewed. */
export type KeptLock = Disposable & {
  /** Aborted with a `LockLostError` once the lock is lost. */
  readonly lost: AbortSignal
}

/** Attempts that fit into the second half of a lock: a renewal that fails or times out is retried. */
const TRIES = 3

/**
 * Renews a lock until it is disposed of. *Held* → (half of the time is over) *renewing* → *held*, or, when an attempt
 * fails or times out, *renewing* again; → *lost* when the broker says so, or when it has not answered for a whole lock
 * duration.
 *
 * Not the client library's loop, which is keyed by message id, ends after a set time, and stops when one renewal fails.
 */
export function keepLock(settings: LockSettings): KeptLock {
  const { entity, deliveryCount, lockMs, renew, log } = settings
  const lost = new AbortController()
  let timer: NodeJS.Timeout | undefined
  let isOver = false
  let heldSince = performance.now()

  const end = () => {
    isOver = true
    clearTimeout(timer)
  }
  const lose = () => {
    end()
    log.warn({ entity, deliveryCount }, 'lock was lost; another worker may have the message already')
    lost.abort(new LockLostError(entity, deliveryCount))
  }
  const wait = (delayMs: number) => {
    clearTimeout(timer)
    timer = setTimeout(() => void attempt(), delayMs)
  }
  const attempt = async () => {
    const startedAt = performance.now()
    if (startedAt - heldSince >= lockMs) return lose()
    wait(lockMs / (2 * TRIES))
    try {
      const lockedUntil = await renew()
      if (isOver) return
      heldSince = Math.max(heldSince, startedAt)
      wait(halfOf(lockedUntil, lockMs))
    } catch (error) {
      if (isOver) return
      if (isLockLost(error)) lose()
      else log.debug({ entity, err: error }, 'lock was not renewed; it is tried again')
    }
  }
  wait(halfOf(settings.lockedUntil, lockMs))
  return { lost: lost.signal, [Symbol.dispose]: end }
}

/**
 * Half of the lock's remaining time: by the broker's expiry where that is plausible by our clock, else by the
 * configured duration.
 */
function halfOf(lockedUntil: Date | undefined, lockMs: number): number {
  const leftMs = (lockedUntil?.getTime() ?? 0) - Date.now()
  return (leftMs > 0 && leftMs < lockMs ? leftMs : lockMs) / 2
}
