import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { isMissing } from './errors.ts'
import type { LakeObject } from '../lake.ts'
import { SCRATCH } from '../path.ts'

/** Objects checked concurrently: enough to hide the latency of a network disk. */
const STATS_AT_ONCE = 64

type Listing = { readonly root: string; readonly startAfter: string; readonly signal: AbortSignal | undefined }

/**
 * The objects below a folder in order of path, one folder in memory at a time. Objects deleted meanwhile are omitted.
 * @param folder lake path, `''` for all
 */
export async function* listObjects(folder: string, listing: Listing): AsyncGenerator<LakeObject> {
  listing.signal?.throwIfAborted()
  const entries = await sortedEntries(folder, listing)
  for (let at = 0; at < entries.length;) {
    const entry = entries[at]
    if (entry?.isFolder === true) {
      yield* listObjects(entry.path, listing)
      at += 1
    } else {
      const next = entries.findIndex((other, index) => index > at && other.isFolder)
      const end = Math.min(next === -1 ? entries.length : next, at + STATS_AT_ONCE)
      const objects = await Promise.all(entries.slice(at, end).map(({ path }) => objectAt(listing.root, path)))
      for (const object of objects) if (object !== undefined) yield object
      listing.signal?.throwIfAborted()
      at = end
    }
  }
}

/** The properties of an object; undefined where there is none. */
export async function objectAt(root: string, path: string): Promise<LakeObject | undefined> {
  try {
    const found = await stat(join(root, path))
    return found.isFile() ? { path, sizeBytes: found.size, modifiedAt: found.mtime } : undefined
  } catch (error) {
    if (isMissing(error)) return undefined
    throw error
  }
}

type Entry = { readonly path: string; readonly isFolder: boolean; readonly order: string }

async function sortedEntries(folder: string, { root, startAfter }: Listing): Promise<Entry[]> {
  const found = await entriesOf(join(root, folder))
  return found
    .map((entry): Entry => {
      const path = folder === '' ? entry.name : `${folder}/${entry.name}`
      const isFolder = entry.isDirectory()
      // A folder sorts where its objects do: `a.csv` comes before `a/b.csv`, though `a` comes before `a.csv`.
      return { path, isFolder, order: isFolder ? `${path}/` : path }
    })
    .filter(
      ({ path, isFolder, order }) =>
        path !== SCRATCH && (order > startAfter || (isFolder && startAfter.startsWith(order))),
    )
    .sort((a, b) => (a.order < b.order ? -1 : 1))
}

async function entriesOf(directory: string) {
  try {
    const entries = await readdir(directory, { withFileTypes: true })
    return entries.filter((entry) => entry.isFile() || entry.isDirectory())
  } catch (error) {
    if (isMissing(error)) return []
    throw error
  }
}
