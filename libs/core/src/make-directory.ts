import { mkdir, stat } from 'node:fs/promises'
import path from 'node:path'

/** Retries: another process may remove a folder of the path between the check and `mkdir`. */
const LOOKS = 3

/**
 * Creates a directory and its missing parents; does nothing where it exists. Used instead of Node's recursive `mkdir`,
 * which never returns where a parent exists but cannot hold a directory (`/proc`).
 * @returns the outermost directory that was created; undefined when all existed
 * @throws the system's error: EACCES, EROFS, ENOTDIR, or ENOENT where nothing can be created
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

/** The directories to create, outermost first. */
async function missingOf(target: string): Promise<string[]> {
  const missing: string[] = []
  for (let place = target; !(await isDirectory(place)); place = path.dirname(place)) {
    missing.unshift(place)
    // The root of a drive that does not exist.
    if (path.dirname(place) === place) break
  }
  return missing
}

async function step(directory: string): Promise<void> {
  try {
    await mkdir(directory)
  } catch (error) {
    // Another process may have created it first; a file with that name stays an error.
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
