import { CancelledError } from '@cinelake/core'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createThrottle } from './token-bucket.ts'

/** Time that goes on only when everybody waits. */
function aTime() {
  let now = 0
  const waiting: { readonly at: number; readonly go: () => void }[] = []
  return {
    now: () => now,
    wait: (milliseconds: number) =>
      new Promise<void>((resolve) => void waiting.push({ at: now + milliseconds, go: resolve })),
    async run(untilMs: number): Promise<void> {
      for (;;) {
        // What was let through may ask for more at once.
        await new Promise((resolve) => setImmediate(resolve))
        waiting.sort((one, other) => one.at - other.at)
        const next = waiting[0]
        if (next === undefined || next.at > untilMs) break
        waiting.shift()
        now = Math.max(now, next.at)
        next.go()
      }
      now = Math.max(now, untilMs)
    },
  }
}

test('over any stretch of time no more gets through than the rate and one burst, and all of it in the end', async () => {
  const asks = fc.array(
    fc.record({ at: fc.integer({ min: 0, max: 5_000 }), bytes: fc.integer({ min: 1, max: 64 * 1024 }) }),
    { minLength: 1, maxLength: 40 },
  )
  await fc.assert(
    fc.asyncProperty(asks, fc.integer({ min: 1_000, max: 1_000_000 }), async (asked, rate) => {
      const time = aTime()
      const throttle = createThrottle(rate, time)
      const passed: { readonly at: number; readonly bytes: number }[] = []
      const all: Promise<void>[] = []
      for (const { at, bytes } of asked.toSorted((one, other) => one.at - other.at)) {
        await time.run(at)
        all.push(throttle(bytes).then(() => void passed.push({ at: time.now(), bytes })))
      }
      await time.run(1e9)
      await Promise.all(all)

      expect(passed).toHaveLength(asked.length)
      for (const from of passed) {
        for (const to of passed.filter(({ at }) => at >= from.at)) {
          const between = passed.filter(({ at }) => from.at <= at && at <= to.at)
          // What passes at the first instant may have been waited for before it.
          const sum = between.reduce((bytes, each) => bytes + each.bytes, 0) - Math.max(...between.map((x) => x.bytes))
          expect(sum).toBeLessThanOrEqual(((to.at - from.at + 250) * rate) / 1000 + 1)
        }
      }
    }),
    { numRuns: 30 },
  )
})

test('who stops waiting is told so', async () => {
  const throttle = createThrottle(1)
  const stop = new AbortController()

  const waiting = throttle(1_000_000, stop.signal)
  stop.abort()

  await expect(waiting).rejects.toBeInstanceOf(CancelledError)
  await expect(throttle(1, AbortSignal.abort())).rejects.toBeInstanceOf(CancelledError)
})
