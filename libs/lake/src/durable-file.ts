import { makeDirectory } from '@cinelake/core'
import { createHash } from 'node:crypto'
import { copyFile, link, lstat, open, rename, rm, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { fileErrorCode } from './directory/errors.ts'
import type { Written } from './lake.ts'

/** Forces a file's bytes, or a directory's entries, to the disk: acknowledged writes must survive a power failure. */
async function sync(fileOrDirectory: string): Promise<void> {
  const handle = await open(fileOrDirectory, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** By directory: the running sync, and the one that starts after it. */
const syncs = new Map<string, { readonly running: Promise<void>; next?: Promise<void> }>()

/**
 * Forces a directory's entries to the disk. Concurrent callers whose entries were made before a sync begins share it: a
 * sync costs the same for one entry and for a hundred.
 */
async function syncTogether(directory: string): Promise<void> {
  const known = syncs.get(directory)
  if (known === undefined) return await beginSync(directory)
  // The running sync may have begun before this caller's entry was made.
  known.next ??= afterThat(known.running, directory)
  await known.next
}

async function afterThat(running: Promise<void>, directory: string): Promise<void> {
  await running.catch(() => {})
  await beginSync(directory)
}

async function beginSync(directory: string): Promise<void> {
  const own = { running: sync(directory) }
  syncs.set(directory, own)
  try {
    await own.running
  } finally {
    // A waiting sync registers itself here when it begins.
    if (syncs.get(directory) === own && !('next' in own)) syncs.delete(directory)
  }
}

/** Moves a finished file to its place, replacing what is there; others see the old bytes or the new ones. */
export async function placeReplacing(finished: string, target: string): Promise<void> {
  try {
    await makeParent(target)
    await rename(finished, target)
  } catch (error) {
    await rm(finished, { force: true })
    throw error
  }
  await syncTogether(dirname(target))
}

/** Moves a finished file to its place unless one exists: of any number of callers exactly one gets `created`. */
export async function placeIfAbsent(finished: string, target: string): Promise<'created' | 'exists'> {
  try {
    await makeParent(target)
    await link(finished, target)
  } catch (error) {
    if (fileErrorCode(error) === 'EEXIST' && (await stat(target)).isFile()) return 'exists'
    throw error
  } finally {
    await rm(finished, { force: true })
  }
  await syncTogether(dirname(target))
  return 'created'
}

/** Creates the folders of a path, and makes them durable as well. */
async function makeParent(target: string): Promise<void> {
  const parent = dirname(target)
  const first = await makeDirectory(parent)
  if (first === undefined) return
  const top = dirname(first)
  for (let directory = dirname(parent); directory.length >= top.length; directory = dirname(directory)) {
    await sync(directory)
    if (directory === dirname(directory)) return
  }
}

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
    if (fileErrorCode(error) !== 'EXDEV') throw error
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
