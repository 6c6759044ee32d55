import { createHash } from 'node:crypto'
import { copyFile, lstat, open, rename, rm } from 'node:fs/promises'
import { codeOf } from './directory/errors.ts'
import { sync } from './durable-file.ts'
import type { Written } from './lake.ts'

/** An error of the caller's stream, not of the lake: passed on unchanged. */
export class ContentFailure extends Error {}

/** Writes a small content to a new file and makes it durable. Leaves nothing behind when it fails. */
export async function fillFile(file: string, content: string | Uint8Array): Promise<void> {
  await removingOnFailure(file, async () => {
    await using handle = await open(file, 'wx')
    await handle.writeFile(content)
    await handle.sync()
  })
}

/** Writes a stream to a new file, block by block, and makes it durable. Leaves nothing behind when it fails. */
export async function fillFileFrom(
  file: string,
  content: AsyncIterable<Uint8Array>,
  signal: AbortSignal | undefined,
): Promise<Written> {
  return removingOnFailure(file, async () => {
    const hash = createHash('sha256')
    let sizeBytes = 0
    await using handle = await open(file, 'wx')
    for await (const block of markingFailure(content)) {
      signal?.throwIfAborted()
      hash.update(block)
      sizeBytes += block.byteLength
      await handle.writeFile(block)
    }
    signal?.throwIfAborted()
    await handle.sync()
    return { sizeBytes, sha256: hash.digest('hex') }
  })
}

/** Takes over a local file: moved on the same disk, else copied; durable in either case. */
export async function takeFile(localFile: string, file: string): Promise<void> {
  await removingOnFailure(file, async () => {
    if ((await statOfLocal(localFile)).isSymbolicLink()) await copyFile(localFile, file)
    else await moveOrCopy(localFile, file)
    await sync(file)
  })
}

async function moveOrCopy(from: string, to: string): Promise<void> {
  try {
    await rename(from, to)
  } catch (error) {
    if (codeOf(error) !== 'EXDEV') throw error
    await copyFile(from, to)
  }
}

async function statOfLocal(localFile: string) {
  try {
    return await lstat(localFile)
  } catch (error) {
    throw new ContentFailure(undefined, { cause: error })
  }
}

async function removingOnFailure<T>(file: string, run: () => Promise<T>): Promise<T> {
  try {
    return await run()
  } catch (error) {
    await rm(file, { force: true })
    throw error
  }
}

/** Passes content through, and marks its errors as the source's own. */
export async function* markingFailure(content: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  try {
    yield* content
  } catch (error) {
    throw new ContentFailure(undefined, { cause: error })
  }
}
