import { createHash } from 'node:crypto'
import type { CsvSpool, SpooledRows } from '@cinelake/json-rows'
import { LandingTakenError } from './errors.ts'
import { pagePath, type LandingPlace, type PageObject } from './landed-pages.ts'
import { FORMAT, headText, linkOf, type LandingState, type PageHead } from './page-object.ts'

/** Pages and bytes that may be read before the previous pages are in the lake. */
const MAX_WAITING_PAGES = 16
const MAX_WAITING_BYTES = 8 * 1024 * 1024

/** Number of objects that are merged into one: the lake is not made for many small ones. */
const MERGED = 64

/** Bytes. Objects of this total size are not small. */
const LARGE_BYTES = 4 * 1024 * 1024

export type LoggedPage = SpooledRows & { readonly state: LandingState }

/** Writes pages to the lake as they arrive, so that another process can continue after them. */
export type PageLog = {
  /** Resolves when the next page may be read. @throws {LandingTakenError} transient, and errors of the lake */
  append(page: LoggedPage): Promise<void>
  /** Resolves when all pages are in the lake. */
  drain(): Promise<void>
}

/**
 * One write is under way at a time, while the next page is requested; pages that arrive meanwhile share the next write. So
 * with a slow API each page is in the lake before the next one arrives, and a fast API does not wait for the lake.
 * @param spool has all rows, including those that are already in the lake
 */
export function createPageLog(place: LandingPlace, spool: CsvSpool, landed: readonly PageObject[]): PageLog {
  const writer = createWriter(place, spool, landed)
  let waiting: LoggedPage[] = []
  let waitingBytes = 0
  const write: { now?: Promise<void> | undefined } = {}

  const writeAll = async () => {
    while (waiting.length > 0) {
      const pages = waiting
      waiting = []
      waitingBytes = 0
      await writer.write(pages)
    }
  }
  const start = () => {
    write.now ??= writeAll().finally(() => void (write.now = undefined))
    // The next call of append or drain throws it.
    write.now.catch(() => {})
    return write.now
  }
  return {
    async append(page) {
      waiting.push(page)
      waitingBytes += page.rows.length
      const written = start()
      if (waiting.length >= MAX_WAITING_PAGES || waitingBytes >= MAX_WAITING_BYTES) await written
      writer.throwIfBroken()
    },
    async drain() {
      while (waiting.length > 0 || write.now !== undefined) await start()
      writer.throwIfBroken()
    },
  }
}

type Written = { readonly path: string; readonly head: PageHead }

function createWriter(
  { lake, folder, of, clock, signal, log }: LandingPlace,
  spool: CsvSpool,
  landed: readonly PageObject[],
) {
  /** Not merged yet. */
  let small: Written[] = landed.filter(({ path }) => path.includes('/p-'))
  let last = landed.at(-1)?.head
  let broken: unknown
  const bytesIn = (written: readonly { readonly head: PageHead }[]) => ({
    rows: written.reduce((sum, { head }) => sum + head.rowsBytes, 0),
    keys: written.reduce((sum, { head }) => sum + head.keysBytes, 0),
  })
  let total = bytesIn(landed)

  const put = async (pages: readonly LoggedPage[]) => {
    const rows = Buffer.concat(pages.map((page) => page.rows))
    const keys = Buffer.concat(pages.map((page) => page.keys))
    const state = pages.at(-1)?.state
    if (state === undefined) return
    const first = (last?.last ?? 0) + 1
    const sha256 = createHash('sha256').update(rows).update(keys).digest('hex')
    const after = last?.link ?? ''
    const link = linkOf(after, sha256, state)
    const size = { rowsBytes: rows.length, keysBytes: keys.length }
    const head: PageHead = {
      format: FORMAT,
      of,
      at: clock().toISOString(),
      first,
      last: first + pages.length - 1,
      after,
      link,
      ...size,
      sha256,
      state,
    }
    const path = pagePath(folder, 'p', first)
    const outcome = await lake.putIfAbsent(path, Buffer.concat([headText(head), rows, keys]), { signal })
    if (outcome === 'exists') throw new LandingTakenError(path)
    small.push({ path, head })
    last = head
    total = { rows: total.rows + rows.length, keys: total.keys + keys.length }
  }

  /** Replaces many objects by one: the one is written first, then the many are deleted. */
  const merge = async () => {
    const [first] = small
    if (first === undefined || last === undefined) return
    const size = bytesIn(small)
    if (size.rows > LARGE_BYTES) {
      small = []
      return
    }
    const ranges = [
      { start: total.rows - size.rows, end: total.rows },
      { start: total.keys - size.keys, end: total.keys },
    ] as const
    const hash = createHash('sha256')
    for await (const block of spool.read(...ranges)) hash.update(block)
    const { after, first: from } = first.head
    const head = { ...last, first: from, after, rowsBytes: size.rows, keysBytes: size.keys, sha256: hash.digest('hex') }
    const path = pagePath(folder, 'm', from)
    const { outcome } = await lake.writeIfAbsent(path, withHead(headText(head), spool.read(...ranges)), { signal })
    if (outcome === 'exists') throw new LandingTakenError(path)
    const merged = small
    small = []
    await Promise.all(merged.map((object) => lake.delete(object.path, { signal })))
    log.debug({ path, objectCount: merged.length }, 'pages were merged')
  }

  return {
    async write(pages: readonly LoggedPage[]): Promise<void> {
      if (broken !== undefined) throw broken
      try {
        await put(pages)
        if (small.length >= MERGED) await merge()
      } catch (error) {
        broken = error
        throw error
      }
    },
    throwIfBroken() {
      if (broken !== undefined) throw broken
    },
  }
}

async function* withHead(head: Buffer, content: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  yield head
  yield* content
}
