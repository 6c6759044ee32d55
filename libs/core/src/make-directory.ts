import { mkdir, stat } from 'node:fs/promises'
import path from 'node:path'

/** Times that the way is looked at again: another process may remove a folder of it between look and step. */
const LOOKS = 3

/**
 * Makes a directory with all that are missing above it; does nothing where it is. Used instead of Node's recursive
 * `mkdir`, which never ends where a folder is there but cannot hold another (`/proc`).
 * @returns the outermost directory that was made; undefined when there was nothing to make
 * @throws the system's error: EACCES, EROFS, ENOTDIR, or ENOENT where nothing can be made
 */
export async function makeDirectory(directory: string): Promise<string | undefined> {
  for (let look = 1; ; look++) {
    try {
      const missing = await missingOf(path.resolve(directory))
      for (const each of missing) await step(each)
      return missing[0]
    } catch (error) {
      if (!isCode(error, 'ENOENT') || look === LOOKS) throw error
    }
  }
}

/** The directories to make, outermost first. */
async function missingOf(target: string): Promise<string[]> {
  const missing: string[] = []
  for (let place = target; !(await isDirectory(place)); place = path.dirname(place)) {
    missing.unshift(place)
    // The root of a drive that is not there.
    if (path.dirname(place) === place) break
  }
  return missing
}

async function step(directory: string): Promise<void> {
  try {
    await mkdir(directory)
  } catch (error) {
    // Another process may have been faster; a file in the way stays an error.
    if (!isCode(error, 'EEXIST') || !(await isDirectory(directory))) throw error
  }
}

async function isDirectory(place: string): Promise<boolean> {
  try {
    return (await stat(place)).isDirectory()
  } catch (error) {
    if (isCode(error, 'ENOENT')) return false
    throw error
  }
}

function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code
}
