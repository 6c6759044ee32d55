import type { JsonObject } from '@cinelake/json-rows'
import type { RecordPage } from '../pagination/read-pages.ts'

/** @property first the parent's cells in its records */
export type ChildPage = RecordPage & { readonly first: JsonObject }

export type ChildPagesOptions = {
  readonly concurrency: number
  /** The pages of one parent. @param number of the parent, from 1 */
  readonly read: (parent: JsonObject, number: number, signal: AbortSignal) => AsyncGenerator<RecordPage>
  readonly signal: AbortSignal
}

type Running = {
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
  { concurrency, read, signal }: ChildPagesOptions,
): AsyncGenerator<ChildPage> {
  using stop = abortedAtEnd()
  // The parents' file is read until the last of them is requested.
  await using _ = { [Symbol.asyncDispose]: async () => void (await parents.return(undefined)) }
  const both = AbortSignal.any([signal, stop.signal])
  const running: Running[] = []
  let number = 0
  const start = async () => {
    const { value: parent, done = false } = await parents.next()
    if (done || parent === undefined) return false
    number += 1
    const pages = read(parent, number, both)
    running.push({ parent, pages, next: asked(pages) })
    return true
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
    if (page.next === undefined) running.shift()
    else head.next = asked(head.pages)
    yield { ...page, first: head.parent }
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
