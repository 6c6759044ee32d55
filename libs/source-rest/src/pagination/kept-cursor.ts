import type { RestCursor } from '../config/index.ts'
import { isAbsent } from '../bodies/body-value.ts'
import { parseJsonPath, valueAt } from '../bodies/json-path.ts'
import { isExactNumber } from '@cinelake/json-rows'
import { paginationErrors, restErrors } from '../errors.ts'
import { isHeaderValue } from '../http/page-request.ts'
import { type NextContext, type PageParts, put, type ReadPage } from './pagination.ts'

/**
 * The cursor for the next window on the last page (`@odata.deltaLink`, `nextSyncToken`), to be kept. Undefined
 * if there is no content: nothing is new, and the previous cursor stays valid.
 * @throws {REST_CURSOR_MISSING} terminal
 * @throws {REST_NEXT_PAGE_INVALID} terminal: it cannot be used in a request
 */
export function keptCursor(
  cursor: RestCursor | undefined,
  page: ReadPage,
  { place, takeLink }: Pick<NextContext, 'place' | 'takeLink'>,
): string | undefined {
  if (cursor === undefined || page.status === 204 || page.status === 205) return undefined
  const { path, link, requestHeader } = cursor
  const found = valueAt(page.body, parseJsonPath(path))
  if (isAbsent(found)) throw paginationErrors.REST_CURSOR_MISSING(place, path)
  const value = isExactNumber(found) ? found.rawJSON : found
  if (typeof value !== 'string' && typeof value !== 'number') {
    throw restErrors.REST_NEXT_PAGE_INVALID(place, path, 'something other than a text or a number')
  }
  const text = String(value)
  if (requestHeader !== undefined && !isHeaderValue(text)) {
    throw restErrors.REST_NEXT_PAGE_INVALID(place, path, 'a text that no header can carry')
  }
  if (!link) return text
  const url = URL.parse(text, page.url.href)
  if (url === null) throw restErrors.REST_NEXT_PAGE_INVALID(place, path, 'a text that is no address')
  const taken = takeLink(url)
  if ('problem' in taken) throw restErrors.REST_NEXT_PAGE_INVALID(place, path, taken.problem)
  return taken.link
}

/** The parts of a page's request with the cursor of the previous window. The page's own address takes precedence over it. */
export function withKept(cursor: RestCursor | undefined, kept: string | undefined, parts: PageParts): PageParts {
  if (cursor === undefined || kept === undefined) return parts
  if (cursor.link) return { ...parts, link: parts.link ?? kept }
  const own = put(cursor, kept)
  return {
    ...parts,
    query: [...own.query, ...parts.query],
    body: [...own.body, ...parts.body],
    headers: [...own.headers, ...parts.headers],
  }
}
