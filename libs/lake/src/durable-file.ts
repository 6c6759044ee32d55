import { makeDirectory } from '@cinelake/core'
import { link, open, rename, rm, stat } from 'node:fs/promises'
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

/** Moves a finished file to its place, replacing what is there; others see the old bytes or the new ones. */
export async function placeReplacing(finished: string, target: string): Promise<void> {
  try {
    await makeParent(target)
    await rename(finished, target)
  } catch (error) {
    await rm(finished, { force: true })
    throw error
  }
  await sync(dirname(target))
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
  await sync(dirname(target))
  return 'created'
}

/** Makes the folders of a path, and makes sure that they, too, survive a power cut. */
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
