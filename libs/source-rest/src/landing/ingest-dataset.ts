import { join } from 'node:path'
import type { TaskContext } from '@cinelake/bus'
import { type Ingest, type QualityResult, rawFolder } from '@cinelake/contracts'
import { type Clock, PipelineError, sha256, TerminalError } from '@cinelake/core'
import {
  areAllKnown,
  BrokenRecord,
  type CsvSpool,
  openCsvSpool,
  RecordProblem,
  type Records,
  type RowRules,
  ScannedRecords,
} from '@cinelake/json-rows'
import { type Lake, type Landed, manifestBefore, windowFolder } from '@cinelake/lake'
import type { PipelineOfSource } from '@cinelake/source-kind'
import type { Parent } from '../children/child-pages.ts'
import type { RestDataset, RestSource } from '../config/index.ts'
import {
  LandingTakenError,
  restErrors,
  RestKeptElsewhereError,
  RestRefusedError,
  SchemaDriftError,
  StaleAnswersError,
} from '../errors.ts'
import { openTaskRequests, type RequestsDeps } from '../http/task-requests.ts'
import { cursorOf, requestTimes } from '../http/request-times.ts'
import { driftOf, type ExpectedField, expectedOf, rowRulesOf } from './row-rules.ts'
import { areBegun, type KeptAnswers, namesIn, openKeptAnswers, removeFolder } from './kept-answers.ts'
import { landFiles } from './land-files.ts'
import { type LandingPage, parentFor, recordPages } from './record-pages.ts'
import { createSecretMask } from './secret-mask.ts'

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
const WRONG_WAY = new Set([
  'REST_PAGE_LOOP',
  'REST_PAGES_INCOMPLETE',
  'REST_PAGES_MOVED',
  'REST_RECORDS_NULL',
  'REST_TOO_MANY_PAGES',
])

/** Terminal errors of a request for a further page. An API may also answer 200, and say in its own words that a cursor has expired. */
const REFUSED_PAGE = new Set([
  'REST_REFUSED',
  'REST_UNAUTHORIZED',
  'REST_REDIRECT_REFUSED',
  'REST_BODY_INVALID',
  'REST_RECORDS_MISSING',
  'REST_NEXT_PAGE_INVALID',
  'REST_CURSOR_MISSING',
])

/** One reading of all pages: what it begins with, and how far it came. */
type Reading = {
  /** The cursor that the API returned at the end of the last window. */
  cursor: string | undefined
  /** Whether another worker reads the same pages. */
  adopts: boolean
  answers?: KeptAnswers
}

/**
 * Reads all pages of a dataset and lands them as one CSV file. The answers are kept in the lake as they come, so that an
 * attempt continues where the previous one stopped; unless the dataset ignores fields (`keepsAnswers`).
 */
export function createIngestDataset(deps: IngestDatasetDeps) {
  return async (command: Ingest, target: IngestTarget, context: TaskContext): Promise<Landed> => {
    const reading: Reading = { cursor: await cursorFrom(deps, command, target, context.signal), adopts: false }
    for (let restart = 0; ; restart += 1) {
      delete reading.answers
      try {
        return await ingest(deps, command, target, context, reading)
      } catch (error) {
        const { keptCount, askedCount } = reading.answers ?? { keptCount: 0, askedCount: 0 }
        const isTaken = error instanceof LandingTakenError
        const isExpired = isExpiry(error) && keptCount > 0 && askedCount === 0
        const isStale = isExpired || error instanceof StaleAnswersError
        const isWrong =
          error instanceof PipelineError && (WRONG_WAY.has(error.code) || error.code === 'REST_RECORD_INVALID')
        if (isCursorUseless(error) && reading.cursor !== undefined && keptCount + askedCount === 0) {
          deps.log.warn(
            { task: command.task, reason: error.code },
            'cursor of the window before is not usable any more; all is read',
          )
          reading.cursor = undefined
          continue
        }
        // Records that are refused are kept as well: once the API has corrected them, they are to be read again.
        if (isStale || isWrong) await removeFolder({ ...deps, folder: answersFolder(command) }, context.signal)
        if (!(isTaken || isStale) || restart >= MAX_RESTARTS) throw error
        reading.adopts ||= isTaken
        deps.log.info({ task: command.task, reason: error.code }, 'reading starts over')
      }
    }
  }
}

