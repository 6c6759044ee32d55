import type { TaskContext } from '@cinelake/bus'
import { landingPath, type Ingest } from '@cinelake/contracts'
import { PipelineError, sha256, taskFileName, TerminalError, type Clock } from '@cinelake/core'
import { manifestBefore, windowFolder, type Lake, type Landed } from '@cinelake/lake'
import type { PipelineOfSource } from '@cinelake/source-kind'
import type { RestDataset, RestSource } from '../config/index.ts'
import { RestKeptElsewhereError } from '../http/errors.ts'
import { openTaskRequests, type RequestsDeps } from '../http/task-requests.ts'
import { cursorOf, requestTimes } from '../http/request-times.ts'
import { RestRefusedError } from '../errors.ts'
import { LandingTakenError } from './errors.ts'
import { landFiles } from './land-files.ts'
import { isBegun, landedPages, removeLanding, type LandingPlace, type PageObject } from './landed-pages.ts'
import { parentFor, recordPages } from './record-pages.ts'
import { expectedOf, rowRulesOf } from './row-rules.ts'
import { spoolPages } from './spool-pages.ts'

export type IngestDatasetDeps = RequestsDeps & { readonly lake: Lake; readonly clock: Clock }

/** The target of an ingest command, looked up in its pipeline. */
export type IngestTarget = {
  readonly pipeline: PipelineOfSource
  readonly source: RestSource
  readonly dataset: RestDataset
}

/** How often one attempt continues after another worker's pages, or restarts because its own are unusable. */
const MAX_RESTARTS = 5

/** Errors after which the pages read so far cannot be completed: the pagination led the wrong way. */
const WRONG_WAY = new Set(['REST_PAGE_LOOP', 'REST_PAGES_INCOMPLETE', 'REST_TOO_MANY_PAGES'])

/**
 * Reads all pages of a dataset and lands them as one CSV file. Pages are written to the lake one by one, so that an attempt
 * continues where the previous one stopped.
 */
export function createIngestDataset(deps: IngestDatasetDeps) {
  return async (command: Ingest, target: IngestTarget, context: TaskContext): Promise<Landed> => {
    let cursor = await cursorFrom(deps, command, target, context.signal)
    for (let restart = 0; ; restart += 1) {
      const attempt = { pagesRead: 0, pagesBefore: 0, cursor }
      try {
        return await ingest(deps, command, target, context, attempt)
      } catch (error) {
        const isTaken = error instanceof LandingTakenError
        // A cursor has expired, or a page is gone: the pages read so far cannot be continued.
        const isStale = error instanceof TerminalError && attempt.pagesBefore > 0 && attempt.pagesRead === 0
        const isWrong = error instanceof PipelineError && WRONG_WAY.has(error.code)
        if (isCursorUseless(error) && cursor !== undefined && attempt.pagesRead + attempt.pagesBefore === 0) {
          deps.log.warn(
            { task: command.task, reason: error.code },
            'cursor of the window before is not usable any more; all is read',
          )
          cursor = undefined
          continue
        }
        if (isStale || isWrong) await removeLanding({ ...deps, folder: landingFolder(command) }, context.signal)
        if (!(isTaken || isStale) || restart >= MAX_RESTARTS) throw error
        deps.log.info({ task: command.task, reason: error.code }, 'reading starts over')
      }
    }
  }
}

/** The API no longer accepts the cursor (410), or another server issued it. */
function isCursorUseless(error: unknown): error is PipelineError {
  if (error instanceof RestKeptElsewhereError) return true
  return error instanceof RestRefusedError && error.context['status'] === 410
}

/** The cursor that the API returned at the end of the last window. A deliberate re-run starts over. */
async function cursorFrom(
  { lake }: IngestDatasetDeps,
  command: Ingest,
  { pipeline, dataset }: IngestTarget,
  signal: AbortSignal,
): Promise<string | undefined> {
  if (dataset.incremental?.cursor === undefined || command.generation > 1) return undefined
  const before = (await manifestBefore(lake, command, pipeline.schedule, { signal }))?.cursor
  return before !== undefined && 'kind' in before && before.kind === 'token' ? (before.until ?? undefined) : undefined
}

type Attempt = { pagesRead: number; pagesBefore: number; cursor: string | undefined }

/** Where the pages of a task are kept until its manifest exists. */
export function landingFolder(command: Ingest): string {
  return landingPath(command.pipeline.name, windowFolder(command), taskFileName(command.task))
}

/** Identifies the requests that the pages belong to: pages of other requests are not continued. */
function digestOf(
  { pipeline, source, dataset, window, generation, since }: Ingest,
  others: readonly unknown[],
): string {
  return sha256(JSON.stringify([pipeline.digest, source, dataset, window, generation, since, ...others]))
}

/** The starting point of an attempt, and the pages of a previous one that it continues. */
async function beginningOf(
  { lake, clock, log }: IngestDatasetDeps,
  command: Ingest,
  target: IngestTarget,
  attempt: Attempt,
  signal: AbortSignal,
) {
  const { dataset } = target
  const parent = await parentFor(lake, command, dataset, signal)
  const folder = landingFolder(command)
  const placeFor = (cursor: string | undefined): LandingPlace => {
    const of = digestOf(command, [parent, cursor])
    return { lake, folder, of, clock, log, signal }
  }
  // A previous attempt may have found the cursor unusable, and started a full read instead.
  if (attempt.cursor !== undefined && (await isBegun(placeFor(undefined)))) attempt.cursor = undefined
  const place = placeFor(attempt.cursor)
  // Rows made from another dataset's rows are computed faster than they are kept.
  const landed: PageObject[] = dataset.explodedFrom === undefined ? await landedPages(place) : []
  return { parent, place, landed }
}

async function ingest(
  deps: IngestDatasetDeps,
  command: Ingest,
  target: IngestTarget,
  { signal, progress }: TaskContext,
  attempt: Attempt,
): Promise<Landed> {
  const { lake, fill } = deps
  const { pipeline, source, dataset } = target
  const { parent, place, landed } = await beginningOf(deps, command, target, attempt, signal)
  const before = landed.at(-1)?.head
  attempt.pagesBefore = before?.last ?? 0

  // For the page that is prefetched, if an earlier one ends in an error.
  const stop = new AbortController()
  const either = AbortSignal.any([signal, stop.signal])
  await using requests = await openTaskRequests(deps, { pipeline: pipeline.name, source, dataset, signal: either })
  const times = { ...requestTimes(pipeline, command, dataset.incremental), cursor: attempt.cursor }
  const from = before?.state.next
  const task = { lake, fill, command, source, dataset, times, requests, signal: either }
  const pages = before !== undefined && from === null ? undefined : recordPages(task, parent, from)
  const expected = expectedOf(pipeline, source, dataset)
  const rules = rowRulesOf(source, dataset, expected)

  await using scratch = await lake.scratch()
  const spooled = { directory: scratch.directory, rules, expected, place, landed, source, dataset, stop }
  let kept = before?.state.cursor
  await using spool = await spoolPages(spooled, pages, (done, page) => {
    attempt.pagesRead += 1
    kept = page.cursor
    progress(done)
  })
  const files = await landFiles(lake, spool, { command, source, dataset, expected, rules, signal })
  return { ...files, ...cursorOf(dataset, times, kept) }
}
