import type { RestCursor } from '../checked/rest-source.ts'
import { checkJsonPath } from './json-path.ts'
import { withoutParentFields } from './read-rest-landing.ts'
import { checkSpot } from './read-rest-pagination.ts'
import type { RestDatasetText } from './rest-source-schema.ts'
import type { SourcePlace } from './source-place.ts'

type CursorText = NonNullable<Exclude<RestDatasetText['incremental'], true | undefined>['cursor']>

/**
 * Checks what is kept of a window's last page for the next window.
 * @param isAsked whether a request asks for `{since}` as well
 */
export function readRestCursor(
  rest: RestDatasetText,
  cursor: CursorText,
  isAsked: boolean,
  place: SourcePlace,
): RestCursor {
  const { text, problems } = place
  const own: SourcePlace = { ...place, path: [...place.path, 'incremental', 'cursor'] }
  const { incremental, pagination, path = '', method, body, mode } = rest
  const report = (what: string, remedy: string) => problems.error(text.at(own.path), what, remedy)
  checkJsonPath(cursor.path, { single: true }, { ...own, path: [...own.path, 'path'] })
  const { link = false, parameter, bodyField, requestHeader } = cursor
  const isSpotted = (parameter ?? bodyField ?? requestHeader) !== undefined
  if (!link) checkSpot(cursor, method === 'POST' || (method === undefined && body !== undefined), own)
  else if (isSpotted) report('the cursor is an address, and goes to another place as well', 'leave one of them out')
  const hasTimes = typeof incremental === 'object' && (incremental.start ?? incremental.overlap) !== undefined
  if (isAsked || hasTimes) {
    report(
      'both a time and a cursor say where the window begins',
      'leave `{since}`, `start` and `overlap` out, or `cursor`',
    )
  }
  if (mode === 'append') {
    report(
      'a window that is read again would count its rows twice',
      'expected `mode: merge`, since a cursor tells changes',
    )
  }
  if (withoutParentFields(path) !== path) {
    report('each parent would have a cursor of its own', 'leave `cursor` out, or the columns of another dataset')
  }
  if (pagination?.type === 'range') {
    report('each value would have a cursor of its own', 'leave `cursor` out, or use another pagination')
  }
  if (pagination !== undefined && 'atMaxPages' in pagination && pagination.atMaxPages === 'stop') {
    report('the last page, which has the cursor, may never be read', 'leave `atMaxPages: stop` out')
  }
  return { ...cursor, link }
}
