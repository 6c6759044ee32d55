import { makeDirectory } from '@cinelake/core'
import { link, open, rename, rm, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { codeOf } from './directory/errors.ts'

/** Forces a file's bytes, or a directory's entries, to the disk: acknowledged writes must survive a power failure. */
export async function sync(fileOrDirectory: string): Promise<void> {
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
    if (codeOf(error) === 'EEXIST' && (await stat(target)).isFile()) return 'exists'
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
