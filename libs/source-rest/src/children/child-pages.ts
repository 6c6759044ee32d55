import type { JsonObject } from '@cinelake/json-rows'
import type { RecordPage } from '../pagination/read-pages.ts'
import { type Ingest, manifestPath } from '@cinelake/contracts'
import { taskFileName } from '@cinelake/core'
import { OWN_DIALECT, readRecords } from '@cinelake/csv'
import { type Lake, readManifest } from '@cinelake/lake'
import { restLandingErrors } from '../errors.ts'

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
  const stop = new AbortController()
  const both = AbortSignal.any([signal, stop.signal])
  const running: Running[] = []
  // After this no request is under way, and no response is processed.
  await using _ = {
    [Symbol.asyncDispose]: async () => {
      stop.abort()
      await Promise.allSettled(running.map(({ pages }) => pages.return(undefined)))
      // The parents' file is read until the last of them is requested.
      await parents.return(undefined)
    },
  }
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

export type Parent = {
  /** Lake path of the parent's file; undefined if it landed no rows. */
  readonly path: string | undefined
  /** Digest of that file's bytes. */
  readonly sha256: string
  /** Whether its answers said what rows it has, be it none. */
  readonly hasContent: boolean
}

/**
 * The parent's landing in the same window. Of several generations the newest that is not newer than the
 * command's: a re-run of the child alone uses the parent's existing rows.
 * @throws {REST_PARENT_MISSING} terminal
 */
export async function parentOf(lake: Lake, command: Ingest, parent: string, signal: AbortSignal): Promise<Parent> {
  const { pipeline, window, source, dataset } = command
  const task = taskFileName(`ingest ${source}/${parent}`)
  for (let generation = command.generation; generation >= 1; generation -= 1) {
    const manifest = await readManifest(lake, manifestPath(pipeline.name, window.label, task, generation), { signal })
    if (manifest === undefined) continue
    const [file] = manifest.files
    return { path: file?.path, sha256: file?.sha256 ?? '', hasContent: manifest.noContent !== true }
  }
  throw restLandingErrors.REST_PARENT_MISSING(dataset, parent, 'no landing in this window')
}

/**
 * Columns of the rows of a parent, in their order.
 * @throws {REST_PARENT_MISSING} terminal: there is no such column
 */
export async function* parentRows(
  lake: Lake,
  { path }: Parent,
  fields: readonly string[],
  names: { readonly dataset: string; readonly parent: string },
  signal: AbortSignal,
): AsyncGenerator<(string | null)[]> {
  if (path === undefined) return
  let places: number[] | undefined
  let width = 0
  const content = lake.read(path, { signal })
  for await (const { cells: row } of readRecords(content, { dialect: OWN_DIALECT, maxRecordBytes: Infinity })) {
    if (places !== undefined) {
      // A broken record, which is no row.
      if (row.length !== width) continue
      yield places.map((place) => row[place] ?? null)
      continue
    }
    places = fields.map((field) => row.indexOf(field))
    width = row.length
    const missing = fields.filter((_, index) => places?.[index] === -1)
    if (missing.length > 0) {
      throw restLandingErrors.REST_PARENT_MISSING(
        names.dataset,
        names.parent,
        `no column ${missing.join(', ')} among ${row.slice(0, 20).join(', ')}`,
      )
    }
  }
}
