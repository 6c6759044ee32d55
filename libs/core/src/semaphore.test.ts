import fc from 'fast-check'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { Semaphore } from './semaphore.ts'

describe('a semaphore', () => {
  test('hands out so many permits at once, and a released one to who came first', async () => {
    const semaphore = new Semaphore(2)
    const first = await semaphore.acquire()
    await semaphore.acquire()
    const got: string[] = []
    const waiting = ['a', 'b'].map(async (name) => {
      using _permit = await semaphore.acquire()
      got.push(name)
    })

    await nextTurn()
    expect([got, semaphore.tryAcquire()]).toEqual([[], undefined])
    first[Symbol.dispose]()
    await Promise.all(waiting)

    expect(got).toEqual(['a', 'b'])
  })

  test('releases a permit once, however often it is disposed', async () => {
    const semaphore = new Semaphore(1)
    const permit = await semaphore.acquire()

    permit[Symbol.dispose]()
    permit[Symbol.dispose]()

    expect([semaphore.tryAcquire() !== undefined, semaphore.tryAcquire()]).toEqual([true, undefined])
  })

  test('lets a waiting caller go with the reason of its signal, and skips it', async () => {
    const semaphore = new Semaphore(1)
    const permit = await semaphore.acquire()
    const giveUp = new AbortController()
    const impatient = semaphore.acquire(giveUp.signal)
    const patient = semaphore.acquire()

    giveUp.abort(new Error('the service stops'))
    await expect(impatient).rejects.toThrow('the service stops')
    permit[Symbol.dispose]()

    await expect(patient).resolves.toBeDefined()
  })

  test('asks nothing of a caller whose signal is aborted already', async () => {
    const semaphore = new Semaphore(1)
    const signal = AbortSignal.abort(new Error('too late'))

    await expect(semaphore.acquire(signal)).rejects.toThrow('too late')
    await expect(semaphore.run(async () => 1, signal)).rejects.toThrow('too late')
    expect(semaphore.tryAcquire()).toBeDefined()
  })

  test('gives the permit back when the work fails', async () => {
    const semaphore = new Semaphore(1)

    await expect(semaphore.run(() => Promise.reject(new Error('no')))).rejects.toThrow('no')

    expect(await semaphore.run(async () => 'next')).toBe('next')
  })

  test('never exceeds its permits and ends with all of them free, in whatever order callers come, give up and finish', async () => {
    const steps = fc.array(fc.record({ kind: fc.constantFrom('acquire', 'release', 'abort'), at: fc.nat(20) }))
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 4 }), steps, async (permits, steps) => {
        const semaphore = new Semaphore(permits)
        const held: Disposable[] = []
        const waiting: AbortController[] = []
        const all: Promise<unknown>[] = []
        for (const { kind, at } of steps) {
          if (kind === 'acquire') {
            const controller = new AbortController()
            waiting.push(controller)
            all.push(
              semaphore.acquire(controller.signal).then(
                (permit) => held.push(permit),
                () => undefined,
              ),
            )
          } else if (kind === 'abort') waiting[at % (waiting.length || 1)]?.abort()
          else held.splice(at % (held.length || 1), 1)[0]?.[Symbol.dispose]()
          await nextTurn()
          expect(held.length).toBeLessThanOrEqual(permits)
        }
        for (const controller of waiting) controller.abort()
        await Promise.all(all)
        for (const permit of held) permit[Symbol.dispose]()
        const free = Array.from({ length: permits + 1 }, () => semaphore.tryAcquire())
        expect(free.map((permit) => permit !== undefined)).toEqual([...Array<boolean>(permits).fill(true), false])
      }),
      { numRuns: 100 },
    )
  })
})
