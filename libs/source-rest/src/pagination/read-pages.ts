import { PipelineError } from '@cinelake/core'
import { createRecordScanner, type Records, ScannedRecords } from '@cinelake/json-rows'
import { createHash } from 'node:crypto'
import { type Body, readBody, type ScanBody } from '../bodies/read-body.ts'
import { singlePath } from '../bodies/json-path.ts'
import { throwIfFailed } from '../bodies/failure.ts'
import { presenceOf, recordsIn } from '../bodies/records.ts'
import type { RestDataset, RestEnd, RestPagination } from '../config/index.ts'
import type { QualityResult } from '@cinelake/contracts'
import { paginationErrors, type RequestPlace, restErrors, RestPaginationUnknownError } from '../errors.ts'
import type { DatasetRequest } from '../http/dataset-request.ts'
import type { PageRequest } from '../http/page-request.ts'
import { requestPage, type Requests } from '../http/request-page.ts'
import type { Answer } from '../http/send-request.ts'
import { keptCursor } from './kept-cursor.ts'
import {
  type Declared,
  declaredBy,
  FIRST_PAGE,
  type KnownPagination,
  type NextContext,
  type PagePosition,
  partsOf,
  positionAfter,
  type ReadPage,
} from './pagination.ts'
import { recognise } from './recognise.ts'

/** Maximum number of pages. More would take days; a server that always has another page is faulty. */
const DEFAULT_MAX_PAGES = 100_000

export type RecordPage = {
  readonly place: RequestPlace
  readonly records: Records
  readonly sizeBytes: number
  /** Undefined after the last. */
  readonly next: PagePosition | undefined
  /** The cursor for the next window, on the last page. */
  readonly cursor?: string | undefined
  /** On the last page: what is odd in the counts that the pages declare. */
  readonly quality: readonly QualityResult[]
  /** Whether the body has a list of records, even if it is empty. */
  readonly hasList: boolean
  /** Whether the body is of a format that tells texts from other values. */
  readonly isTyped: boolean
  /** The columns that its body declares, also without records. */
  readonly names: readonly string[]
}

export type ParsedAnswer = { readonly answer: Answer; readonly body: Body; readonly records: Records }

/**
 * The answers to the requests of consecutive pages: kept ones, or new ones.
 * @param request what the request is made of, without secrets
 * @param page    how it is requested and parsed, and how the target's secrets are hidden in its address
 * @returns the parsed answer, with a digest of its body
 */
export type PageSeries = (
  request: string,
  page: {
    readonly ask: () => Promise<Answer>
    readonly parse: (answer: Answer) => Promise<ParsedAnswer>
  } & Pick<DatasetRequest, 'hide' | 'reveal'>,
) => Promise<ParsedAnswer & { readonly bodyDigest: string }>

/** Keeps no answer. */
const askAlways: PageSeries = async (_, { ask, parse }) => {
  const parsed = await parse(await ask())
  return { ...parsed, bodyDigest: digestOf(parsed.answer.body) }
}

/**
 * The pages of a dataset, one at a time and in order.
 * @throws {REST_PAGE_LOOP} terminal: a page leads back to an earlier one, or is the same as an earlier one
 * @throws {REST_TOO_MANY_PAGES} terminal
 * @throws {REST_PAGES_INCOMPLETE} transient: fewer records or pages than the server declares
 * @throws {REST_PAGES_MOVED} transient: it declares fewer than before
 * @throws {REST_RECORDS_NULL} transient: null in place of records, after others
 * @throws {REST_ANSWER_FAILED} transient, {REST_ANSWER_REFUSED} terminal: the body says so
 */
export async function* readPages(
  source: string,
  dataset: RestDataset,
  target: DatasetRequest,
  requests: Requests,
  series = askAlways,
): AsyncGenerator<RecordPage> {
  const guard = createLoopGuard(dataset.pagination)
  let scan = scannerFor(dataset)
  const findings = createFindings()
  let emptyRun = 0
  for (let position: PagePosition | undefined = FIRST_PAGE; position !== undefined;) {
    const { url, place, records, page, sizeBytes, isTyped, names } = await askFor(position, {
      source,
      dataset,
      target,
      requests,
      guard,
      series,
      scan,
    })
    const pagination = position.recognised ?? known(dataset, page, url, place, requests)
    if (dataset.pagination.type === 'auto' && position.recognised === undefined) {
      scan = scannerFor({ ...dataset, pagination })
    }
    const limit = limitOf(pagination)
    const { takeLink } = target
    const standing = dataset.pagination.type === 'auto' ? { ...position, recognised: pagination } : position
    let next = positionAfter(pagination as KnownPagination, standing, page, {
      place,
      valueCount: target.values.length,
      takeLink,
    })
    findings.look(pagination, position, page, place)
    if (dataset.pagination.type === 'none' && leadsOn(page, url, { place, takeLink, valueCount: 0 })) findings.unread()
    emptyRun = records.length > 0 ? 0 : emptyRun + 1
    if (emptyRun > MAX_EMPTY_PAGES && isNumbered(pagination)) {
      throw restErrors.REST_PAGE_LOOP(
        place,
        `expected records, got ${emptyRun} pages without any, while the body says that there is more`,
      )
    }
    const isLast = next === undefined
    // One more page may be requested to learn that there are no more.
    const isMore = records.length > 0 || !isLast
    if (isMore && position.number > limit.maxPages) throw paginationErrors.REST_TOO_MANY_PAGES(place, limit.maxPages)
    if (next !== undefined && limit.stops && next.number > limit.maxPages) next = undefined
    const cursor = isLast ? keptCursor(dataset.incremental?.cursor, page, { place, takeLink }) : undefined
    const quality = next === undefined ? findings.all(isLast, position.recordCount + records.length) : []
    yield { place, records, sizeBytes, next, cursor, quality, hasList: page.hasList, isTyped, names }
    position = next
  }
}

