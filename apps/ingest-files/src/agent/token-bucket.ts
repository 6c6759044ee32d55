import { CancelledError } from '@cinelake/core'
import { setTimeout as pause } from 'node:timers/promises'

/** Milliseconds of idle time whose bytes may be sent at once: a late timer does not reduce the rate of an idle line. */
const BURST_MS = 250

/** Resolves when so many bytes may be sent. First come, first served. */
export type Throttle = (bytes: number, signal?: AbortSignal) => Promise<void>

type Time = {
  /** Monotonic milliseconds. */
  readonly now: () => number
  readonly wait: (milliseconds: number, signal?: AbortSignal) => Promise<void>
}

const systemTime: Time = {
  now: () => performance.now(),
  wait: (milliseconds, signal) => pause(milliseconds, undefined, { ...(signal && { signal }) }),
}

/**
 * A token bucket over all uploads of a process: in any period, at most the rate plus one burst. A caller that stops
 * waiting has used its tokens, since bytes of an aborted request may have been sent.
 */
export function createThrottle(bytesPerSecond: number, { now, wait }: Time = systemTime): Throttle {
  /** When all bytes admitted so far have been sent, at the rate. */
  let freeAt = -Infinity
  return async (bytes, signal) => {
    if (signal?.aborted === true) throw new CancelledError('waiting for the line')
    const time = now()
    freeAt = Math.max(freeAt, time - BURST_MS) + (bytes * 1000) / bytesPerSecond
    const waitMs = freeAt - time
    if (waitMs <= 0) return
    await wait(waitMs, signal).catch((error: unknown) => {
      throw new CancelledError('waiting for the line', { cause: error })
    })
  }
}
