import { createHash, randomUUID } from 'node:crypto'
import { mkdir, open, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Block } from './state.ts'

/** Bytes read at once. */
const READ_BYTES = 256 * 1024

/** Where the bytes are: a file for each block that was received, never changed. */
export type BlockStore = {
  /** Streams a request's body to a new block. @returns the block and the MD5 of its bytes, base64 */
  receive(body: AsyncIterable<Uint8Array>): Promise<{ readonly block: Block; readonly md5: string }>
  /** Bytes from `start` up to and without `end`. What is released meanwhile stays until the reader is done. */
  read(blocks: readonly Block[], start: number, end: number): AsyncGenerator<Uint8Array>
  /** Removes what nothing names any more. */
  release(files: readonly string[]): Promise<void>
  /** Removes all but what is named: what a killed process left. */
  keepOnly(files: ReadonlySet<string>): Promise<void>
}

export async function openBlockStore(directory: string): Promise<BlockStore> {
  await mkdir(directory, { recursive: true })
  const readers = new Map<string, number>()
  const doomed = new Set<string>()
  const remove = async (file: string) => await rm(join(directory, file), { force: true })

  const leave = async (file: string) => {
    const left = (readers.get(file) ?? 1) - 1
    if (left > 0) readers.set(file, left)
    else readers.delete(file)
    if (left === 0 && doomed.delete(file)) await remove(file)
  }

  return {
    async receive(body) {
      const file = randomUUID()
      try {
        return await fill(join(directory, file), file, body)
      } catch (error) {
        await remove(file)
        throw error
      }
    },

    async *read(blocks, start, end) {
      const files = blocks.map(({ file }) => file)
      for (const file of files) readers.set(file, (readers.get(file) ?? 0) + 1)
      try {
        let offset = 0
        for (const { file, sizeBytes } of blocks) {
          const [from, to] = [Math.max(start - offset, 0), Math.min(end - offset, sizeBytes)]
          if (from < to) yield* bytesOf(join(directory, file), from, to)
          offset += sizeBytes
        }
      } finally {
        await Promise.all(files.map(leave))
      }
    },

    async release(files) {
      for (const file of files) if (readers.has(file)) doomed.add(file)
      await Promise.all(files.filter((file) => !readers.has(file)).map(remove))
    },

    async keepOnly(files) {
      const found = await readdir(directory)
      await Promise.all(found.filter((file) => !files.has(file)).map(remove))
    },
  }
}

async function fill(path: string, file: string, body: AsyncIterable<Uint8Array>) {
  const hash = createHash('md5')
  let sizeBytes = 0
  await using handle = await open(path, 'wx')
  for await (const bytes of body) {
    hash.update(bytes)
    sizeBytes += bytes.byteLength
    await handle.writeFile(bytes)
  }
  return { block: { file, sizeBytes }, md5: hash.digest('base64') }
}

async function* bytesOf(path: string, start: number, end: number): AsyncGenerator<Uint8Array> {
  await using handle = await open(path, 'r')
  for (let at = start; at < end;) {
    const buffer = Buffer.allocUnsafe(Math.min(READ_BYTES, end - at))
    const { bytesRead } = await handle.read(buffer, 0, buffer.length, at)
    if (bytesRead === 0) throw new Error(`a block is shorter than it was: ${path}`)
    yield buffer.subarray(0, bytesRead)
    at += bytesRead
  }
}
