import type { RestPagination } from '@cinelake/pipeline'
import { RestNextPageError, type RequestPlace } from './errors.ts'
import { parseJsonPath, valueAt } from './json-path.ts'
import { isExactNumber, type JsonValue } from './json-text.ts'

/** A page that was read, as far as the way to the next one depends on it. */
export type ReadPage = {
  /** From 1. */
  readonly number: number
  /** Where it was found, after redirects. */
  readonly url: URL
  readonly body: JsonValue
  readonly recordCount: number
}

/** The address of page one. */
export function firstPage(pagination: RestPagination, address: URL): URL {
  return pagination.type === 'page' ? numberedPage(pagination, address, 1) : new URL(address)
}

/**
 * The address of the page after another; undefined after the last.
 * @param first the address of the dataset, without any page
 * @throws {RestNextPageError} terminal: the body says where it is in a way that cannot be followed
 */
export function nextPage(pagination: RestPagination, first: URL, page: ReadPage, place: RequestPlace): URL | undefined {
  if (pagination.type === 'page') {
    return page.recordCount === 0 ? undefined : numberedPage(pagination, first, page.number + 1)
  }
  if (pagination.type === 'nextLink') return linkedPage(pagination.path, first, page, place)
  return pagination.type === 'cursor' ? cursorPage(pagination, first, page, place) : undefined
}

function numberedPage(pagination: Extract<RestPagination, { type: 'page' }>, address: URL, number: number): URL {
  const { parameter, first, sizeParameter, size } = pagination
  const url = new URL(address)
  url.searchParams.set(parameter, String(first + number - 1))
  if (sizeParameter !== undefined && size !== undefined) url.searchParams.set(sizeParameter, String(size))
  return url
}

function linkedPage(path: string, first: URL, page: ReadPage, place: RequestPlace): URL | undefined {
  const link = valueAt(page.body, parseJsonPath(path))
  if (isAbsent(link)) return undefined
  if (typeof link !== 'string') throw new RestNextPageError(place, path, 'something other than a text')
  const url = URL.parse(link, page.url.href)
  if (url === null) throw new RestNextPageError(place, path, 'a text that is no address')
  // Behind a proxy that ends the encryption, servers write links with the scheme that they see themselves.
  if (url.protocol === 'http:' && first.protocol === 'https:') url.protocol = 'https:'
  if (url.origin !== first.origin) {
    // The credentials are for the server that the pipeline names, and for no other.
    throw new RestNextPageError(place, path, `an address on another server (${url.host})`)
  }
  url.hash = ''
  return url
}

function cursorPage(
  { path, parameter }: Extract<RestPagination, { type: 'cursor' }>,
  first: URL,
  page: ReadPage,
  place: RequestPlace,
): URL | undefined {
  const cursor = valueAt(page.body, parseJsonPath(path))
  if (isAbsent(cursor)) return undefined
  if (typeof cursor === 'object' && !isExactNumber(cursor)) {
    throw new RestNextPageError(place, path, 'something other than a text or a number')
  }
  const url = new URL(first)
  url.searchParams.set(parameter, typeof cursor === 'object' ? cursor.rawJSON : String(cursor))
  return url
}

/** How servers say that there is no next page. */
function isAbsent(value: JsonValue | undefined): value is null | undefined | false | '' {
  return value === undefined || value === null || value === false || value === ''
}
