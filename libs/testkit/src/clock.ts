import type { Clock } from '@cinelake/core'

/** A clock that advances only when told to. */
export type FixedClock = Clock & { advance(milliseconds: number): void }

/** @param at instant that it starts at, ISO 8601 */
export function fixedClock(at = '2026-03-02T03:00:00Z'): FixedClock {
  let now = Date.parse(at)
  return Object.assign(() => new Date(now), {
    advance(milliseconds: number) {
      now += milliseconds
    },
  })
}
