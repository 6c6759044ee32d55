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
  /** Pages that an attempt before had landed. */
  readonly landed: readonly PageObject[]
  readonly source: RestSource
  readonly dataset: RestDataset
  /** Ends the request that is under way, once its page is not wanted any more. */
  readonly stop: AbortController
}

/**
 * Makes rows of all pages: of those that had landed before, then of those that come. Each page is on its way into the lake
 * while the next one is asked for.
 * @param pages undefined where all had landed before
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
    // What was read is kept for the next attempt, and nothing is written any more once this one is over.
    await log?.drain().catch(() => {})
    await spool[Symbol.asyncDispose]()
    throw error
  }
}

async function addLanded(spool: CsvSpool, { path, head }: PageObject, { lake, signal }: LandingPlace): Promise<void> {
  try {
    for await (const rows of readSpooled(lake, path, head, signal)) await spool.addSpooled(rows)
  } catch (error) {
    // It was there a moment ago: whoever took it away has put another in its place, or is done.
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

/** Where what is expected is all that is wanted, the first page that is otherwise is the last one that is asked for. */
function stopAtDrift({ rules, expected, source, dataset }: SpoolTask, spool: CsvSpool): void {
  if (rules.drift !== 'fail') return
  const broken = driftOf(expected, spool.columns, spool.rowCount, 'fail').filter(
    ({ severity, rule }) => severity === 'fail' && rule !== 'schema_missing_fields',
  )
  if (broken.length > 0) throw new SchemaDriftError(source.name, dataset.name, broken)
}

/** Asks for the next page while rows are made of one. */
async function* oneAhead<Page>(pages: AsyncGenerator<Page> | undefined, stop: AbortController): AsyncGenerator<Page> {
  if (pages === undefined) return
  let next = pages.next()
  try {
    for (;;) {
      const { value, done = false } = await next
      if (done) return
      next = pages.next()
      // Heard of in the next turn.
      next.catch(() => {})
      yield value
    }
  } finally {
    stop.abort()
    await pages.return(undefined)
  }
}
