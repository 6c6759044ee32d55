import type { RestEnd, RestPagination } from '../checked/rest-pagination.ts'
import { checkJsonPath } from './json-path.ts'
import type { RestEndText, RestPaginationText } from './rest-pagination-schema.ts'
import type { SourcePlace } from './source-place.ts'

/** Numbers that a row of values may have; more are a mistake. */
const MAX_VALUES = 100_000

/** Checks how one gets to the next page, and puts in defaults. */
export function readRestPagination(
  pagination: RestPaginationText | undefined,
  isPost: boolean,
  place: SourcePlace,
): RestPagination {
  if (pagination === undefined || pagination.type === 'none') return { type: 'none' }
  const common = readCommon(pagination, place)
  const { type } = pagination
  if (type === 'page' || type === 'offset' || type === 'cursor' || type === 'range') {
    checkSpot(pagination, isPost, place)
  }
  if (type === 'page' || type === 'offset') checkSize(pagination, isPost, place)
  switch (pagination.type) {
    case 'page':
      return { ...pagination, first: pagination.first ?? 1, ...common }
    case 'offset':
      return { ...pagination, first: pagination.first ?? 0, ...common }
    case 'linkHeader':
      return { ...pagination, rel: pagination.rel ?? 'next', ...common }
    case 'cursor':
      return readCursor(pagination, common, place)
    case 'range':
      return readRange(pagination, common, place)
    case 'nextLink':
      checkJsonPath(pagination.path, { single: true }, at(place, 'path'))
      return { ...pagination, ...common }
    default:
      return { ...pagination, ...common }
  }
}

type Of<Type extends RestPaginationText['type']> = Extract<RestPaginationText, { type: Type }>
type Common = Pick<Extract<RestPagination, { type: 'auto' }>, 'end' | 'atMaxPages' | 'samePage'>

const at = (place: SourcePlace, ...steps: string[]): SourcePlace => ({ ...place, path: [...place.path, ...steps] })

function readCommon(pagination: Exclude<RestPaginationText, { type: 'none' }>, place: SourcePlace): Common {
  const { type, end = {}, atMaxPages = 'fail', samePage = 'fail' } = pagination
  const isCounting = type === 'page' || type === 'offset'
  if (end.shortPage === true && !('size' in pagination && pagination.size !== undefined)) {
    problem(place, 'end', 'a short page cannot be told: no size is asked for', 'add `size`, or leave `shortPage` out')
  }
  for (const key of ['total', 'totalPages', 'missing'] as const) {
    const path = end[key]
    if (path !== undefined) checkJsonPath(path, { single: true }, at(place, 'end', key))
  }
  if (end.value !== undefined) checkJsonPath(end.value.path, { single: true }, at(place, 'end', 'value', 'path'))
  if (end.missing !== undefined && end.value !== undefined) {
    problem(place, 'end', 'both `missing` and `value` say which page is the last', 'leave one of them out')
  }
  return {
    end: { emptyPage: end.emptyPage ?? isCounting, shortPage: end.shortPage ?? false, ...endValues(end) },
    atMaxPages,
    samePage,
  }
}

function endValues({ total, totalPages, missing, value }: RestEndText): Partial<RestEnd> {
  const when = missing === undefined ? value : { path: missing }
  return {
    ...(total === undefined ? {} : { total }),
    ...(totalPages === undefined ? {} : { totalPages }),
    ...(when === undefined ? {} : { when }),
  }
}

type SpotText = { parameter?: string | undefined; bodyField?: string | undefined; requestHeader?: string | undefined }

/** Names that HTTP allows for a header. Source: RFC 9110, 5.1 and 5.6.2 */
const HEADER_NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/

/** Headers that say who asks, or how the request is to be read. */
const OWN_HEADERS =
  /^(?:authorization|proxy-.*|cookie|host|connection|content-.*|transfer-encoding|expect|upgrade|te)$/i

/** Exactly one place for a value that a request carries, and one that the request has. */
export function checkSpot(spot: SpotText, isPost: boolean, place: SourcePlace): void {
  const { parameter, bodyField, requestHeader } = spot
  const count = [parameter, bodyField, requestHeader].filter((one) => one !== undefined).length
  if (count === 0) {
    const remedy = 'add `parameter`, `requestHeader`, or `bodyField` for a POST'
    problem(place, undefined, 'nothing says where the value goes', remedy)
  }
  if (count > 1) {
    const remedy = 'say one of `parameter`, `requestHeader` and `bodyField`'
    problem(place, undefined, 'the value goes to several places', remedy)
  }
  if (bodyField !== undefined) checkBodyField('bodyField', bodyField, isPost, place)
  if (requestHeader === undefined) return
  if (!HEADER_NAME.test(requestHeader)) {
    problem(place, 'requestHeader', `'${requestHeader}' is no name of a header`, 'expected one such as `X-Cursor`')
  } else if (OWN_HEADERS.test(requestHeader)) {
    problem(place, 'requestHeader', `\`${requestHeader}\` has a meaning of its own`, 'expected one of the API')
  }
}

function checkBodyField(key: string, path: string, isPost: boolean, place: SourcePlace): void {
  checkJsonPath(path, { single: true }, at(place, key))
  if (!isPost) problem(place, key, `\`${key}\` needs a request with a body`, 'add `method: POST`')
}

/** What goes into each request besides: the page's size. */
function checkSize(pagination: Of<'page'> | Of<'offset'>, isPost: boolean, place: SourcePlace): void {
  for (const key of ['sizeParameter', 'sizeBodyField'] as const) {
    if (pagination[key] === undefined || pagination.size !== undefined) continue
    problem(place, key, `\`${key}\` has no size to carry`, 'add `size`')
  }
  const { sizeBodyField } = pagination
  if (sizeBodyField !== undefined) checkBodyField('sizeBodyField', sizeBodyField, isPost, place)
}

function readCursor(pagination: Of<'cursor'>, common: Common, place: SourcePlace): RestPagination {
  if ((pagination.path === undefined) === (pagination.header === undefined)) {
    problem(place, undefined, 'the cursor is to be found in one place', 'say either `path` (body) or `header`')
  }
  if (pagination.path !== undefined) checkJsonPath(pagination.path, { single: true }, at(place, 'path'))
  return { ...pagination, ...common }
}

function readRange(pagination: Of<'range'>, common: Common, place: SourcePlace): RestPagination {
  const { values, from, to, step = 1, ...rest } = pagination
  if (values !== undefined && from === undefined && to === undefined) return { ...rest, values, ...common }
  if (values !== undefined || from === undefined || to === undefined || step === 0 || (to - from) / step < 0) {
    problem(
      place,
      undefined,
      'the values are not told',
      'say `values`, or `from` and `to` with a `step` that leads there',
    )
    return { ...rest, values: values ?? [], ...common }
  }
  const count = Math.floor((to - from) / step) + 1
  if (count > MAX_VALUES) problem(place, 'to', `${count} values`, `expected at most ${MAX_VALUES}`)
  const numbers = Array.from({ length: Math.min(count, MAX_VALUES) }, (_, index) => from + index * step)
  return { ...rest, values: numbers, ...common }
}

function problem({ text, path, problems }: SourcePlace, key: string | undefined, what: string, remedy: string): void {
  problems.error(text.at(key === undefined ? path : [...path, key]), what, remedy)
}
