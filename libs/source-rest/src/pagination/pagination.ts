import type { RestEnd, RestPagination } from '../config/index.ts'
import type { Answer } from '../http/send-request.ts'
import { isExactNumber, type JsonValue } from '@cinelake/json-rows'
import { isAbsent, textOfValue } from '../bodies/body-value.ts'
import { type JsonPath, parseJsonPath, valueAt } from '../bodies/json-path.ts'
import { paginationErrors, type RequestPlace, restErrors } from '../errors.ts'
import { isHeaderValue } from '../http/page-request.ts'

/**
 * A position between the pages of a dataset: everything that the request for the next page depends on. It is JSON, so that
 * it can be stored and resumed. It contains no secrets of the pipeline, but the server's cursors and links.
 */
export type PagePosition = {
  /** Number of the page to request, from 1. */
  readonly number: number
  /** Records of all previous pages. */
  readonly recordCount: number
  /** Cursor for the page. */
  readonly cursor?: string | number | undefined
  /** Address of the page, with secrets replaced by their names. */
  readonly link?: string | undefined
  /** Counts that the server declared with earlier pages. */
  readonly declared?: Declared | undefined
  /** Offsets: records that pages without any were asked for. */
  readonly skippedCount?: number | undefined
  /** The pagination that `auto` detected in the first response. */
  readonly recognised?: RestPagination | undefined
}

/** What a server says of the whole: how many records it has, and how many pages. */
export type Declared = { readonly total?: number | undefined; readonly totalPages?: number | undefined }

export const FIRST_PAGE: PagePosition = { number: 1, recordCount: 0 }

/** A page that was read, as far as pagination depends on it. */
export type ReadPage = {
  /** Its address, after redirects. */
  readonly url: URL
  readonly status: number
  readonly headers: Answer['headers']
  readonly body: JsonValue
  /** Number of its own records. */
  readonly recordCount: number
  /** Null stands in place of its records. */
  readonly isNull: boolean
  /** It has a list of records, even if that is empty. */
  readonly hasList: boolean
}

/** The parts of a page's request that differ from the dataset's. */
export type PageParts = {
  readonly query: readonly (readonly [name: string, value: string])[]
  readonly body: readonly (readonly [path: JsonPath, value: JsonValue])[]
  readonly headers: readonly (readonly [name: string, value: string])[]
  /** An address that replaces the dataset's. */
  readonly link?: string | undefined
}

/** A concrete pagination: not one that has to be auto-detected first. */
export type KnownPagination = Exclude<RestPagination, { type: 'auto' }>
type Of<Type extends KnownPagination['type']> = Extract<KnownPagination, { type: Type }>

/** The parts that a page's request adds to the dataset's. `values` are those of a `range`, with placeholders filled. */
export function partsOf(
  pagination: RestPagination,
  position: PagePosition,
  values: readonly (string | number | boolean)[],
): PageParts {
  const nothing = { query: [], body: [], headers: [] }
  switch (pagination.type) {
    case 'page':
      return withSize(pagination, put(pagination, pagination.first + position.number - 1))
    case 'offset':
      return withSize(
        pagination,
        put(pagination, pagination.first + position.recordCount + (position.skippedCount ?? 0)),
      )
    case 'range':
      return put(pagination, values[position.number - 1] ?? '')
    case 'cursor':
      return position.cursor === undefined ? nothing : put(pagination, position.cursor)
    default:
      return { ...nothing, link: position.link }
  }
}

type Spot = {
  readonly parameter?: string | undefined
  readonly bodyField?: string | undefined
  readonly requestHeader?: string | undefined
}

/** The parts that carry a value at its request location. */
export function put({ parameter, bodyField, requestHeader }: Spot, value: string | number | boolean): PageParts {
  return {
    query: parameter === undefined ? [] : [[parameter, String(value)]],
    body: bodyField === undefined ? [] : [[parseJsonPath(bodyField), value]],
    headers: requestHeader === undefined ? [] : [[requestHeader, String(value)]],
  }
}

function withSize({ sizeParameter, sizeBodyField, size }: Of<'page'> | Of<'offset'>, parts: PageParts): PageParts {
  if (size === undefined) return parts
  const sized = put({ parameter: sizeParameter, bodyField: sizeBodyField }, size)
  return { ...parts, query: [...parts.query, ...sized.query], body: [...parts.body, ...sized.body] }
}

export type NextContext = {
  readonly place: RequestPlace
  /** How many values a `range` has. */
  readonly valueCount: number
  /** Checks an address that the server gave; secrets are replaced in the result. */
  readonly takeLink: (link: URL) => { readonly link: string } | { readonly problem: string }
}

/**
 * The position after a page; undefined after the last.
 * @throws {REST_NEXT_PAGE_INVALID} terminal: the response gives the next page in a form that cannot be followed
 */
