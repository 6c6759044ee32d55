import { recordingLog } from '@cinelake/testkit'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { keepLock } from './lock.ts'

const LOCK_MS = 60_000

beforeEach(() => void vi.useFakeTimers({ now: 0 }))
afterEach(() => void vi.useRealTimers())

/** A lock that is kept by renewals which a test answers. `asked` is when they came, in ms. */
function given(answer: (count: number) => Promise<Date> | Date, lockedUntil = new Date(LOCK_MS)) {
  const asked: number[] = []
  const log = recordingLog()
  const lock = keepLock({
    entity: 'loader',
    deliveryCount: 1,
    lockedUntil,
    lockMs: LOCK_MS,
    renew: async () => await answer(asked.push(Date.now())),
    log,
  })
  return { lock, asked, log }
}

const granted = () => new Date(Date.now() + LOCK_MS)
const busy = () => Promise.reject(new Error('busy'))

test('a lock is renewed when half of it is over, for as long as it is kept', async () => {
  const { lock, asked } = given(granted)

  await vi.advanceTimersByTimeAsync(3 * LOCK_MS)
  lock[Symbol.dispose]()
  await vi.advanceTimersByTimeAsync(3 * LOCK_MS)

  expect(asked).toEqual([30_000, 60_000, 90_000, 120_000, 150_000, 180_000])
  expect(lock.lost.aborted).toBe(false)
})

test('a renewal that fails is tried again while the lock lasts, and the lock is kept', async () => {
  const { lock, asked } = given((count) => (count % 3 === 0 ? granted() : busy()))
  using _ = lock

  await vi.advanceTimersByTimeAsync(2 * LOCK_MS)

  expect(asked).toEqual([30_000, 40_000, 50_000, 80_000, 90_000, 100_000])
  expect(lock.lost.aborted).toBe(false)
})

test.each([
  ['fail', busy],
  ['are not answered', () => new Promise<Date>(() => {})],
])('a lock whose renewals %s is lost when it must have run out', async (_, answer) => {
  const { lock, asked } = given(answer)

  await vi.advanceTimersByTimeAsync(LOCK_MS - 1)
  expect({ asked, isLost: lock.lost.aborted }).toEqual({ asked: [30_000, 40_000, 50_000], isLost: false })
  await vi.advanceTimersByTimeAsync(1)

  expect(lock.lost.reason).toMatchObject({ code: 'BUS_LOCK_LOST', context: { entity: 'loader' } })
  await vi.advanceTimersByTimeAsync(LOCK_MS)
  expect(asked).toHaveLength(3)
})

test('a lock that the broker does not know any more is lost at once', async () => {
  const { lock, asked, log } = given(() =>
    Promise.reject(Object.assign(new Error('gone'), { code: 'MessageLockLost' })),
  )

  await vi.advanceTimersByTimeAsync(LOCK_MS / 2)

  expect(lock.lost.reason).toMatchObject({ code: 'BUS_LOCK_LOST' })
  expect(log.lines.map(({ level }) => level)).toEqual(['warn'])
  await vi.advanceTimersByTimeAsync(LOCK_MS)
  expect(asked).toHaveLength(1)
})

test.each([
  ['sooner than locks are meant to', 20_000, 10_000],
  ['in the past, by a clock that is not ours', -3_600_000, 30_000],
  ['far in the future, by a clock that is not ours', 3_600_000, 30_000],
])('where the broker says that a lock ends %s, the first renewal comes in time', async (_, untilMs, at) => {
  const { lock, asked } = given(granted, new Date(untilMs))
  using _lock = lock

  await vi.advanceTimersByTimeAsync(30_000)

  expect(asked[0]).toBe(at)
})
