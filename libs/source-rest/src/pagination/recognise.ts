import type { RestEnd } from '../config/index.ts'
import { type JsonPath, valueAt } from '../bodies/json-path.ts'
import { isObject, type JsonValue } from '@cinelake/json-rows'
import { type KnownPagination, linkOf, type ReadPage } from './pagination.ts'

/** Objects that servers put paging information into; the body itself first. */
const HOLDERS: readonly JsonPath[] = [
  [],
  ['links'],
  ['_links'],
  ['link'],
  ['paging'],
  ['pagination'],
  ['page'],
  ['meta'],
  ['_meta'],
  ['metadata'],
  ['info'],
  ['meta', 'pagination'],
  ['meta', 'paging'],
  ['meta', 'page'],
  ['meta', 'links'],
  ['pagination', 'links'],
  ['paging', 'cursors'],
  ['paging', 'next'],
  ['response_metadata'],
]
const LINKS =
  'next next_page next_page_url nextPage nextPageUrl next_url nextUrl next_link nextLink @odata.nextLink odata.nextLink next_href nextPageLink'.split(
    ' ',
  )

/** The request parameter for a cursor, by its name in the body. */
const CURSORS: Readonly<Record<string, string>> = {
  nextPageToken: 'pageToken',
  next_page_token: 'page_token',
  nextCursor: 'cursor',
  next_cursor: 'cursor',
  nextToken: 'nextToken',
  next_token: 'next_token',
  continuationToken: 'continuationToken',
  continuation_token: 'continuation_token',
  end_cursor: 'cursor',
  endCursor: 'cursor',
  after: 'after',
}
const NUMBERS = 'page current_page currentPage page_number pageNumber number'.split(' ')
const PAGE_COUNTS = 'total_pages totalPages pages last_page lastPage page_count pageCount num_pages'.split(' ')
const OFFSETS = 'offset skip startAt start_at startIndex start'.split(' ')
const TOTALS = 'total total_count totalCount total_results totalResults totalItems total_items total_records'.split(' ')
const MORE = 'has_more hasMore has_next hasNext has_next_page hasNextPage more'.split(' ')

/** Names under which requests carry the page's number. */
const PAGE_PARAMETERS = 'page _page p page_number pageNumber pageNo'.split(' ')

/** Either the detected pagination, with a text for people; or the reason to assume more pages although none was detected. */
export type Recognised =
  | { readonly pagination: KnownPagination; readonly because: string }
  | { readonly unknown: string }

type Limits = Pick<Extract<KnownPagination, { type: 'page' }>, 'maxPages' | 'atMaxPages' | 'samePage'>

/**
 * Auto-detects the pagination from the first page: from links, cursors and counts.
 * @param limits and end conditions that the pipeline gives take precedence
 */
export function recognise(page: ReadPage, url: URL, limits: Limits & { readonly end: RestEnd }): Recognised {
  const found =
    byLinkHeader(page) ??
    byLink(page) ??
    byCursor(page) ??
    byPages(page, url) ??
    byNextNumber(page, url) ??
    byOffset(page)
  if (found !== undefined) {
    const { pagination, because } = found
    if (pagination.type === 'none') return found
    const { maxPages, atMaxPages, samePage } = limits
    const end = { ...pagination.end, ...given(limits.end) }
    return { pagination: { ...pagination, maxPages, atMaxPages, samePage, end }, because }
  }
  const more = first(page.body, MORE, (value) => value === true)
  if (more !== undefined) return { unknown: `${more.text} is true` }
  const total = first(page.body, TOTALS, isCount)
  if (total !== undefined && Number(total.value) > page.recordCount) {
    return { unknown: `${total.text} says that there are more records than the page has` }
  }
  const header = moreByHeader(page)
  if (header !== undefined) return { unknown: header }
  return { pagination: { type: 'none' }, because: 'nothing in the first answer leads on' }
}

/** Headers that count all records, or all pages; and a `Content-Range` of records: `items 0-24/319`. */
function moreByHeader({ headers, recordCount }: ReadPage): string | undefined {
  const [, range] = /\/(\d{1,15})$/.exec(headers.get('content-range')?.trim() ?? '') ?? []
  const records = { ...namedIn(headers, RECORD_COUNTS), ...(range === undefined ? {} : { 'Content-Range': range }) }
  for (const [name, count] of Object.entries(records)) {
    if (Number(count) > recordCount) return `the ${name} header says that there are more records than the page has`
  }
  const [pages] = Object.entries(namedIn(headers, PAGE_COUNT_HEADERS)).filter(([, count]) => Number(count) > 1)
  return pages === undefined ? undefined : `the ${pages[0]} header says that there are more pages`
}

const RECORD_COUNTS = ['X-Total-Count', 'X-Total', 'X-WP-Total', 'Total-Count']
const PAGE_COUNT_HEADERS = ['X-Total-Pages', 'X-WP-TotalPages', 'X-Page-Count']

/** Headers that pages may depend on, in lower case. */
export const PAGE_HEADERS = ['link', 'x-next-page', 'content-range', ...RECORD_COUNTS, ...PAGE_COUNT_HEADERS].map(
  (name) => name.toLowerCase(),
)

function namedIn(headers: Headers, names: readonly string[]): Record<string, string> {
  const there = names.map((name) => [name, headers.get(name)?.trim() ?? ''] as const)
  return Object.fromEntries(there.filter(([, value]) => /^\d{1,15}$/.test(value)))
}

