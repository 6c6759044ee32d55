import * as fc from 'fast-check'
import { setImmediate } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { concurrently } from './semaphore.ts'

test('results come in the order of the items, and never more are processed at once than was agreed', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.nat(5)), fc.integer({ min: 1, max: 8 }), async (turns, width) => {
      let [running, most] = [0, 0]
      const results = await concurrently(turns, width, async (count) => {
        most = Math.max(most, ++running)
        for (let turn = 0; turn <= count; turn++) await setImmediate()
        running -= 1
        return count * 2
      })

      expect(results).toEqual(turns.map((count) => count * 2))
      expect(most).toBe(Math.min(width, turns.length))
    }),
  )
})

test('after a failure no further item is started, and the error is thrown once those under way have ended', async () => {
  const [started, ended]: [number[], number[]] = [[], []]
  const slow = Promise.withResolvers<void>()

  const all = concurrently([0, 1, 2, 3], 2, async (item) => {
    started.push(item)
    if (item === 1) {
      void setImmediate().then(slow.resolve)
      throw new Error('the second')
    }
    await slow.promise
    ended.push(item)
  })

  await expect(all).rejects.toThrow('the second')
  expect({ started, ended }).toEqual({ started: [0, 1], ended: [0] })
})
