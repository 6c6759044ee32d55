import { link, mkdir, open, rename, rm, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { codeOf } from './directory-errors.ts'

/** Forces a file's bytes, or a directory's entries, to the disk: what is announced must survive a power cut. */
export async function sync(fileOrDirectory: string): Promise<void> {
  const handle = await open(fileOrDirectory, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** The syncs of a directory that have begun, and the one that begins when that is over. */
const syncs = new Map<string, { running: Promise<void>; next: Promise<void> | undefined }>()

/**
 * Forces a directory's entries to the disk. Of several callers at once those whose entries were made before a sync begins
 * share it: a sync costs the same for one entry and for a hundred.
 */
async function syncTogether(directory: string): Promise<void> {
  const under = syncs.get(directory)
  if (under === undefined) {
    const running = sync(directory)
    syncs.set(directory, { running, next: undefined })
    await ending(directory, running)
    return
  }
  // The one that is running may have begun before this caller's entry was made.
  under.next ??= under.running
    .catch(() => {})
    .then(async () => {
      const running = sync(directory)
      syncs.set(directory, { running, next: undefined })
      await ending(directory, running)
    })
  await under.next
}

async function ending(directory: string, running: Promise<void>): Promise<void> {
  try {
    await running
  } finally {
    const last = syncs.get(directory)
    if (last?.running === running && last.next === undefined) syncs.delete(directory)
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

/** Moves a finished file to its place unless there is one: of any number of callers exactly one gets `created`. */
export async function placeIfAbsent(finished: string, target: string): Promise<'created' | 'exists'> {
  try {
    await makeParent(target)
    await link(finished, target)
  } catch (error) {
    if (codeOf(error) === 'EEXIST' && (await stat(target)).isFile()) return 'exists'
    throw error
  } finally {
    await rm(finished, { force: true })
  }
  await syncTogether(dirname(target))
  return 'created'
}

/** Makes the folders of a path, and makes sure that they, too, survive a power cut. */
async function makeParent(target: string): Promise<void> {
  const parent = dirname(target)
  const first = await mkdir(parent, { recursive: true })
  if (first === undefined) return
  const top = dirname(first)
  for (let directory = dirname(parent); directory.length >= top.length; directory = dirname(directory)) {
    await sync(directory)
    if (directory === dirname(directory)) return
  }
}
