import { CancelledError, makeDirectory, Semaphore } from '@cinelake/core'
import { createReadStream } from 'node:fs'
import { open, readdir, readFile, stat, unlink } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { ContentFailure, fillFile, fillFileFrom, placeIfAbsent, placeReplacing, takeFile } from '../durable-file.ts'
import { lakeErrors, LakeObjectMissingError } from '../errors.ts'
import type { CallOptions, Lake, LakeObject } from '../lake.ts'
import { checkFolder, checkPath, SCRATCH } from '../path.ts'
import { openScratchSpace, type ScratchSpace } from '../scratch-space.ts'
import { isMissing, translate } from './errors.ts'

/** Bytes. The limit documented at `Lake.readText`. */
const MAX_TEXT_BYTES = 64 * 1024 * 1024

/** Bytes read at once: as fast as larger blocks on a local disk, and small compared to an engine's memory. */
const READ_BLOCK_BYTES = 256 * 1024

/** Files checked concurrently: sequentially, thousands of them are slow on a network disk. */
const LOOKS_AT_ONCE = 16

/**
 * A data lake in a directory of a local or network disk that supports hard links and atomic renames. Unfinished files
 * are kept below `<root>/.scratch`; files of dead processes there are removed when the lake is opened.
 *
 * @param root created when missing
 */
export async function createDirectoryLake(root: string): Promise<Lake> {
  const directory = resolve(root)
  const location = `file:${directory}`
  try {
    await makeDirectory(directory)
    return lakeIn({ directory, location, scratch: await openScratchSpace(join(directory, SCRATCH)) })
  } catch (error) {
    throw translate(error, { what: 'open', path: directory, location })
  }
}

type Place = { readonly directory: string; readonly location: string; readonly scratch: ScratchSpace }

function lakeIn(place: Place): Lake {
  const { directory, location, scratch } = place

  /** Validates the path, checks the signal, and translates file system errors. */
  const call = async <T>(
    what: string,
    path: string,
    options: CallOptions | undefined,
    run: (file: string) => Promise<T>,
  ): Promise<T> => {
    checkPath(path)
    stopIfAborted(`${what} ${path}`, options?.signal)
    try {
      return await run(join(directory, path))
    } catch (error) {
      if (error instanceof ContentFailure) throw error.cause
      throw options?.signal?.aborted === true
        ? cancelled(`${what} ${path}`, error)
        : translate(error, { what, path, location })
    }
  }

  const fileAt = (path: string, options?: CallOptions) =>
    call('download', path, options, async (file) => {
      if ((await objectAt(directory, path)) === undefined) throw new LakeObjectMissingError(path, location)
      return file
    })
  const nothingHeld = { async [Symbol.asyncDispose]() {} }

  return {
    location,
    localDirectories: [directory],
    stat: (path, options) => call('stat', path, options, () => objectAt(directory, path)),

    async *read(path, options = {}) {
      const { start = 0, end = Infinity, signal } = options
      checkPath(path)
      stopIfAborted(`read ${path}`, signal)
      try {
        yield* await readBlocks(join(directory, path), start, end, signal)
      } catch (error) {
        if (signal?.aborted === true) throw cancelled(`read ${path}`, error)
        if (isMissing(error)) throw new LakeObjectMissingError(path, location, { cause: error })
        throw translate(error, { what: 'read', path, location })
      }
    },

    readText: (path, options) =>
      call('read', path, options, async (file) => {
        const found = await objectAt(directory, path)
        if (found === undefined) return undefined
        if (found.sizeBytes > MAX_TEXT_BYTES)
          throw lakeErrors.LAKE_OBJECT_TOO_LARGE(path, found.sizeBytes, MAX_TEXT_BYTES)
        return readFile(file, 'utf8').catch((error: unknown) => undefinedWhenMissing(error))
      }),

    putIfAbsent: (path, content, options) =>
      call('put', path, options, async (file) => {
        // A cheap check for the common second caller; the link decides.
        if ((await objectAt(directory, path)) !== undefined) return 'exists'
        const unfinished = await scratch.file()
        await fillFile(unfinished, content)
        return placeIfAbsent(unfinished, file)
      }),

    put: (path, content, options) =>
      call('put', path, options, async (file) => {
        const unfinished = await scratch.file()
        await fillFile(unfinished, content)
        await placeReplacing(unfinished, file)
      }),

    write: (path, content, options) =>
      call('write', path, options, async (file) => {
        const unfinished = await scratch.file()
        const written = await fillFileFrom(unfinished, content, options?.signal)
        await placeReplacing(unfinished, file)
        return written
      }),

    writeIfAbsent: (path, content, options) =>
      call('write', path, options, async (file) => {
        const unfinished = await scratch.file()
        const written = await fillFileFrom(unfinished, content, options?.signal)
        return { ...written, outcome: await placeIfAbsent(unfinished, file) }
      }),

    upload: (localFile, path, options) =>
      call('upload', path, options, async (file) => {
        const unfinished = await scratch.file()
        await takeFile(localFile, unfinished)
        await placeReplacing(unfinished, file)
      }),

    download: async (path, options) => ({ file: await fileAt(path, options), ...nothingHeld }),

    async downloadAll(paths, options) {
      const looks = new Semaphore(LOOKS_AT_ONCE)
      const files = await Promise.all(paths.map((path) => looks.run(() => fileAt(path, options))))
      return { files, ...nothingHeld }
    },

    async scratch() {
      try {
        return await scratch.directory()
      } catch (error) {
        throw translate(error, { what: 'make', path: SCRATCH, location })
      }
    },

    async *list(folder, options = {}) {
      const { signal, startAfter = '' } = options
      checkFolder(folder)
      try {
        yield* listObjects(folder, { root: directory, startAfter, signal })
      } catch (error) {
        throw signal?.aborted === true
          ? cancelled(`list ${folder}`, error)
          : translate(error, { what: 'list', path: folder, location })
      }
    },

    delete: (path, options) =>
      call('delete', path, options, async (file) => {
        if ((await objectAt(directory, path)) === undefined) return false
        return unlink(file).then(
          () => true,
          (error: unknown) => undefinedWhenMissing(error) ?? false,
        )
      }),

    [Symbol.asyncDispose]: () => scratch[Symbol.asyncDispose](),
  }
}

/** Opens before the first block is requested, so that a missing object is reported at once. */
async function readBlocks(
  file: string,
  start: number,
  end: number,
  signal: AbortSignal | undefined,
): Promise<AsyncIterable<Uint8Array>> {
  const handle = await open(file, 'r')
  if ((await handle.stat()).isDirectory()) {
    await handle.close()
    throw Object.assign(new Error('is a directory'), { code: 'EISDIR' })
  }
  if (start >= end) {
    await handle.close()
    return noBlocks()
  }
  // The stream's end is inclusive. The stream closes the handle, also when the reader stops early.
  return createReadStream(file, {
    fd: handle,
    start,
    end: end - 1,
    highWaterMark: READ_BLOCK_BYTES,
    ...(signal && { signal }),
  })
}

async function* noBlocks(): AsyncGenerator<Uint8Array> {}

function undefinedWhenMissing(error: unknown): undefined {
  if (!isMissing(error)) throw error
}

function stopIfAborted(what: string, signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) throw cancelled(what, signal.reason)
}

function cancelled(what: string, cause: unknown): CancelledError {
  return cause instanceof CancelledError ? cause : new CancelledError(what, { cause })
}

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
