import fc from 'fast-check'
import { expect, test } from 'vitest'
import { blockId, blockSizeAt, cutIntoBlocks, MAX_BLOCKS, md5Of } from './blocks.ts'
import { DEFAULT_TUNING } from './container.ts'

const GIB = 1024 ** 3

test('content is cut into blocks of the sizes that their numbers say, whatever the pieces it came in', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.uint8Array({ maxLength: 30 }), { maxLength: 20 }),
      fc.integer({ min: 1, max: 8 }),
      async (pieces, blockBytes) => {
        const sizeAt = (number: number) => blockSizeAt(number, { blockBytes, blocksPerSize: 3 })
        const blocks: Buffer[] = []
        const ends: boolean[] = []
        const content = (async function* () {
          yield* pieces
        })()
        for await (const { bytes, isLast, number, offset } of cutIntoBlocks(content, sizeAt, (n) => Buffer.alloc(n))) {
          expect([number, offset]).toEqual([blocks.length, blocks.reduce((sum, { length }) => sum + length, 0)])
          blocks.push(Buffer.from(bytes))
          ends.push(isLast)
        }

        expect(Buffer.concat(blocks)).toEqual(Buffer.concat(pieces))
        expect(ends).toEqual(blocks.map((_, number) => number === blocks.length - 1))
        blocks.slice(0, -1).forEach(({ length }, number) => expect(length).toBe(sizeAt(number)))
        expect(blocks.slice(1).every(({ length }) => length > 0)).toBe(true)
      },
    ),
  )
})

test('as many blocks as an object may have are enough for two tebibytes', () => {
  let bytes = 0
  for (let number = 0; number < MAX_BLOCKS; number += 1) bytes += blockSizeAt(number, DEFAULT_TUNING)

  expect(bytes / GIB).toBeGreaterThan(2048)
  // One block in Azure is at most 4,000 MiB. Source: learn.microsoft.com/…/put-block
  expect(blockSizeAt(MAX_BLOCKS - 1, DEFAULT_TUNING)).toBeLessThanOrEqual(4000 * 1024 ** 2)
})

test('ids have one length, and differ by place and content', () => {
  const [one, other] = [md5Of(Buffer.from('one')), md5Of(Buffer.from('other'))]
  const ids = [blockId(0, one), blockId(0, other), blockId(2 ** 45, one)]

  expect(new Set(ids).size).toBe(3)
  expect(ids.map(({ length }) => length)).toEqual([32, 32, 32])
  expect(blockId(0, one)).toBe(ids[0])
})
