import type { Clock } from '@cinelake/core'
import type { PushSource } from '../config/push-source.ts'
import { PushLimitedError } from '../errors.ts'

/** Milliseconds after which a client should retry when too many pushes are under way. */
const BUSY_MS = 1000

type Limits = Pick<PushSource, 'name' | 'concurrency' | 'limits'>

/** The state of an instance's limits for a source. */
type Taken = {
  underWay: number
  /** For each limit the remaining requests, and the time of that count. */
  buckets: { left: number; at: number }[]
}

/** Admits as many pushes as a source allows. Each instance counts its own. */
export function createAdmission(clock: Clock) {
  const sources = new Map<string, Taken>()
  return {
    /**
     * @returns to be disposed when the push is over
     * @throws {PushLimitedError} transient
     */
    enter(source: Limits): Disposable {
      const taken = sources.get(source.name) ?? { underWay: 0, buckets: [] }
      sources.set(source.name, taken)
      if (taken.underWay >= source.concurrency) throw new PushLimitedError(source.name, BUSY_MS)
      const waitMs = takeOne(taken, source.limits, clock().getTime())
      if (waitMs > 0) throw new PushLimitedError(source.name, waitMs)
      taken.underWay += 1
      let isOver = false
      return {
        [Symbol.dispose]() {
          if (!isOver) taken.underWay -= 1
          isOver = true
        },
      }
    },
  }
}

/** Takes one request from each bucket, or none from any. @returns milliseconds to wait; 0 if the request was taken */
function takeOne(taken: Taken, limits: Limits['limits'], now: number): number {
  const filled = limits.map(({ requests, periodMs }, index) => {
    const { left, at } = taken.buckets[index] ?? { left: requests, at: now }
    return { left: Math.min(requests, left + (Math.max(0, now - at) * requests) / periodMs), at: now }
  })
  const waits = limits.map(({ requests, periodMs }, index) => {
    const left = filled[index]?.left ?? 0
    return left >= 1 ? 0 : ((1 - left) * periodMs) / requests
  })
  const waitMs = Math.max(0, ...waits)
  taken.buckets = waitMs > 0 ? filled : filled.map((bucket) => ({ ...bucket, left: bucket.left - 1 }))
  return waitMs
}
