import type { Log } from '@cinelake/core'
import { LockLostError } from '../errors.ts'
import { isLockLost } from './errors.ts'

export type LockSettings = {
  readonly entity: string
  readonly deliveryCount: number
  /** When the broker says that the lock ends. By its clock, which need not agree with ours. */
  readonly lockedUntil: Date | undefined
  /** How long the entity's locks are meant to be, in milliseconds. */
  readonly lockMs: number
  /** Asks the broker to extend the lock. */
  readonly renew: () => Promise<Date>
  readonly log: Log
}

/** A lock that is being kept. */
export type KeptLock = Disposable & {
  /** Aborted with a `LockLostError` once the lock is lost. */
  readonly lost: AbortSignal
}

/** Tries that fit into the second half of a lock: a renewal that fails, or is not answered, is tried again. */
const TRIES = 3

/**
 * Renews a lock until it is disposed of. *Held* → (half of the time is over) *renewing* → *held*, or, when a try fails or
 * is not answered in time, *renewing* once more; → *lost* when the broker says so, or when nothing was heard of it for as
 * long as a lock lasts.
 *
 * Our own loop, since that of the client library is keyed by message id, ends after a set time, and gives up when one
 * renewal fails.
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
    log.warn({ entity, deliveryCount }, 'lock was lost; another worker may have the message by now')
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

/** Half of what is left of a lock: by the broker's word where that makes sense by our clock, else by what locks are meant to be. */
function halfOf(lockedUntil: Date | undefined, lockMs: number): number {
  const leftMs = (lockedUntil?.getTime() ?? 0) - Date.now()
  return (leftMs > 0 && leftMs < lockMs ? leftMs : lockMs) / 2
}