/** Consecutive numbered pages without records, while the server says that there is more. */
const MAX_EMPTY_PAGES = 100

/** Whether pages are requested by numbers, which a change of the data moves. */
const isNumbered = ({ type }: RestPagination) => type === 'page' || type === 'offset'

/** What is odd in the counts that the pages declare, though all of them could be read. */
function createFindings() {
  const details = new Map<string, string>()
  let declared: Declared = {}
  let asked: RestEnd | undefined
  const add = (rule: string, detail: string) => details.set(rule, details.get(rule) ?? detail)
  return {
    /** @throws {REST_PAGES_MOVED} transient */
    look(pagination: RestPagination, { number, recordCount }: PagePosition, page: ReadPage, place: RequestPlace): void {
      if (pagination.type === 'none' || pagination.type === 'auto' || pagination.type === 'range') return
      asked = pagination.end
      const now = declaredBy(pagination, declared, page, place)
      for (const [unit, before, after, read] of [
        ['records', declared.total, now.total, recordCount],
        ['pages', declared.totalPages, now.totalPages, number - 1],
      ] as const) {
        if (before === undefined || after === undefined || before === after) continue
        // Behind its end a server may well count nothing.
        const isBehind = page.recordCount === 0 && read >= before
        if (after < before && isNumbered(pagination) && !isBehind)
          throw paginationErrors.REST_PAGES_MOVED(place, before, after, unit)
        add('pages_moved', `the API counted ${before} ${unit}, and ${after} while it was read`)
      }
      declared = now
    },
    unread: () => add('pages_unread', 'the answer says that there are more pages, and the dataset has no `pagination`'),
    all(isRead: boolean, recordCount: number): QualityResult[] {
      const { total, totalPages } = declared
      if (isRead && total !== undefined && recordCount > total)
        add('pages_contradict', `the API counts ${total} records and gave ${recordCount}`)
      const silent = recordCount === 0 ? [] : [total ?? asked?.total, totalPages ?? asked?.totalPages]
      for (const path of silent) if (typeof path === 'string') add('end_rule_silent', `no page had a count at ${path}`)
      return [...details].map(([rule, detail]) => ({ rule, severity: 'warn', checked: 1, failed: 1, detail }))
    },
  }
}

/** Whether a page that is taken for the only one says that there are more. */
function leadsOn(page: ReadPage, url: URL, context: NextContext): boolean {
  const found = recognise(page, url, {
    end: { emptyPage: false, shortPage: false },
    atMaxPages: 'fail',
    samePage: 'fail',
  })
  if ('unknown' in found) return true
  try {
    return positionAfter(found.pagination, FIRST_PAGE, page, context) !== undefined
  } catch (error) {
    // It leads to a page that cannot be followed.
    if (error instanceof PipelineError) return true
    throw error
  }
}

type Asking = {
  readonly source: string
  readonly dataset: RestDataset
  readonly target: DatasetRequest
  readonly requests: Requests
  readonly guard: ReturnType<typeof createLoopGuard>
  readonly series: PageSeries
  readonly scan: ScanBody | undefined
}

/**
 * Finds records in bodies without making objects of them, where nothing but their rows depends on them: a list at one place, to
 * which no path of the dataset leads, and no policy that looks at unexpected fields.
 */
function scannerFor({ records, recordKey, parent, pagination, incremental, drift, flatten, failure }: RestDataset) {
  const path = singlePath(records)
  if (path === undefined || recordKey !== undefined || parent !== undefined) return undefined
  if (pagination.type === 'auto' || drift === 'fail' || drift === 'rescue') return undefined
  const names = path.filter((step) => typeof step === 'string')
  if (names.length < path.length) return undefined
  const end = 'end' in pagination ? pagination.end : undefined
  const inBody = [
    'path' in pagination ? pagination.path : undefined,
    end?.total,
    end?.totalPages,
    end?.when?.path,
    incremental?.cursor?.path,
    failure?.present,
    failure?.unless?.path,
  ]
  const isInRecords = (other: string) => names.every((step, index) => singlePath(other)?.[index] === step)
  if (inBody.some((other) => other !== undefined && isInRecords(other))) return undefined
  const scan = createRecordScanner(flatten)
  return (bytes: Buffer) => scan(bytes, names)
}

