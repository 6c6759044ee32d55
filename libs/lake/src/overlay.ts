import { createHash } from 'node:crypto'
import type { CallOptions, Lake, LakeObject, LocalFiles } from './lake.ts'

/** The operations that an overlay uses of the lower lake: read-only. */
export type LakeBelow = Pick<
  Lake,
  'location' | 'localDirectories' | 'stat' | 'read' | 'readText' | 'download' | 'downloadAll' | 'list'
>

/**
 * A writable view of a lake that is never modified: writes, replacements and deletions go to the upper lake only, and
 * existing objects are read from the lower one. Of a Delta table that is a shallow clone: new log entries and new files
 * in the upper lake, existing files in the lower.
 *
 * Concurrent writes to the lower lake are visible, unless the upper lake has the same path or the path is hidden.
 *
 * @param upper an empty lake, which the overlay disposes; the lower one is left open
 * @param isHidden objects of the lower lake that are invisible, by path
 */
export function createOverlayLake(
  lower: LakeBelow,
  upper: Lake,
  isHidden: (path: string) => boolean = () => false,
): Lake {
  const deleted = new Set<string>()

  const isGone = (path: string) => deleted.has(path) || isHidden(path)
  const isAbove = async (path: string, options?: CallOptions) => (await upper.stat(path, options)) !== undefined
  const isBelow = async (path: string, options?: CallOptions) =>
    !isGone(path) && (await lower.stat(path, options)) !== undefined
  /** The lake that has the object; the upper one where none has it, which then reports that. */
  const holderOf = async (path: string, options?: CallOptions) =>
    !(await isAbove(path, options)) && (await isBelow(path, options)) ? lower : upper

  return {
    location: lower.location,
    localDirectories: [...upper.localDirectories, ...lower.localDirectories],

    stat: async (path, options) => await (await holderOf(path, options)).stat(path, options),

    async *read(path, options) {
      yield* (await holderOf(path, options)).read(path, options)
    },

    readText: async (path, options) => await (await holderOf(path, options)).readText(path, options),

    async putIfAbsent(path, content, options) {
      if (await isBelow(path, options)) return 'exists'
      return await upper.putIfAbsent(path, content, options)
    },

    put: async (path, content, options) => await upper.put(path, content, options),
    write: async (path, content, options) => await upper.write(path, content, options),
    upload: async (localFile, path, options) => await upper.upload(localFile, path, options),

    async writeIfAbsent(path, content, options) {
      if (!(await isBelow(path, options))) return await upper.writeIfAbsent(path, content, options)
      return { ...(await measure(content, options?.signal)), outcome: 'exists' }
    },

    download: async (path, options) => await (await holderOf(path, options)).download(path, options),

    async downloadAll(paths, options) {
      const holders = await Promise.all(paths.map(async (path) => await holderOf(path, options)))
      const of = (lake: LakeBelow) => paths.filter((_, index) => holders[index] === lake)
      await using opening = new AsyncDisposableStack()
      const above = opening.use(await upper.downloadAll(of(upper), options))
      const below = opening.use(await lower.downloadAll(of(lower), options))
      const files = inOrder(holders, { upper, above, below })
      const opened = opening.move()
      return { files, [Symbol.asyncDispose]: async () => await opened.disposeAsync() }
    },

    scratch: async () => await upper.scratch(),

    async *list(folder, options) {
      const below = lower.list(folder, options)
      for await (const object of merged(upper.list(folder, options), below)) {
        if (!isGone(object.path) || (await isAbove(object.path, options))) yield object
      }
    },

    async delete(path, options) {
      const wasBelow = await isBelow(path, options)
      if (wasBelow) deleted.add(path)
      return (await upper.delete(path, options)) || wasBelow
    },

    [Symbol.asyncDispose]: async () => await upper[Symbol.asyncDispose](),
  }
}

type Opened = { readonly upper: LakeBelow; readonly above: LocalFiles; readonly below: LocalFiles }

function inOrder(holders: readonly LakeBelow[], { upper, above, below }: Opened): string[] {
  const [fromAbove, fromBelow] = [above.files.values(), below.files.values()]
  return holders.map((holder) => (holder === upper ? fromAbove : fromBelow).next().value ?? '')
}

async function measure(content: AsyncIterable<Uint8Array>, signal: AbortSignal | undefined) {
  const hash = createHash('sha256')
  let sizeBytes = 0
  for await (const block of content) {
    signal?.throwIfAborted()
    hash.update(block)
    sizeBytes += block.byteLength
  }
  return { sizeBytes, sha256: hash.digest('hex') }
}

/** Merges two listings in order of path; for equal paths the first listing wins. */
async function* merged(
  first: AsyncIterable<LakeObject>,
  second: AsyncIterable<LakeObject>,
): AsyncGenerator<LakeObject> {
  const [ones, others] = [first[Symbol.asyncIterator](), second[Symbol.asyncIterator]()]
  try {
    let [one, other] = [await ones.next(), await others.next()]
    while (one.done !== true || other.done !== true) {
      if (other.done === true || (one.done !== true && one.value.path <= other.value.path)) {
        if (one.done === true) return
        if (other.done !== true && other.value.path === one.value.path) other = await others.next()
        yield one.value
        one = await ones.next()
      } else {
        yield other.value
        other = await others.next()
      }
    }
  } finally {
    await ones.return?.()
    await others.return?.()
  }
}
