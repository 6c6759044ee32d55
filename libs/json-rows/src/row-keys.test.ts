import fc from 'fast-check'
import { expect, test } from 'vitest'
import { keyOf, supersededRows } from './row-keys.ts'

test('a key is found again in any number of rows, in one pass or in many', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.integer({ min: 0, max: 30 }), { maxLength: 200 }),
      fc.integer({ min: 1, max: 50 }),
      async (ids, perPass) => {
        const keys = ids.map((id) => keyOf([id === 0 ? null : String(id)]))
        async function* blocks() {
          const all = Buffer.concat(keys)
          for (let at = 0; at < all.length; at += 37) yield all.subarray(at, at + 37)
        }
        const superseded = await supersededRows(blocks, ids.length, perPass)

        const expected = ids.map((id, index) => id !== 0 && ids.lastIndexOf(id) !== index)
        expect(ids.map((_, row) => superseded.has(row))).toEqual(expected)
        expect(superseded.count).toBe(expected.filter(Boolean).length)
      },
    ),
  )
})
