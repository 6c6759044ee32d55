import { createHash, randomBytes } from 'node:crypto'
import { expect, test } from 'vitest'
import { createHashing } from './hashing.ts'

const digest = (algorithm: string, bytes: Uint8Array) => createHash(algorithm).update(bytes).digest()
/** A buffer with a memory of its own, as those of blocks are. */
const blockOf = (bytes: Uint8Array, room = bytes.length) => {
  const block = Buffer.allocUnsafeSlow(room)
  block.set(bytes)
  return block
}

test('blocks have their MD5, and contents that are hashed at once each their SHA-256', async () => {
  await using hashing = createHashing()
  const contents = Array.from({ length: 3 }, () => Array.from({ length: 4 }, () => randomBytes(1000)))

  const digests = await Promise.all(
    contents.map(async (blocks) => {
      using content = hashing.content()
      const hashed = await Promise.all(blocks.map((bytes) => content.add(blockOf(bytes, 1024), bytes.length)))
      return { hashed, whole: await content.end() }
    }),
  )

  for (const [index, { hashed, whole }] of digests.entries()) {
    const blocks = contents[index] ?? []
    expect(whole).toBe(digest('sha256', Buffer.concat(blocks)).toString('hex'))
    expect(hashed.map(({ md5 }) => md5)).toEqual(blocks.map((bytes) => digest('md5', bytes)))
    expect(hashed.map(({ bytes }) => bytes)).toEqual(blocks)
    expect(hashed.map(({ buffer }) => buffer.length)).toEqual([1024, 1024, 1024, 1024])
  }
})

test('a content that is given up leaves nothing to the others', async () => {
  await using hashing = createHashing()
  const bytes = randomBytes(100)
  const first = hashing.content()
  await first.add(blockOf(bytes), 100)
  first[Symbol.dispose]()

  using second = hashing.content()
  await second.add(blockOf(bytes), 100)

  expect(await second.end()).toBe(digest('sha256', bytes).toString('hex'))
})

test('a thread that has ended fails those who wait for it, and is begun again for the next', async () => {
  const hashing = createHashing()
  using cut = hashing.content()
  const waiting = cut.add(blockOf(randomBytes(100)), 100)
  waiting.catch(() => {})
  await hashing[Symbol.asyncDispose]()

  await expect(waiting).rejects.toThrow('has ended')
  await expect(cut.end()).rejects.toThrow('has ended')
  using next = hashing.content()
  expect(await next.end()).toBe(digest('sha256', Buffer.alloc(0)).toString('hex'))
  await hashing[Symbol.asyncDispose]()
})