/** A cursor has expired, or a page is gone: the pages read so far cannot be continued. */
function isExpiry(error: unknown): error is PipelineError {
  return error instanceof TerminalError && (REFUSED_PAGE.has(error.code) || WRONG_WAY.has(error.code))
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

function answersFolder(command: Ingest): string {
  const { pipeline, source, dataset } = command
  return `${rawFolder(pipeline.name, 'api', source, dataset)}/${windowFolder(command)}.answers`
}

/** Identifies the requests that the pages belong to: answers to other requests are not used. */
function digestOf(command: Ingest, parent: Parent | undefined, cursor: string | undefined): string {
  const { pipeline, source, dataset, window, generation, since } = command
  const from = parent && { path: parent.path, sha256: parent.sha256 }
  return sha256(JSON.stringify([pipeline.digest, source, dataset, window, generation, since, from, cursor]))
}

async function ingest(
  deps: IngestDatasetDeps,
  command: Ingest,
  target: IngestTarget,
  { signal, progress }: TaskContext,
  reading: Reading,
): Promise<Landed> {
  const { lake, clock, log } = deps
  const { pipeline, source, dataset } = target
  const parent = await parentFor(lake, command, dataset, signal)
  const expected = expectedOf(pipeline, source, dataset)
  const rules = rowRulesOf(source, dataset, expected)
  const mask = createSecretMask(deps.fill)
  const { fill } = mask
  // For the page that is prefetched, if an earlier one ends in an error.
  const stop = new AbortController()
  const either = AbortSignal.any([signal, stop.signal])

  const isKept = keepsAnswers(dataset, rules)
  if (dataset.explodedFrom === undefined) {
    const folder = answersFolder(command)
    // Answers of an attempt with another policy may have fields that do not land.
    if (!isKept) await removeFolder({ lake, log, folder }, signal)
    const names = isKept ? await namesIn(lake, folder, signal) : new Set<string>()
    // A previous attempt may have found the cursor unusable, and started a full read instead.
    if (areBegun(names, digestOf(command, parent, undefined))) reading.cursor = undefined
    const of = digestOf(command, parent, reading.cursor)
    const kept = { folder, names, of, mask, adopts: reading.adopts, pagination: dataset.pagination }
    const mayKeep = (records: Records) => isKept && mayLand(records, rules)
    reading.answers = openKeptAnswers({ lake, clock, log, signal, ...kept, mayKeep })
  }
  const { answers, cursor } = reading
  const own = { pipeline: pipeline.name, source, dataset, signal: either }
  await using requests = await openTaskRequests({ ...deps, fill }, own)
  const times = { ...requestTimes(pipeline, command, dataset.incremental), cursor }
  const pages = recordPages({ lake, fill, command, source, dataset, times, requests, answers, signal: either }, parent)

  await using scratch = await lake.scratch()
  await using spool = await openCsvSpool(join(scratch.directory, 'rows.csv'), rules)
  const read = await spoolPages(spool, oneAhead(pages, stop), {
    rules,
    expected,
    answers,
    source,
    dataset,
    progress,
    isParentKnown: parent?.hasContent ?? false,
  })
  const { quality, hasList, isTyped, hasHeader } = read
  const files = await landFiles(lake, spool, { command, source, dataset, expected, rules, quality, signal })
  return {
    ...files,
    ...(hasHeader ? {} : { files: files.files.map((file) => ({ ...file, ofRecords: true as const })) }),
    ...(hasList ? {} : { noContent: true as const }),
    ...(hasList && isTyped ? { isTyped: true as const } : {}),
    ...(isKept && answers && { answers: await answers.finish() }),
    ...cursorOf(dataset, times, read.cursor),
  }
}

/**
 * Answers are kept as received or not at all: not where fields are left out of the rows. Rows made from another dataset's rows
 * are computed faster than they are kept.
 */
function keepsAnswers({ explodedFrom }: RestDataset, { known, drift }: RowRules): boolean {
  return explodedFrom === undefined && !(drift === 'ignore' && known !== undefined)
}

/** Whether all fields of records may land: with `drift: fail`, those that the contract knows. */
function mayLand(records: Records, { known, drift, flatten }: RowRules): boolean {
  if (drift !== 'fail' || known === undefined) return true
  if (records instanceof ScannedRecords) return false
  const objects = records.flatMap((record) => (record instanceof BrokenRecord ? [] : [record]))
  return objects.length === records.length && areAllKnown(objects, { known, flatten })
}

type SpoolTask = {
  readonly rules: RowRules
  readonly expected: readonly ExpectedField[] | undefined
  readonly answers: KeptAnswers | undefined
  /** Whether the rows of its parent are known, if it has one. */
  readonly isParentKnown: boolean
  readonly source: RestSource
  readonly dataset: RestDataset
  readonly progress: TaskContext['progress']
}

/** What all pages say together, apart from their rows. */
type PagesRead = {
  /** For the next window, if the last page has one. */
  readonly cursor: string | undefined
  readonly quality: readonly QualityResult[]
  /** Whether a page had a list of records, even if it was empty. */
  readonly hasList: boolean
  /** Whether all pages are of a format that tells texts from other values. */
  readonly isTyped: boolean
  /** Whether a page names its columns apart from the records. */
  readonly hasHeader: boolean
}

/**
 * Converts all pages to rows.
 * @throws {SchemaDriftError} terminal
 */
async function spoolPages(
  spool: CsvSpool,
  pages: AsyncGenerator<LandingPage>,
  { answers, progress, isParentKnown, ...task }: SpoolTask,
): Promise<PagesRead> {
  let cursor: string | undefined
  // Without rows of its parent, a child has no answers, and is as empty as the parent.
  let hasList = isParentKnown
  let isTyped = true
  let hasHeader = false
  const quality = new Map<string, QualityResult>()
  let sizeBytes = 0
  try {
    for await (const page of pages) {
      const { place, records, first } = page
      for (const name of page.names ?? []) {
        hasHeader = true
        spool.columns.of(name)
      }
      await spool.add(
        records,
        (error, index) => {
          throw error instanceof RecordProblem
            ? restErrors.REST_RECORD_INVALID(place, index + 1, error.message, error.remedy)
            : error
        },
        first,
      )
      cursor = page.cursor
      hasList ||= page.hasList
      isTyped &&= page.isTyped
      // Those of many parents are counted together.
      for (const found of page.quality ?? [])
        quality.set(found.rule, { ...found, failed: (quality.get(found.rule)?.failed ?? 0) + found.failed })
      sizeBytes += page.sizeBytes
      stopAtDrift(task, spool)
      progress({ rowCount: spool.rowCount, sizeBytes })
    }
  } catch (error) {
    // Completed pages are kept for the next attempt, and nothing is written after this one has ended.
    await answers?.drain().catch(() => {})
    throw error
  }
  await answers?.drain()
  const found = [...quality.values()].map((each) => ({ ...each, checked: each.failed }))
  return { cursor, quality: found, hasList, isTyped, hasHeader }
}

/** With `drift: fail`, no page is requested after the first one that differs from the contract. */
function stopAtDrift(
  { rules, expected, source, dataset }: Omit<SpoolTask, 'answers' | 'progress' | 'isParentKnown'>,
  spool: CsvSpool,
): void {
  if (rules.drift !== 'fail') return
  const broken = driftOf(expected, spool.columns, spool.rowCount, 'fail').filter(
    ({ severity, rule }) => severity === 'fail' && rule !== 'schema_missing_fields',
  )
  if (broken.length > 0) throw new SchemaDriftError(source.name, dataset.name, broken)
}

/** Requests the next page while the current one is converted to rows. */
async function* oneAhead<Page>(pages: AsyncGenerator<Page>, stop: AbortController): AsyncGenerator<Page> {
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
