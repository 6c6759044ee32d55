import { join } from 'node:path'
import { LakeObjectMissingError } from '@cinelake/lake'
import type { RestDataset, RestSource } from '../config/index.ts'
import { restErrors } from '../errors.ts'
import { openCsvSpool, type CsvSpool, type RowRules } from '@cinelake/json-rows'
import { driftOf } from './drift.ts'
import { LandingTakenError, SchemaDriftError } from './errors.ts'
import type { ExpectedField } from './expected-fields.ts'
import type { LandingPlace, PageObject } from './landed-pages.ts'
import { createPageLog } from './page-log.ts'
import { readSpooled } from './page-object.ts'
import type { LandingPage } from './record-pages.ts'
import { RecordProblem } from '@cinelake/json-rows'

export type SpoolTask = {
  readonly directory: string
  readonly rules: RowRules
  readonly expected: readonly ExpectedField[] | undefined
  readonly place: LandingPlace
  /** Pages that a previous attempt landed. */
  readonly landed: readonly PageObject[]
  readonly source: RestSource
  readonly dataset: RestDataset
  /** Cancels the request that is under way when its page is no longer needed. */
  readonly stop: AbortController
}

/**
 * Converts all pages to rows: those that had landed before, then new ones. Each page is written to the lake
 * while the next one is requested.
 * @param pages undefined if all had landed before
 * @throws {SchemaDriftError} terminal
 */
export async function spoolPages(
  task: SpoolTask,
  pages: AsyncGenerator<LandingPage> | undefined,
  onPage: (done: { readonly rowCount: number; readonly sizeBytes: number }, page: LandingPage) => void,
): Promise<CsvSpool> {
  const { place, landed, rules, dataset } = task
  const before = landed.at(-1)?.head.state
  const spool = await openCsvSpool(join(task.directory, 'rows.csv'), rules, before)
  const log = dataset.explodedFrom === undefined ? createPageLog(place, spool, landed) : undefined
  try {
    for (const object of landed) await addLanded(spool, object, place)
    let sizeBytes = before?.sizeBytes ?? 0
    for await (const page of oneAhead(pages, task.stop)) {
      const rows = await addPage(spool, page)
      sizeBytes += page.sizeBytes
      stopAtDrift(task, spool)
      const cursor = page.cursor === undefined ? {} : { cursor: page.cursor }
      await log?.append({ ...rows, state: { ...spool.state, sizeBytes, next: page.next, ...cursor } })
      onPage({ rowCount: spool.rowCount, sizeBytes }, page)
    }
    await log?.drain()
    return spool
  } catch (error) {
    // Completed pages are kept for the next attempt, and nothing is written after this one has ended.
    await log?.drain().catch(() => {})
    await spool[Symbol.asyncDispose]()
    throw error
  }
}

async function addLanded(spool: CsvSpool, { path, head }: PageObject, { lake, signal }: LandingPlace): Promise<void> {
  try {
    for await (const rows of readSpooled(lake, path, head, signal)) await spool.addSpooled(rows)
  } catch (error) {
    // It existed a moment ago: the worker that removed it has replaced it, or is done.
    throw error instanceof LakeObjectMissingError ? new LandingTakenError(path) : error
  }
}

async function addPage(spool: CsvSpool, page: LandingPage) {
  return await spool.add(
    page.records,
    (error, index) => {
      throw error instanceof RecordProblem
        ? restErrors.REST_RECORD_INVALID(page.place, index + 1, error.message, error.remedy)
        : error
    },
    page.first,
  )
}

/** With `drift: fail`, no page is requested after the first one that differs from the contract. */
function stopAtDrift({ rules, expected, source, dataset }: SpoolTask, spool: CsvSpool): void {
  if (rules.drift !== 'fail') return
  const broken = driftOf(expected, spool.columns, spool.rowCount, 'fail').filter(
    ({ severity, rule }) => severity === 'fail' && rule !== 'schema_missing_fields',
  )
  if (broken.length > 0) throw new SchemaDriftError(source.name, dataset.name, broken)
}

/** Requests the next page while the current one is converted to rows. */
async function* oneAhead<Page>(pages: AsyncGenerator<Page> | undefined, stop: AbortController): AsyncGenerator<Page> {
  if (pages === undefined) return
  let next = pages.next()
  try {
    for (;;) {
      const { value, done = false } = await next
      if (done) return
      next = pages.next()
      // The error is thrown in the next iteration.
      next.catch(() => {})
      yield value
    }
  } finally {
    stop.abort()
    await pages.return(undefined)
  }
}
