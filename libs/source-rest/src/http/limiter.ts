import { setTimeout as sleep } from 'node:timers/promises'
import { CancelledError, Semaphore, type Clock } from '@cinelake/core'
import type { RestSource } from '../config/index.ts'

export type LimiterDeps = {
  readonly clock: Clock
  readonly pause: (waitMs: number, signal: AbortSignal) => Promise<void>
}

/** The limits shared by all requests of a source. */
export type Limiter = {
  /**
   * Waits for a permit; dispose it when the response has arrived.
   * @param beforeWait throws if the wait, which may have become longer meanwhile, is too long
   */
  turn(signal: AbortSignal, beforeWait?: () => void): Promise<Disposable>
  /** Blocks all requests for so many milliseconds, as the server requested. Permits wait for it. */
  rest(waitMs: number): void
  /** Milliseconds until the next request is allowed. */
  readonly restMs: number
}

/**
 * Enforces several limits at once (sliding window): no interval as long as a period has more requests than the limit, not even
 * around the end of a period, where a token bucket would allow twice as many.
 */
export function createLimiter(
  { limits = [], concurrency = Infinity }: Pick<RestSource, 'limits' | 'concurrency'>,
  { clock, pause }: LimiterDeps,
): Limiter {
  const windows = limits.map(({ requests, periodMs }) => ({ periodMs, begun: createRing(requests) }))
  const permits = new Semaphore(concurrency)
  let restUntil = -Infinity
  const restMs = () => Math.max(0, restUntil - clock().getTime())
  return {
    async turn(signal, beforeWait = () => {}) {
      const permit = await permits.acquire(signal)
      try {
        for (let now = clock().getTime(); ;) {
          beforeWait()
          const begin = Math.max(now, restUntil, ...windows.map(({ begun, periodMs }) => begun.oldest() + periodMs))
          // Reserved before the wait, so that later callers queue behind it.
          for (const { begun } of windows) begun.add(begin)
          if (begin > now) await pause(begin - now, signal)
          if (restUntil <= begin) break
          // The server requested a pause meanwhile: callers that have waited queue again after it.
          now = begin
        }
        restUntil = -Infinity
        return permit
      } catch (error) {
        permit[Symbol.dispose]()
        throw error
      }
    },
    rest: (waitMs) => void (restUntil = Math.max(restUntil, clock().getTime() + waitMs)),
    get restMs() {
      return restMs()
    },
  }
}

/** The start times of the last so many requests. */
function createRing(size: number) {
  const times: number[] = []
  let next = 0
  return {
    /** The start of the request that has to be a period ago; -Infinity while there were fewer. */
    oldest: () => times[next] ?? -Infinity,
    add(time: number) {
      times[next] = time
      next = (next + 1) % size
    },
  }
}

/** One limiter for each source of each pipeline, whatever the number of datasets and runs that use it concurrently. */
export function createSourceLimiters(deps: LimiterDeps): (pipeline: string, source: RestSource) => Limiter {
  const limiters = new Map<string, { readonly text: string; readonly limiter: Limiter }>()
  return (pipeline, source) => {
    const { name, limits, concurrency } = source
    const key = JSON.stringify([pipeline, name])
    const text = JSON.stringify([limits, concurrency])
    const known = limiters.get(key)
    if (known?.text === text) return known.limiter
    // A pipeline whose text changed starts with new limits: requests under other limits do not count.
    const limiter = createLimiter(source, deps)
    limiters.set(key, { text, limiter })
    return limiter
  }
}

/** Sleeps. @throws {CancelledError} the signal was aborted */
export async function pause(waitMs: number, signal: AbortSignal): Promise<void> {
  try {
    await sleep(waitMs, undefined, { signal })
  } catch (error) {
    throw new CancelledError('waiting to repeat a request', { cause: error })
  }
}