/** The page at a position, and the address that was requested. */
async function askFor(position: PagePosition, { source, dataset, target, requests, guard, series, scan }: Asking) {
  const parts = partsOf(position.recognised ?? dataset.pagination, position, target.values)
  const request = target.requestFor(parts)
  const place: RequestPlace = {
    source,
    dataset: dataset.name,
    address: target.show(request.url, parts),
    page: position.number,
  }
  guard.asking(request, place)
  const parse = async (answer: Answer) => {
    const body = await readBody(answer, dataset, place, requests.maxBodyBytes, scan)
    throwIfFailed(body, dataset, place)
    return { answer, body, records: recordsIn(body, dataset, place) }
  }
  const asked = JSON.stringify([request.method, target.hide(request.url), parts.headers, parts.body])
  const ask = () => requestPage(request, place, requests)
  const { answer, body, records, bodyDigest } = await series(asked, {
    ask,
    parse,
    hide: target.hide,
    reveal: target.reveal,
  })
  guard.answered(bodyDigest, records, place)
  if (records instanceof ScannedRecords) records.onRelease = answer.release
  const { status, headers, url } = answer
  const page: ReadPage = {
    url,
    status,
    headers,
    body: body.value,
    recordCount: records.length,
    ...presenceOf(body, dataset),
  }
  return {
    url: request.url,
    place,
    records,
    page,
    sizeBytes: answer.body.byteLength,
    isTyped: body.format.endsWith('json'),
    names: body.names ?? [],
  }
}

type Pagination = RestDataset['pagination']

/** The dataset's pagination, or the one detected from the first response. */
function known(dataset: RestDataset, page: ReadPage, url: URL, place: RequestPlace, { log }: Requests): Pagination {
  const { pagination } = dataset
  if (pagination.type !== 'auto') return pagination
  const found = recognise(page, url, pagination)
  if ('unknown' in found) throw new RestPaginationUnknownError(place, found.unknown)
  log.info({ ...place, pagination: found.pagination.type, because: found.because }, 'pagination was recognised')
  return found.pagination
}

function limitOf(pagination: Pagination): { readonly maxPages: number; readonly stops: boolean } {
  if (pagination.type === 'none') return { maxPages: 1, stops: true }
  return { maxPages: pagination.maxPages ?? DEFAULT_MAX_PAGES, stops: pagination.atMaxPages === 'stop' }
}

/**
 * Detects pages that form a loop: the same request again, or the same page under another address. Pages are also the same
 * if they differ only outside their records: in the time of the response, the number of the request.
 */
function createLoopGuard(pagination: RestPagination) {
  const asked = new Set<string>()
  const read = new Set<string>()
  const outlines = new Set<string>()
  /** Digests of all records: computed only after two pages looked alike, since they are expensive. */
  let alike: Set<string> | undefined
  // The values of a range come from the pipeline, and several of them may well have the same records.
  const comparesPages = pagination.type !== 'none' && pagination.type !== 'range' && pagination.samePage === 'fail'
  return {
    /** @throws {REST_PAGE_LOOP} terminal */
    asking({ url, method, headers, body }: PageRequest, place: RequestPlace): void {
      const request = digestOf(JSON.stringify([method, url.href, body?.().text, headers]))
      if (asked.has(request)) {
        throw restErrors.REST_PAGE_LOOP(place, 'expected a page that was not read yet, got one that was')
      }
      asked.add(request)
    },
    /** @throws {REST_PAGE_LOOP} terminal */
    answered(page: string, records: Records, place: RequestPlace): void {
      if (!comparesPages || records.length === 0) return
      if (read.has(page)) {
        throw restErrors.REST_PAGE_LOOP(place, 'expected another page than before, got the same one, byte for byte')
      }
      read.add(page)
      const outline = digestOf(outlineOf(records))
      if (outlines.has(outline)) alike ??= new Set()
      outlines.add(outline)
      if (alike === undefined) return
      const all = digestOf(records instanceof ScannedRecords ? records.whole : JSON.stringify(records))
      if (alike.has(all)) {
        throw restErrors.REST_PAGE_LOOP(
          place,
          'expected other records than before, got the same ones, in the same order',
        )
      }
      alike.add(all)
    },
  }
}

function outlineOf(records: Records): string {
  if (!(records instanceof ScannedRecords)) return JSON.stringify([records.length, records[0], records.at(-1)])
  const [first, last] = [records.first, records.last].map(([start, end]) =>
    records.bytes.toString('latin1', start, end),
  )
  return JSON.stringify([records.length, first, last])
}

function digestOf(content: string | Uint8Array): string {
  return createHash('sha256').update(content).digest('base64')
}
