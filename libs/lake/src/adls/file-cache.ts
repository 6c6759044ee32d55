import { rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { makeDirectory, Semaphore } from '@cinelake/core'
import { lakeErrors } from '../errors.ts'
import type { LocalFiles } from '../lake.ts'

/** An object that is requested as a local file. */
export type Copy = {
  /** Identifies the content: path and version. */
  readonly key: string
  /** For messages. */
  readonly path: string
  readonly sizeBytes: number
  /** Makes the copy. The signal is aborted when no caller waits for it any more. */
  readonly fill: (file: string, signal: AbortSignal) => Promise<void>
}

/** Local file cache of lake objects, bounded in size. */
export interface FileCache extends AsyncDisposable {
  /**
   * The copies with these keys, all of them or none: each is made once for all callers, and kept after its use while
   * there is space.
   * @throws {LAKE_SCRATCH_FULL} transient: no space within the timeout
   * @throws {LAKE_SCRATCH_TOO_SMALL} terminal
   */
  take(copies: readonly Copy[], signal: AbortSignal | undefined): Promise<LocalFiles>
}

/** Copies made concurrently. */
const FILLS_AT_ONCE = 16

/** A copy, and its own directory. */
type Made = { readonly file: string; readonly directory: string }

type Entry = {
  readonly sizeBytes: number
  readonly stop: AbortController
  readonly ready: Promise<Made>
  isReady: boolean
  users: number
}

/**
 * @param newDirectory makes an empty directory on the scratch disk
 * @param waitMs how long a copy may wait for others to be released
 */
export function createFileCache({
  limitBytes,
  waitMs,
  newDirectory,
}: {
  readonly limitBytes: number
  readonly waitMs: number
  readonly newDirectory: () => Promise<string>
}): FileCache {
  // Unused copies, least recently used first: a map keeps the order of insertion.
  const entries = new Map<string, Entry>()
  const underWay = new Set<Promise<unknown>>()
  const fills = new Semaphore(FILLS_AT_ONCE)
  const room = createRoom(limitBytes, waitMs, () => evictOldest(entries))

  const make = async ({ path, sizeBytes, fill }: Copy, signal: AbortSignal): Promise<Made> => {
    await room.take(path, sizeBytes, signal)
    let directory: string | undefined
    try {
      directory = await newDirectory()
      // Under its whole path: the engine reads partition values from it.
      const file = join(directory, path)
      await makeDirectory(dirname(file))
      await fills.run(async () => {
        signal.throwIfAborted()
        await fill(file, signal)
      })
      return { file, directory }
    } catch (error) {
      if (directory !== undefined) await rm(directory, { recursive: true, force: true })
      room.giveBack(sizeBytes)
      throw error
    }
  }

  /** Another copy may have replaced it meanwhile. */
  const forget = (key: string, entry: Entry) => entries.get(key) === entry && entries.delete(key)

  const settle = async (copy: Copy, entry: Entry) => {
    const made = await entry.ready.catch(() => undefined)
    if (made === undefined) forget(copy.key, entry)
    else if (!entry.stop.signal.aborted) entry.isReady = true
    // Finished after the last caller was cancelled: removed here, since no caller will.
    else await removeCopy(made).then(() => room.giveBack(copy.sizeBytes), ignoreLeftover)
  }

  /**
   * Unused copies may have been deleted from the disk by another program: then the entry is dropped, and the copy made
   * again.
   */
  const checkUnused = async (key: string) => {
    const entry = entries.get(key)
    if (entry === undefined || !entry.isReady || entry.users > 0) return
    const made = await entry.ready
    if ((await sizeOf(made.file)) === entry.sizeBytes || entry.users > 0 || !forget(key, entry)) return
    await removeCopy(made)
    room.giveBack(entry.sizeBytes)
  }

  const enter = (copy: Copy): Entry => {
    const found = entries.get(copy.key)
    if (found !== undefined) return found
    const stop = new AbortController()
    const ready = make(copy, stop.signal)
    const entry: Entry = { sizeBytes: copy.sizeBytes, stop, ready, isReady: false, users: 0 }
    entries.set(copy.key, entry)
    const settled = settle(copy, entry).finally(() => underWay.delete(settled))
    underWay.add(settled)
    return entry
  }

  const leave = (key: string, entry: Entry) => {
    entry.users -= 1
    if (entry.users > 0) return
    if (!entry.isReady) {
      entry.stop.abort()
      forget(key, entry)
    } else if (forget(key, entry)) {
      entries.set(key, entry)
      room.lookAgain()
    }
  }

  /**
   * Synchronous: space is granted in the order of the requests, so two large requests never hold half of it each and
   * deadlock.
   */
  const takeTogether = (copies: readonly Copy[]) => {
    const held = new Map<string, Entry>()
    for (const copy of copies) {
      const entry = enter(copy)
      entry.users += 1
      held.set(copy.key, entry)
    }
    let isHeld = true
    return {
      entries: held,
      leave() {
        if (isHeld) for (const [key, entry] of held) leave(key, entry)
        isHeld = false
      },
    }
  }

  return {
    async take(copies, signal) {
      const wanted = new Map(copies.map((copy) => [copy.key, copy]))
      checkRoom([...wanted.values()], limitBytes)
      for (const key of wanted.keys()) await checkUnused(key)
      signal?.throwIfAborted()
      const taken = takeTogether([...wanted.values()])
      try {
        await untilAborted(Promise.all([...taken.entries.values()].map(({ ready }) => ready)), signal)
        const made = copies.map(async ({ key }) => (await taken.entries.get(key)?.ready)?.file ?? '')
        return { files: await Promise.all(made), [Symbol.asyncDispose]: async () => taken.leave() }
      } catch (error) {
        taken.leave()
        throw error
      }
    },

    async [Symbol.asyncDispose]() {
      for (const { stop } of entries.values()) stop.abort()
      await Promise.all(underWay)
    },
  }

  /** @returns bytes that are free now; 0 when all copies are in use */
  async function evictOldest(from: Map<string, Entry>): Promise<number> {
    for (const [key, entry] of from) {
      if (entry.users > 0 || !entry.isReady) continue
      from.delete(key)
      await removeCopy(await entry.ready)
      return entry.sizeBytes
    }
    return 0
  }
}

async function removeCopy({ directory }: Made): Promise<void> {
  await rm(directory, { recursive: true, force: true })
}

/** Bytes; undefined where the file is not there. */
async function sizeOf(file: string): Promise<number | undefined> {
  return await stat(file).then(
    ({ size }) => size,
    () => undefined,
  )
}

/** Checked before waiting: a request larger than the whole cache can never be granted. */
function checkRoom(copies: readonly Copy[], limitBytes: number): void {
  const sizeBytes = copies.reduce((sum, copy) => sum + copy.sizeBytes, 0)
  const largest = copies.toSorted((a, b) => b.sizeBytes - a.sizeBytes)[0]
  if (largest !== undefined && sizeBytes > limitBytes) {
    throw lakeErrors.LAKE_SCRATCH_TOO_SMALL(largest.path, copies.length, sizeBytes, limitBytes)
  }
}

/** Files that cannot be removed count against the limit until the scratch space as a whole is removed. */
function ignoreLeftover(): void {}

/** A byte-budget semaphore that grants space in the order of the requests. */
function createRoom(limitBytes: number, waitMs: number, evict: () => Promise<number>) {
  let usedBytes = 0
  let last: Promise<void> = Promise.resolve()
  let wake = Promise.withResolvers<void>()
  const lookAgain = () => {
    wake.resolve()
    wake = Promise.withResolvers<void>()
  }

  const takeInTurn = async (path: string, sizeBytes: number, deadline: number, signal: AbortSignal) => {
    while (usedBytes + sizeBytes > limitBytes) {
      signal.throwIfAborted()
      const woken = wake.promise
      const freed = await evict()
      usedBytes -= freed
      if (freed > 0) continue
      const leftMs = deadline - performance.now()
      if (leftMs <= 0) throw lakeErrors.LAKE_SCRATCH_FULL(path, sizeBytes, limitBytes, waitMs)
      await wokenOrOver(woken, leftMs, signal)
    }
    usedBytes += sizeBytes
  }

  return {
    async take(path: string, sizeBytes: number, signal: AbortSignal): Promise<void> {
      // The timeout starts here: a request in the queue waits no longer than those before it.
      const deadline = performance.now() + waitMs
      const turn = last.then(async () => await takeInTurn(path, sizeBytes, deadline, signal))
      // The next request is considered whether or not this one succeeded.
      last = turn.catch(() => {})
      await turn
    },
    giveBack(sizeBytes: number) {
      usedBytes -= sizeBytes
      lookAgain()
    },
    lookAgain,
  }
}

async function wokenOrOver(woken: Promise<void>, milliseconds: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return
  const over = Promise.withResolvers<void>()
  const end = () => over.resolve()
  const timer = setTimeout(end, milliseconds)
  signal.addEventListener('abort', end, { once: true })
  await Promise.race([woken, over.promise])
  clearTimeout(timer)
  signal.removeEventListener('abort', end)
}

async function untilAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return await work
  const aborted = Promise.withResolvers<never>()
  const abort = () => aborted.reject(signal.reason)
  signal.addEventListener('abort', abort, { once: true })
  try {
    return await Promise.race([work, aborted.promise])
  } finally {
    signal.removeEventListener('abort', abort)
  }
}
