import { mkdtempDisposable, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { eachBlock } from './each-block.ts'

const someDirectory = () => mkdtempDisposable(join(tmpdir(), 'cinelake-each-block-'))

test('the blocks of a file are its bytes, in one buffer', async () => {
  await using directory = await someDirectory()
  const file = join(directory.path, 'file')
  const bytes = Buffer.from(Array.from({ length: 600_000 }, (_, index) => index % 251))
  await writeFile(file, bytes)

  const seen: Buffer[] = []
  const buffers = new Set<ArrayBufferLike>()
  await eachBlock(file, (block) => {
    seen.push(Buffer.from(block))
    buffers.add(block.buffer)
  })

  expect(Buffer.concat(seen).equals(bytes)).toBe(true)
  expect(seen.length).toBeGreaterThan(1)
  expect(buffers.size).toBe(1)
})

test('an empty file has no blocks', async () => {
  await using directory = await someDirectory()
  await writeFile(join(directory.path, 'file'), '')

  await eachBlock(join(directory.path, 'file'), () => expect.unreachable())
})

test('a pass ends with the reason of its signal', async () => {
  await using directory = await someDirectory()
  const file = join(directory.path, 'file')
  await writeFile(file, Buffer.alloc(600_000))
  const stop = new AbortController()

  await expect(eachBlock(file, () => stop.abort(new Error('enough')), { signal: stop.signal })).rejects.toThrow(
    'enough',
  )
})
