import { filled, mapping, template, text } from '@cinelake/config-text'
import type { SourcePlace } from '@cinelake/source-kind'
import { z } from 'zod'
import { checkJsonPath } from './json-path.ts'

/** Conditions for the last page. What the server says of the whole goes before the look of one page. */
export const RestEnd = z.object({
  /** A page without records, unless the server says that there is more. */
  emptyPage: z.boolean(),
  /** Null in place of the records is such a page, also after others with records: the pipeline's text asks for `emptyPage`. */
  nullPage: z.boolean().optional(),
  /** A page with fewer records than requested. */
  shortPage: z.boolean(),
  /** Path of the total number of records in the body. */
  total: z.string().optional(),
  /** Path of the total number of pages in the body. */
  totalPages: z.string().optional(),
  /** A value in the body that marks the last page: absence, or this constant. */
  when: z
    .object({ path: z.string(), is: z.union([z.string(), z.number(), z.boolean(), z.null()]).optional() })
    .optional(),
})
export type RestEnd = z.infer<typeof RestEnd>

/** The common settings of all paginations. */
const common = {
  end: RestEnd.default({ emptyPage: false, shortPage: false }),
  maxPages: z.int().positive().optional(),
  atMaxPages: z.enum(['fail', 'stop']).default('fail'),
  samePage: z.enum(['fail', 'allow']).default('fail'),
}

/** For numbered pages, an empty page is the last unless another condition is given. */
const counting = { ...common, end: RestEnd.default({ emptyPage: true, shortPage: false }) }

/** The location of a value in a request: one of the three. */
export const spot = {
  parameter: z.string().optional(),
  bodyField: z.string().optional(),
  requestHeader: z.string().optional(),
}
const size = {
  sizeParameter: z.string().optional(),
  sizeBodyField: z.string().optional(),
  size: z.int().positive().optional(),
}

export const RestPagination = z.discriminatedUnion('type', [
  z.object({ type: z.literal('none') }),
  /** Auto-detected from the first response. */
  z.object({ type: z.literal('auto'), ...common }),
  /** `?page=1`, `?page=2` …, until a page has no records. */
  z.object({ type: z.literal('page'), ...spot, first: z.int(), ...size, ...counting }),
  /** `?offset=0`, `?offset=100` …: the number of records read before. */
  z.object({ type: z.literal('offset'), ...spot, first: z.int().default(0), ...size, ...counting }),
  /** The body contains the address of the next page, absolute or relative; absent or null on the last. */
  z.object({ type: z.literal('nextLink'), path: z.string(), ...common }),
  /** The `Link` header contains it (RFC 8288). */
  z.object({ type: z.literal('linkHeader'), rel: z.string().default('next'), ...common }),
  /** The body or a header contains a cursor for the next request; absent, null or empty on the last. */
  z.object({
    type: z.literal('cursor'),
    path: z.string().optional(),
    header: z.string().optional(),
    ...spot,
    ...common,
  }),
  /** One page for each of these values. */
  z.object({
    type: z.literal('range'),
    ...spot,
    values: z.array(z.union([template, z.number(), z.boolean()])),
    ...common,
  }),
])
export type RestPagination = z.infer<typeof RestPagination>

const scalar = z.union([z.string(), z.number(), z.boolean()])
const count = z.int().positive('expected a number above 0')

const endText = mapping({
  emptyPage: z
    .boolean()
    .optional()
    .describe(
      'A page without records is the last, unless the body says that there is more. Default for `page` and `offset`; written out, null in place of the records is such a page as well.',
    ),
  shortPage: z
    .boolean()
    .optional()
    .describe('A page with fewer records than `size` is the last, unless the body says that there is more.'),
  total: text.optional().describe('Where the number of all records is in the body: `$.meta.total`.'),
  totalPages: text.optional().describe('Where the number of all pages is in the body.'),
  missing: text.optional().describe('A page whose body has nothing here is the last.'),
  value: mapping({ path: text, is: z.union([scalar, z.null()]) })
    .optional()
    .describe('A page whose body has this value here is the last: `{ path: $.has_more, is: false }`.'),
})