const DEFAULTS = { atMaxPages: 'fail', samePage: 'fail' } as const
const untilNothing: RestEnd = { emptyPage: false, shortPage: false }
const untilEmpty: RestEnd = { emptyPage: true, shortPage: false }

/** Settings of the pipeline take precedence over what was detected. */
function given({ emptyPage, shortPage, ...paths }: RestEnd): Partial<RestEnd> {
  return { ...paths, ...(emptyPage ? { emptyPage } : {}), ...(shortPage ? { shortPage } : {}) }
}

type Found = Extract<Recognised, { because: string }> | undefined

function byLinkHeader({ headers }: ReadPage): Found {
  if (linkOf(headers, 'next') !== undefined) {
    const pagination = { type: 'linkHeader', rel: 'next', end: untilNothing, ...DEFAULTS } as const
    return { pagination, because: 'the Link header has rel=next' }
  }
  // As in GitLab: the number of the next page, empty on the last.
  if (!/^\d+$/.test(headers.get('x-next-page') ?? '')) return undefined
  const pagination = {
    type: 'cursor',
    header: 'x-next-page',
    parameter: 'page',
    end: untilNothing,
    ...DEFAULTS,
  } as const
  return { pagination, because: 'the X-Next-Page header has a number' }
}

function byLink({ body }: ReadPage): Found {
  const link =
    first(body, LINKS, isAddress) ??
    first(
      body,
      LINKS.map((name) => [name, 'href']),
      isAddress,
    ) ??
    first(body, ['link', 'url'], isAddress, [
      ['paging', 'next'],
      ['links', 'next'],
    ])
  if (link === undefined) return undefined
  const pagination = { type: 'nextLink', path: link.text, end: untilNothing, ...DEFAULTS } as const
  return { pagination, because: `${link.text} has an address` }
}

function byCursor({ body }: ReadPage): Found {
  const cursor = first(body, Object.keys(CURSORS), (value) => typeof value === 'string' && value !== '')
  const parameter = CURSORS[String(cursor?.path.at(-1))]
  if (cursor === undefined || parameter === undefined) return undefined
  const more = first(body, MORE, (value) => typeof value === 'boolean')
  // Some servers give a cursor on the last page as well, which leads to an empty page.
  const end = more === undefined ? untilEmpty : { ...untilNothing, when: { path: more.text, is: false } }
  const pagination = { type: 'cursor', path: cursor.text, parameter, end, ...DEFAULTS } as const
  return { pagination, because: `${cursor.text} has a cursor, sent back as ${parameter}` }
}

function byPages({ body }: ReadPage, url: URL): Found {
  const count = first(body, PAGE_COUNTS, isCount)
  const number = first(body, NUMBERS, isCount)
  if (count === undefined || number === undefined) return undefined
  const parameter = pageParameter(url)
  const end = { ...untilEmpty, totalPages: count.text }
  const pagination = { type: 'page', parameter, first: Number(number.value), end, ...DEFAULTS } as const
  return { pagination, because: `${number.text} and ${count.text} count pages, asked for by ${parameter}` }
}

/** `next: 2`: the number of the next page where other servers give its address. */
function byNextNumber({ body }: ReadPage, url: URL): Found {
  const next = first(body, LINKS, (value) => isCount(value) && Number(value) > 0)
  if (next === undefined) return undefined
  const parameter = pageParameter(url)
  const pagination = { type: 'cursor', path: next.text, parameter, end: untilNothing, ...DEFAULTS } as const
  return { pagination, because: `${next.text} has the next page's number, asked for by ${parameter}` }
}

function byOffset({ body }: ReadPage): Found {
  const offset = first(body, OFFSETS, isCount)
  const total = first(body, TOTALS, isCount)
  if (offset === undefined || total === undefined) return undefined
  const parameter = String(offset.path.at(-1))
  const end = { ...untilEmpty, total: total.text }
  const pagination = { type: 'offset', parameter, first: Number(offset.value), end, ...DEFAULTS } as const
  return { pagination, because: `${offset.text} and ${total.text} count records, asked for by ${parameter}` }
}

const pageParameter = (url: URL) => PAGE_PARAMETERS.find((name) => url.searchParams.has(name)) ?? 'page'

const isCount = (value: JsonValue) =>
  (typeof value === 'number' || typeof value === 'string') && /^\d{1,15}$/.test(String(value))
const isAddress = (value: JsonValue) => typeof value === 'string' && /^(?:https?:\/\/|\/|\?)\S*$/.test(value)

type Place = { readonly path: JsonPath; readonly text: string; readonly value: JsonValue }

/** The first field with one of these names, in any of the holders, whose value has the kind. */
function first(
  body: JsonValue,
  names: readonly (string | JsonPath)[],
  isKind: (value: JsonValue) => boolean,
  holders = HOLDERS,
): Place | undefined {
  for (const holder of holders) {
    if (!isObject(valueAt(body, holder))) continue
    for (const name of names) {
      const path = [...holder, ...(typeof name === 'string' ? [name] : name)]
      const value = valueAt(body, path)
      if (value !== undefined && isKind(value)) return { path, text: pathText(path), value }
    }
  }
  return undefined
}

function pathText(path: JsonPath): string {
  return path.reduce<string>(
    (text, step) => `${text}${/^[A-Za-z_]\w*$/.test(String(step)) ? `.${step}` : `['${step}']`}`,
    '$',
  )
}
