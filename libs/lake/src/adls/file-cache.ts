import { rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { makeDirectory, Semaphore } from '@cinelake/core'
import { lakeErrors } from '../errors.ts'
import type { LocalFiles } from '../lake.ts'

/** What is to be had as a local file. */
export type Copy = {
  /** Tells contents apart: path and version. */
  readonly key: string
  /** For messages. */
  readonly path: string
  readonly sizeBytes: number
  /** Makes the copy. The signal is aborted when nobody wants it any more. */
  readonly fill: (file: string, signal: AbortSignal) => Promise<void>
}

/** Local copies of lake objects, in bounded room. */
export interface FileCache extends AsyncDisposable {
  /**
   * The copies with these keys, all of them or none: each made once however many ask for it, and kept after its use
   * while there is room.
   * @throws {LAKE_SCRATCH_FULL} transient: no room within the time to wait
   * @throws {LAKE_SCRATCH_TOO_SMALL} terminal
   */
  take(copies: readonly Copy[], signal: AbortSignal | undefined): Promise<LocalFiles>
}

/** Copies filled at once. */
const FILLS_AT_ONCE = 16

/** A copy, and the directory that it has to itself. */
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
 * @param waitMs how long a copy may wait for others to be given back
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
  // Copies that nobody uses are in order of their last use: a map keeps the order of insertion.
  const entries = new Map<string, Entry>()
  const underWay = new Set<Promise<unknown>>()
  const fills = new Semaphore(FILLS_AT_ONCE)
  const room = createRoom(limitBytes, waitMs, () => evictOldest(entries))

  const make = async ({ path, sizeBytes, fill }: Copy, signal: AbortSignal): Promise<Made> => {
    await room.take(path, sizeBytes, signal)
    let directory: string | undefined
    try {
      directory = await newDirectory()
      // Under its whole path: the engine reads the values of partitions from it.
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

  /** Another copy may have come in its place meanwhile. */
  const forget = (key: string, entry: Entry) => entries.get(key) === entry && entries.delete(key)

  const settle = async (copy: Copy, entry: Entry) => {
    const made = await entry.ready.catch(() => undefined)
    if (made === undefined) forget(copy.key, entry)
    else if (!entry.stop.signal.aborted) entry.isReady = true
    // Finished although the last who wanted it has gone: nobody else will ever remove it.
    else await removeCopy(made).then(() => room.giveBack(copy.sizeBytes), ignoreLeftover)
  }

  /** Somebody may have tidied the disk while nobody used a copy: then it is forgotten, and made again. */
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
   * In one turn: room is handed out in the order in which it was asked for, so two that want much never hold half of it
   * each and wait for the other half.
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

/** Said before anybody waits: what does not fit into all the room never will. */
function checkRoom(copies: readonly Copy[], limitBytes: number): void {
  const sizeBytes = copies.reduce((sum, copy) => sum + copy.sizeBytes, 0)
  const largest = copies.toSorted((a, b) => b.sizeBytes - a.sizeBytes)[0]
  if (largest !== undefined && sizeBytes > limitBytes) {
    throw lakeErrors.LAKE_SCRATCH_TOO_SMALL(largest.path, copies.length, sizeBytes, limitBytes)
  }
}

/** What cannot be removed takes up its room until the scratch space as a whole is removed. */
function ignoreLeftover(): void {}

/** Room that is handed out in the order in which it was asked for. */
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
      // The wait begins here: who stands behind others waits no longer than they do.
      const deadline = performance.now() + waitMs
      const turn = last.then(async () => await takeInTurn(path, sizeBytes, deadline, signal))
      // The next one's turn comes whether or not this one got what it wanted.
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
