import type { RestPagination } from '../config/index.ts'
import { parseJsonPath, valueAt, type JsonPath } from '../bodies/json-path.ts'
import { isExactNumber, type JsonValue } from '@cinelake/json-rows'
import { restErrors, type RequestPlace } from '../errors.ts'
import { endingOf, isAbsent, type Ending } from './last-page.ts'
import { linkOf } from './link-header.ts'
import type { PagePosition } from './page-position.ts'
import type { ReadPage } from './read-page.ts'
import { isHeaderValue } from '../http/page-request.ts'

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
