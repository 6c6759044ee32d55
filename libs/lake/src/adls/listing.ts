import { isMissing, storageErrorCode } from './errors.ts'
import type { AdlsContainer } from './container.ts'
import type { LakeObject } from '../lake.ts'
import { SCRATCH } from '../path.ts'

/** Folders listed ahead: hides the latency of a table with many partitions. */
const FOLDERS_AHEAD = 8

type Listing = { readonly startAfter: string; readonly signal: AbortSignal | undefined }

type Entry = { readonly order: string } & (
  | { readonly kind: 'object'; readonly object: LakeObject }
  | { readonly kind: 'folder'; readonly path: string }
)

/**
 * The objects below a folder in order of path, a few folders in memory at a time.
 *
 * A hierarchical namespace lists by segments: `a/x` before `a-b`, since `a` comes before `a-b`. In order of path it is
 * the reverse, because `-` comes before `/`. So each folder is listed separately and sorted here.
 */
export async function* listObjects(
  container: AdlsContainer,
  folder: string,
  listing: Listing,
): AsyncGenerator<LakeObject> {
  yield* objectsIn(container, await entriesOf(container, folder, listing), listing)
}

async function* objectsIn(
  container: AdlsContainer,
  entries: readonly Entry[],
  listing: Listing,
): AsyncGenerator<LakeObject> {
  const ahead: Promise<Entry[]>[] = []
  const folders = entries.flatMap((entry) => (entry.kind === 'folder' ? [entry.path] : []))
  let asked = 0
  for (const entry of entries) {
    if (entry.kind === 'object') {
      yield entry.object
      continue
    }
    while (asked < folders.length && ahead.length < FOLDERS_AHEAD) {
      const found = entriesOf(container, folders[asked] ?? '', listing)
      // Errors surface in order; a reader that stops early never sees them.
      found.catch(() => {})
      ahead.push(found)
      asked += 1
    }
    yield* objectsIn(container, (await ahead.shift()) ?? [], listing)
  }
}

async function entriesOf(container: AdlsContainer, folder: string, { startAfter, signal }: Listing): Promise<Entry[]> {
  const entries: Entry[] = []
  for await (const { name = '', isDirectory, contentLength, lastModified } of pathsIn(
    container,
    folder,
    startAfter,
    signal,
  )) {
    const path = name.slice(container.root.length)
    if (path === SCRATCH) continue
    const isFolder = isDirectory === true
    const order = isFolder ? `${path}/` : path
    if (order <= startAfter && !(isFolder && startAfter.startsWith(order))) continue
    const object = { path, sizeBytes: Number(contentLength ?? 0), modifiedAt: lastModified ?? new Date(0) }
    entries.push(isFolder ? { kind: 'folder', order, path } : { kind: 'object', order, object })
  }
  return entries.sort((a, b) => (a.order < b.order ? -1 : 1))
}

/** The direct children of a folder, page by page. Empty where there is no such folder. */
async function* pathsIn(container: AdlsContainer, folder: string, startAfter: string, signal: AbortSignal | undefined) {
  const path = `${container.root}${folder}`.replace(/\/$/, '')
  const startFrom = firstName(folder, startAfter)
  let continuationToken: string | undefined
  do {
    const page = await nextPage(container, { path, startFrom, continuationToken }, signal)
    if (page === undefined) return
    yield* page.pathItems ?? []
    continuationToken = page.continuation === '' ? undefined : page.continuation
  } while (continuationToken !== undefined)
}

type PageOptions = {
  readonly path: string
  readonly startFrom: string | undefined
  readonly continuationToken: string | undefined
}

async function nextPage(
  container: AdlsContainer,
  { path, startFrom, continuationToken }: PageOptions,
  signal: AbortSignal | undefined,
) {
  try {
    return await container.call(signal, async (abortSignal) => {
      const pages = container.fileSystem
        .listPaths({
          recursive: false,
          abortSignal,
          ...(path !== '' && { path }),
          ...(startFrom !== undefined && { startFrom }),
        })
        .byPage({
          maxPageSize: container.tuning.pageSize,
          ...(continuationToken !== undefined && { continuationToken }),
        })
      return (await pages.next()).value
    })
  } catch (error) {
    // The root folder of the lake may not have been created yet.
    if (isMissing(error) || storageErrorCode(error) === 'PathNotFound') return undefined
    throw error
  }
}

/**
 * Where Azure may start the listing of a folder. A folder whose objects come after `startAfter` may itself come before
 * it: `a`, for `a/x` after `a-b`. Its name is then a prefix of `startAfter`, up to a character that comes before `/`.
 */
export function firstName(folder: string, startAfter: string): string | undefined {
  const base = folder === '' ? '' : `${folder}/`
  if (!startAfter.startsWith(base)) return undefined
  const [name = ''] = startAfter.slice(base.length).split('/', 1)
  // Azure's ordering of names that are not ASCII is undocumented.
  const [start = ''] = /^[0-9A-Za-z_=~]*/.exec(name) ?? []
  const isWhole = start === name || (name.codePointAt(start.length) ?? 0) < 0x2f
  return start === '' || !isWhole ? undefined : start
}
