import type { RestEnd, RestPagination } from '../config/index.ts'
import type { Answer } from '../http/send-request.ts'
import { isExactNumber, type JsonValue } from '@cinelake/json-rows'
import { type JsonPath, parseJsonPath, valueAt } from '../bodies/json-path.ts'
import { type RequestPlace, restErrors } from '../errors.ts'
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
  /** The pagination that `auto` detected in the first response. */
  readonly recognised?: RestPagination | undefined
}

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
      return withSize(pagination, put(pagination, pagination.first + position.recordCount))
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
  const { number, recordCount, recognised } = position
  const next = { number: number + 1, recordCount: recordCount + page.recordCount, recognised }
  // No content for one value says nothing about the others.
  if (pagination.type !== 'range' && (page.status === 204 || page.status === 205)) return undefined
  const counted = { number, recordCount: next.recordCount, size: 'size' in pagination ? pagination.size : undefined }
  const ending = endingOf(pagination.end, page, counted, context.place)
  if (ending === 'last') return undefined
  switch (pagination.type) {
    case 'page':
    case 'offset':
      return next
    case 'range':
      return number < context.valueCount ? next : undefined
    case 'cursor':
      return withCursor(pagination, next, page, ending, context)
    default:
      return withLink(pagination, next, page, ending, context)
  }
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
  if (isAbsent(link)) return ended(ending, from, place)
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
  if (isAbsent(cursor)) return ended(ending, from, place)
  if (cursor === true || (typeof cursor === 'object' && !isExactNumber(cursor))) {
    throw restErrors.REST_NEXT_PAGE_INVALID(place, from, 'something other than a text or a number')
  }
  const value = typeof cursor === 'object' ? cursor.rawJSON : cursor
  if (pagination.requestHeader !== undefined && !isHeaderValue(String(value))) {
    throw restErrors.REST_NEXT_PAGE_INVALID(place, from, 'a text that no header can carry')
  }
  return { ...next, cursor: value }
}

/** A missing link or cursor is the end, unless the same response indicates that there is more. */
function ended(ending: Ending, from: string, place: RequestPlace): undefined {
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
 * Evaluates all conditions for the last page.
 * @throws {REST_NEXT_PAGE_INVALID} terminal: an invalid count
 */
function endingOf(end: RestEnd, page: ReadPage, counted: Counted, place: RequestPlace): Ending {
  const { size, number, recordCount } = counted
  if (end.emptyPage && page.recordCount === 0) return 'last'
  if (end.shortPage && size !== undefined && page.recordCount < size) return 'last'
  const total = countAt(end.total, page, place)
  if (total !== undefined && recordCount >= total) return 'last'
  const totalPages = countAt(end.totalPages, page, place)
  if (totalPages !== undefined && number >= totalPages) return 'last'
  return end.when === undefined ? undefined : endingByValue(end.when, page.body)
}

/** A count in the body; undefined if absent. */
export function countAt(path: string | undefined, { body }: ReadPage, place: RequestPlace): number | undefined {
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
  return valueText(value) === String(is) ? 'last' : 'more'
}

function valueText(value: JsonValue): string {
  if (typeof value !== 'object' || value === null) return String(value)
  return isExactNumber(value) ? value.rawJSON : JSON.stringify(value)
}

/** Values by which servers indicate that there is no next page. */
export function isAbsent(value: JsonValue | undefined): value is null | undefined | false | '' {
  return value === undefined || value === null || value === false || value === ''
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
