import { CancelledError } from '@cinelake/core'
import { setTimeout as pause } from 'node:timers/promises'

/** Milliseconds of silence whose bytes may leave at once: a line that was free is not punished for a late timer. */
const BURST_MS = 250

/** Resolves when so many bytes may leave. First come, first served. */
export type Throttle = (bytes: number, signal?: AbortSignal) => Promise<void>

type Time = {
  /** Milliseconds, never going back. */
  readonly now: () => number
  readonly wait: (milliseconds: number, signal?: AbortSignal) => Promise<void>
}

const systemTime: Time = {
  now: () => performance.now(),
  wait: (milliseconds, signal) => pause(milliseconds, undefined, { ...(signal && { signal }) }),
}

/**
 * A token bucket over all that a process uploads: over any stretch of time no more than its rate and one burst. Whoever
 * stops waiting has used up its turn, as bytes of a request that is aborted may have left.
 */
export function createThrottle(bytesPerSecond: number, { now, wait }: Time = systemTime): Throttle {
  /** When all that was let through so far has left, at the rate. */
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
