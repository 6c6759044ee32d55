import { setTimeout as sleep } from 'node:timers/promises'
import { CancelledError, Semaphore, type Clock } from '@cinelake/core'
import type { RestSource } from '@cinelake/pipeline'

export type LimiterDeps = {
  readonly clock: Clock
  readonly pause: (waitMs: number, signal: AbortSignal) => Promise<void>
}

/** The turns that all requests of a source take. */
export type Limiter = {
  /**
   * Waits for a turn; dispose it when the answer is in.
   * @param beforeWait throws where the wait, which may have become longer meanwhile, is too long
   */
  turn(signal: AbortSignal, beforeWait?: () => void): Promise<Disposable>
  /** Nobody asks before so many milliseconds have passed: the server wants it so. Turns are what waits. */
  rest(waitMs: number): void
  /** Milliseconds until somebody may ask again. */
  readonly restMs: number
}

/**
 * Holds several limits at once. In any span as long as a period no more requests begin than it allows: not even around the
 * end of a period, where a bucket that fills up would let twice as many through.
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
          // Taken before the wait, so that those who come meanwhile line up behind it.
          for (const { begun } of windows) begun.add(begin)
          if (begin > now) await pause(begin - now, signal)
          if (restUntil <= begin) break
          // The server asked for a rest meanwhile: whoever waited lines up anew behind it.
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

/** The times of the last so many requests. */
function createRing(size: number) {
  const times: number[] = []
  let next = 0
  return {
    /** When the request began that has to lie a period back; -Infinity while there were fewer. */
    oldest: () => times[next] ?? -Infinity,
    add(time: number) {
      times[next] = time
      next = (next + 1) % size
    },
  }
}

/** One limiter for each source of each pipeline, whatever the number of datasets and runs that ask it at once. */
export function createSourceLimiters(deps: LimiterDeps): (pipeline: string, source: RestSource) => Limiter {
  const limiters = new Map<string, { readonly text: string; readonly limiter: Limiter }>()
  return (pipeline, source) => {
    const { name, limits, concurrency } = source
    const key = JSON.stringify([pipeline, name])
    const text = JSON.stringify([limits, concurrency])
    const known = limiters.get(key)
    if (known?.text === text) return known.limiter
    // A pipeline whose text changed starts anew: what was asked under other limits says nothing about these.
    const limiter = createLimiter(source, deps)
    limiters.set(key, { text, limiter })
    return limiter
  }
}

/** Waits. @throws {CancelledError} the signal was aborted */
export async function pause(waitMs: number, signal: AbortSignal): Promise<void> {
  try {
    await sleep(waitMs, undefined, { signal })
  } catch (error) {
    throw new CancelledError('waiting to repeat a request', { cause: error })
  }
}