export function positionAfter(
  pagination: KnownPagination,
  position: PagePosition,
  page: ReadPage,
  context: NextContext,
): PagePosition | undefined {
  if (pagination.type === 'none') return undefined
  const { number, recordCount, recognised, skippedCount } = position
  const declared = declaredBy(pagination, position.declared, page, context.place)
  const next = { number: number + 1, recordCount: recordCount + page.recordCount, recognised, declared, skippedCount }
  const counted = { number, recordCount: next.recordCount, size: 'size' in pagination ? pagination.size : undefined }
  const { place } = context
  const ending = endingOf(pagination, page, counted, declared)
  if (ending === 'last') return ended(next, place)
  // No content for one value says nothing about the others.
  const hasContent = page.status !== 204 && page.status !== 205
  if (ending !== 'more' && !hasContent && pagination.type !== 'range') return ended(next, place)
  const isNullAfter = page.isNull && position.recordCount > 0 && ending === undefined
  switch (pagination.type) {
    case 'page':
      if (page.isNull && ending === undefined) return endedByNull(isNullAfter, next, place)
      return next
    case 'offset':
      if (page.isNull && ending === undefined) return endedByNull(isNullAfter, next, place)
      return offsetAfter(pagination, next, page, place)
    case 'range':
      return number < context.valueCount ? next : ended(next, place)
    case 'cursor':
      return withCursor(pagination, next, page, ending, context) ?? endedByNull(isNullAfter, next, place)
    default:
      return withLink(pagination, next, page, ending, context) ?? endedByNull(isNullAfter, next, place)
  }
}

/** After a page without records that is not the last, the offset moves on by the size that was asked for. */
function offsetAfter({ size }: Of<'offset'>, next: PagePosition, page: ReadPage, place: RequestPlace): PagePosition {
  if (page.recordCount > 0) return next
  if (size === undefined) {
    const got = 'a page without records while the body says that there is more, and no `size` to continue by'
    throw restErrors.REST_NEXT_PAGE_INVALID(place, 'offset', got)
  }
  return { ...next, skippedCount: (next.skippedCount ?? 0) + size }
}

/**
 * Null in place of the records: none, on the first page. After records it may as well be a failure, and is no end by itself.
 * @throws {REST_RECORDS_NULL} transient
 */
function endedByNull(isAfterRecords: boolean, next: PagePosition, place: RequestPlace): undefined {
  if (isAfterRecords) throw paginationErrors.REST_RECORDS_NULL(place)
  ended(next, place)
}

/**
 * The end of the pages.
 * @throws {REST_PAGES_INCOMPLETE} transient: the server counts more than was read
 */
function ended({ number, recordCount, declared = {} }: PagePosition, place: RequestPlace): undefined {
  const { total = 0, totalPages = 0 } = declared
  if (recordCount < total) throw paginationErrors.REST_PAGES_INCOMPLETE(place, total, recordCount, 'records')
  if (number - 1 < totalPages) throw paginationErrors.REST_PAGES_INCOMPLETE(place, totalPages, number - 1, 'pages')
}

function withLink(
  pagination: Of<'nextLink'> | Of<'linkHeader'>,
  next: PagePosition,
  page: ReadPage,
  ending: Ending,
  { place, takeLink }: NextContext,
): PagePosition | undefined {
  const isHeader = pagination.type === 'linkHeader'
  const from = isHeader ? `Link header, rel=${pagination.rel}` : pagination.path
  const link = isHeader ? linkOf(page.headers, pagination.rel) : valueAt(page.body, parseJsonPath(pagination.path))
  if (isAbsent(link)) return endedWithout(next, ending, from, place)
  if (typeof link !== 'string') throw restErrors.REST_NEXT_PAGE_INVALID(place, from, 'something other than a text')
  const url = URL.parse(link, page.url.href)
  if (url === null) throw restErrors.REST_NEXT_PAGE_INVALID(place, from, 'a text that is no address')
  const taken = takeLink(url)
  if ('problem' in taken) throw restErrors.REST_NEXT_PAGE_INVALID(place, from, taken.problem)
  return { ...next, link: taken.link }
}

function withCursor(
  pagination: Of<'cursor'>,
  next: PagePosition,
  page: ReadPage,
  ending: Ending,
  { place }: NextContext,
): PagePosition | undefined {
  const { path, header = '' } = pagination
  const from = path ?? `${header} header`
  const cursor = path === undefined ? page.headers.get(header)?.trim() : valueAt(page.body, parseJsonPath(path))
  if (isAbsent(cursor)) return endedWithout(next, ending, from, place)
  if (cursor === true || (typeof cursor === 'object' && !isExactNumber(cursor))) {
    throw restErrors.REST_NEXT_PAGE_INVALID(place, from, 'something other than a text or a number')
  }
  const value = typeof cursor === 'object' ? cursor.rawJSON : cursor
  if (pagination.requestHeader !== undefined && !isHeaderValue(String(value))) {
    throw restErrors.REST_NEXT_PAGE_INVALID(place, from, 'a text that no header can carry')
  }
  return { ...next, cursor: value }
}