const commonText = {
  end: endText.optional().describe('What says that a page is the last.'),
  maxPages: count.optional().describe('The most pages. Default: 100000.'),
  atMaxPages: z.enum(['fail', 'stop']).optional().describe('What happens there. Default: `fail`.'),
  samePage: z
    .enum(['fail', 'allow'])
    .optional()
    .describe('A page that is byte for byte one that was read: `fail` (default) takes it for a circle.'),
}
export const spotText = (what: string) => ({
  parameter: text.optional().describe(`Query parameter that carries ${what}.`),
  bodyField: text.optional().describe(`Path in the body of a POST that carries ${what}: \`$.paging.next\`.`),
  requestHeader: text.optional().describe(`Header of the request that carries ${what}.`),
})
const sizeText = {
  sizeParameter: text.optional().describe("Query parameter that carries the page's size."),
  sizeBodyField: text.optional().describe("Path in the body of a POST that carries the page's size."),
  size: count.optional().describe('Records of a page.'),
}

/** The pagination of a dataset, as written in `pipeline.yaml`. */
export const RestPaginationText = z.discriminatedUnion('type', [
  mapping({ type: z.literal('none') }),
  mapping({ type: z.literal('auto'), ...commonText }),
  mapping({
    type: z.literal('page'),
    ...spotText("the page's number"),
    first: z.int().optional().describe('Number of the first page. Default: 1.'),
    ...sizeText,
    ...commonText,
  }),
  mapping({
    type: z.literal('offset'),
    ...spotText('the number of records before the page'),
    first: z.int().optional().describe('Offset of the first record. Default: 0.'),
    ...sizeText,
    ...commonText,
  }),
  mapping({
    type: z.literal('nextLink'),
    path: text.describe("Where the next page's address is in the body: `$.links.next`."),
    ...commonText,
  }),
  mapping({
    type: z.literal('linkHeader'),
    rel: text.optional().describe('Relation of the link that leads on. Default: `next`.'),
    ...commonText,
  }),
  mapping({
    type: z.literal('cursor'),
    path: text.optional().describe('Where the cursor is in the body: `$.next`.'),
    header: text.optional().describe('Header of the answer that has the cursor, in place of `path`.'),
    ...spotText('the cursor'),
    ...commonText,
  }),
  mapping({
    type: z.literal('range'),
    ...spotText('the value'),
    values: z.array(filled(scalar)).min(1, 'expected at least one value').optional(),
    from: z.int().optional().describe('First of a row of numbers, in place of `values`.'),
    to: z.int().optional().describe('Last of them.'),
    step: z.int().optional().describe('Default: 1.'),
    ...commonText,
  }),
])

export type RestPaginationText = z.infer<typeof RestPaginationText>
type RestEndText = z.infer<typeof endText>

/** Maximum number of values of a range; more are a mistake. */
const MAX_VALUES = 100_000

/** Validates a pagination, and fills in defaults. */
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

function endValues({ emptyPage, total, totalPages, missing, value }: RestEndText): Partial<RestEnd> {
  const when = missing === undefined ? value : { path: missing }
  return {
    ...(emptyPage === true ? { nullPage: true } : {}),
    ...(total === undefined ? {} : { total }),
    ...(totalPages === undefined ? {} : { totalPages }),
    ...(when === undefined ? {} : { when }),
  }
}

type SpotText = { parameter?: string | undefined; bodyField?: string | undefined; requestHeader?: string | undefined }

/** Names that HTTP allows for a header. Source: RFC 9110, 5.1 and 5.6.2 */
const HEADER_NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/

/** Headers for credentials, or that determine how the request is parsed. */
const OWN_HEADERS =
  /^(?:authorization|proxy-.*|cookie|host|connection|content-.*|transfer-encoding|expect|upgrade|te)$/i

/** Requires exactly one location for a value, and one that the request has. */
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

/** Values that also go into each request: the page's size. */
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
