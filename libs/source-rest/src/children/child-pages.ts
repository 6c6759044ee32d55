import type { JsonObject } from '@cinelake/json-rows'
import type { PagePosition } from '../pagination/page-position.ts'
import type { RecordPage } from '../pagination/read-pages.ts'

/** A position between the pages of all parents. */
export type ChildPosition = {
  /** Number of completed parents. */
  readonly parent: number
  /** Position in the pages of the next parent; null at its beginning. */
  readonly page: PagePosition | null
}

export const FIRST_PARENT: ChildPosition = { parent: 0, page: null }

export type ChildPage = Omit<RecordPage, 'next'> & {
  /** The parent's cells in its records. */
  readonly first: JsonObject
  readonly next: ChildPosition
}

export type ChildPagesOptions = {
  readonly concurrency: number
  readonly from: ChildPosition
  /** The pages of one parent. */
  readonly read: (parent: JsonObject, from: PagePosition | undefined, signal: AbortSignal) => AsyncGenerator<RecordPage>
  readonly signal: AbortSignal
}

type Running = {
  readonly number: number
  readonly parent: JsonObject
  readonly pages: AsyncGenerator<RecordPage>
  next: Promise<IteratorResult<RecordPage, void>>
}

/**
 * The pages of many parents, in the parents' order whatever the order of the responses. Several parents are requested
 * concurrently; for those that are not next, only the first page is prefetched, so that memory holds one page of each.
 */
export async function* readChildPages(
  parents: AsyncGenerator<JsonObject>,
  { concurrency, from, read, signal }: ChildPagesOptions,
): AsyncGenerator<ChildPage> {
  using stop = abortedAtEnd()
  // The parents' file is read until the last of them is requested.
  await using _ = { [Symbol.asyncDispose]: async () => void (await parents.return(undefined)) }
  const both = AbortSignal.any([signal, stop.signal])
  const running: Running[] = []
  let number = 0
  const start = async () => {
    for (;;) {
      const { value: parent, done = false } = await parents.next()
      if (done || parent === undefined) return false
      number += 1
      if (number <= from.parent) continue
      const pages = read(parent, number === from.parent + 1 ? (from.page ?? undefined) : undefined, both)
      running.push({ number, parent, pages, next: asked(pages) })
      return true
    }
  }
  for (let hasMore = true; ;) {
    while (hasMore && running.length < concurrency) hasMore = await start()
    const head = running[0]
    if (head === undefined) return
    const { value: page, done = false } = await head.next
    if (done || page === undefined) {
      running.shift()
      continue
    }
    const { next, ...rest } = page
    if (next === undefined) running.shift()
    else head.next = asked(head.pages)
    yield {
      ...rest,
      first: head.parent,
      next: next === undefined ? { parent: head.number, page: null } : { parent: head.number - 1, page: next },
    }
  }
}

function asked(pages: AsyncGenerator<RecordPage>): Running['next'] {
  const next = pages.next()
  // The error is thrown when it is this parent's turn.
  next.catch(() => {})
  return next
}

function abortedAtEnd(): Disposable & { readonly signal: AbortSignal } {
  const controller = new AbortController()
  return { signal: controller.signal, [Symbol.dispose]: () => controller.abort() }
}