/** A missing link or cursor is the end, unless something in the same response indicates that there is more. */
function endedWithout(next: PagePosition, ending: Ending, from: string, place: RequestPlace): undefined {
  ended(next, place)
  if (ending === 'more')
    throw restErrors.REST_NEXT_PAGE_INVALID(place, from, 'nothing, while the body says that there is more')
}

/** Whether a page is the last: yes, no, or unknown. */
export type Ending = 'last' | 'more' | undefined

export type Counted = {
  /** From 1. */
  readonly number: number
  /** Of this page and all previous ones. */
  readonly recordCount: number
  /** Records requested. */
  readonly size?: number | undefined
}

/**
 * Whether a page is the last. What the server says of the whole (counts, a value) goes before the look of one page: an empty or
 * short page ends nothing while the server says that there is more.
 */
function endingOf({ type, end }: KnownEnd, page: ReadPage, counted: Counted, declared: Declared): Ending {
  const { size, number, recordCount } = counted
  // A range has its values, each of which may have counts of its own.
  const { total, totalPages } = type === 'range' ? {} : declared
  const byValue = end.when === undefined ? undefined : endingByValue(end.when, page.body)
  const byPages = totalPages === undefined ? undefined : number >= totalPages ? 'last' : 'more'
  const byTotal = total === undefined ? undefined : recordCount >= total ? 'last' : 'more'
  if (byValue === 'more' || byPages === 'more') return 'more'
  if (byValue === 'last' || byPages === 'last' || byTotal === 'last') return 'last'
  const isEmpty = page.recordCount === 0 && !page.isNull
  // No further page of numbers is fuller than an empty one, as far as is known.
  const isCounting = type === 'page' || type === 'offset'
  if (byTotal === 'more') return isCounting && page.recordCount === 0 ? 'last' : 'more'
  if (end.emptyPage && (isEmpty || (end.nullPage === true && page.isNull))) return 'last'
  return end.shortPage && size !== undefined && page.recordCount < size ? 'last' : undefined
}

type KnownEnd = Exclude<KnownPagination, { type: 'none' }>

/** The counts that a page declares, or else those of the pages before. */
export function declaredBy(
  pagination: KnownEnd,
  before: Declared | undefined,
  page: ReadPage,
  place: RequestPlace,
): Declared {
  const { total, totalPages } = pagination.end
  return {
    total: countAt(total, page, place) ?? before?.total,
    totalPages: countAt(totalPages, page, place) ?? before?.totalPages,
  }
}

/** A count in the body; undefined if absent. */
function countAt(path: string | undefined, { body }: ReadPage, place: RequestPlace): number | undefined {
  if (path === undefined) return undefined
  const value = valueAt(body, parseJsonPath(path))
  if (value === undefined || value === null) return undefined
  const count =
    typeof value === 'number' || (typeof value === 'string' && value.trim() !== '') ? Number(value) : Number.NaN
  if (!Number.isInteger(count) || count < 0)
    throw restErrors.REST_NEXT_PAGE_INVALID(place, path, 'something other than a count')
  return count
}

function endingByValue({ path, is }: NonNullable<RestEnd['when']>, body: JsonValue): Ending {
  const value = valueAt(body, parseJsonPath(path))
  if (is === undefined) return isAbsent(value) ? 'last' : 'more'
  if (value === undefined) return undefined
  return textOfValue(value) === String(is) ? 'last' : 'more'
}

/** A link of a response header (RFC 8288). */
type HeaderLink = { readonly target: string; readonly relations: readonly string[] }

const LINK = /\s*<([^>]*)>((?:\s*;\s*[^\s=;,]+(?:\s*=\s*(?:"(?:[^"\\]|\\.)*"|[^\s;,"]*))?)*)\s*(?:,|$)/y
const PARAMETER = /;\s*([^\s=;,]+)(?:\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;,"]*)))?/g

/** The links of a `Link` header. A syntax error ends the list. */
function parseLinkHeader(header: string): HeaderLink[] {
  const links: HeaderLink[] = []
  LINK.lastIndex = 0
  while (LINK.lastIndex < header.length) {
    const [whole, target = '', parameters = ''] = LINK.exec(header) ?? []
    if (whole === undefined) break
    // Of several `rel` the first one counts. Source: RFC 8288, 3.3
    const rel = [...parameters.matchAll(PARAMETER)].find(([, name]) => name?.toLowerCase() === 'rel')
    links.push({ target, relations: (rel?.[2] ?? rel?.[3] ?? '').toLowerCase().split(/\s+/) })
  }
  return links
}

/** The address of a relation: `next`. */
export function linkOf(headers: Headers, relation: string): string | undefined {
  const links = parseLinkHeader(headers.get('link') ?? '')
  return links.find(({ relations }) => relations.includes(relation.toLowerCase()))?.target
}
