import {
  AS_SECRET,
  duration,
  durationMs,
  isSecretField,
  mapping,
  mayBeSecret,
  oneCharacter,
  template,
  text,
  withoutPlaceholders,
} from '@cinelake/config-text'
import { commonDataset, nulls, type SourcePlace } from '@cinelake/source-kind'
import { z } from 'zod'
import { checkJsonPath } from './json-path.ts'
import { datasetLanding, landingText, withoutParentFields } from './landing.ts'
import { datasetLimits, datasetLimitsText } from './limits.ts'
import { checkSpot, readRestPagination, RestPagination, RestPaginationText, spot, spotText } from './pagination.ts'

/** A value on a window's last page for the first request of the next window (`@odata.deltaLink`, `nextSyncToken`). */
export const RestCursor = z.object({
  /** Its path in the body of the last page. */
  path: z.string(),
  /** It is the address of that request; else it is sent at one of the request locations. */
  link: z.boolean().default(false),
  ...spot,
})
export type RestCursor = z.infer<typeof RestCursor>

export const RestDataset = z.object({
  name: z.string(),
  /** Path below the base URL. */
  path: template,
  method: z.enum(['GET', 'POST']).default('GET'),
  /** Query parameters, with placeholders of the window. */
  query: z.record(z.string(), template),
  /** The body of a POST: any JSON, whose texts may contain placeholders. */
  body: z.json().optional(),
  bodyFormat: z.enum(['json', 'form']).default('json'),
  /** The format of responses. `auto`: by their content type. */
  format: z.enum(['auto', 'json', 'ndjson', 'csv', 'xml']).default('auto'),
  /** Of CSV responses; detected if absent. */
  delimiter: z.string().optional(),
  /** The path of the records in the body: `$` for the body itself, `$.data.items` for a field, or any JSONPath (RFC 9535). */
  records: z.string(),
  /** The values of an object are the records; their keys go into this column. */
  recordKey: z.string().optional(),
  /** How a body says that the request failed, though its status says otherwise. */
  failure: z
    .object({
      /** A body that has something here failed. */
      present: z.string().optional(),
      /** A body that does not have this value here failed. */
      unless: z.object({ path: z.string(), is: z.union([z.string(), z.number(), z.boolean(), z.null()]) }).optional(),
      /** Whether asking again may help. */
      retry: z.boolean(),
    })
    .optional(),
  pagination: RestPagination,
  /** `{since}` is the end of the last window that succeeded. */
  incremental: z
    .object({
      /** The first value of `{since}`; if absent, parameters with `{since}` are omitted the first time. */
      start: z.iso.datetime().optional(),
      overlapMs: z.int().min(0),
      /** Used instead of `{since}`. */
      cursor: RestCursor.optional(),
    })
    .optional(),
  ...datasetLimits,
  ...datasetLanding,
})
export type RestDataset = z.infer<typeof RestDataset>

const incrementalText = mapping({
  start: text
    .optional()
    .describe('What `{since}` is the first time: a date or an instant. Default: no `{since}` is sent.'),
  overlap: duration.optional().describe('How far `{since}` goes back behind the last window that succeeded.'),
  cursor: mapping({
    path: text.describe("Where it is in the body of the last page: `$.nextSyncToken`, `$['@odata.deltaLink']`."),
    link: z.boolean().optional().describe("It is the address of the next window's first request."),
    ...spotText('it in the next window'),
  })
    .optional()
    .describe('What the server tells at the end, and wants to be told the next time, in place of `{since}`.'),
})

export const RestDatasetText = mapping({
  path: mayBeSecret(text, 'path')
    .optional()
    .describe('Path below the base URL. `{users.id}` stands for a column of another dataset, row by row.'),
  method: z.enum(['GET', 'POST']).optional().describe('Default: `GET`; `POST` where there is a `body`.'),
  query: z
    .record(text, mayBeSecret(z.union([z.string(), z.number(), z.boolean()]).transform(String), 'queryParameter'))
    .optional()
    .describe("Query parameters; `{window.start}` and `{window.end}` stand for the window's instants."),
  body: z
    .record(text, mayBeSecret(z.json(), 'bodyField'))
    .optional()
    .describe('What a POST sends. Its texts may hold placeholders.'),
  bodyFormat: z.enum(['json', 'form']).optional().describe('How it is written. Default: `json`.'),
  format: z
    .enum(['auto', 'json', 'ndjson', 'csv', 'xml'])
    .optional()
    .describe('How answers are written. Default: `auto`, by their content type.'),
  delimiter: oneCharacter.optional().describe('Of CSV answers. Default: found out.'),
  records: text.optional().describe('Where the records are in the body: any JSONPath. Default: `$`, the body itself.'),
  recordKey: text
    .optional()
    .describe('`records` is an object whose values are the records; its names go into this column.'),
  failure: mapping({
    present: text.optional().describe('A body that has something here says that it failed: `$.error`.'),
    unless: mapping({ path: text, is: z.union([z.string(), z.number(), z.boolean(), z.null()]) })
      .optional()
      .describe('A body that does not have this value here failed: `{ path: $.status, is: ok }`.'),
    retry: z.boolean().optional().describe('Whether a later attempt asks again. Default: true.'),
  })
    .optional()
    .describe('How an answer of status 200 says that it is an error.'),
  pagination: RestPaginationText.optional().describe('How one gets to the next page. Default: there is one.'),
  incremental: z
    .union([z.literal(true), incrementalText])
    .optional()
    .describe('Requests have `{since}`: where the last window that succeeded ended.'),
  read: mapping({ nulls }).optional(),
  ...datasetLimitsText,
  ...landingText,
  ...commonDataset,
})

export type RestDatasetText = z.infer<typeof RestDatasetText>

/** Validates a dataset's requests and the parsing of its responses, and fills in defaults. */
export function readRestDataset(name: string, rest: RestDatasetText, place: SourcePlace): RestDataset {
  const { body, bodyFormat = 'json', format = 'auto', records = '$', delimiter, recordKey } = rest
  const method = rest.method ?? (body === undefined ? 'GET' : 'POST')
  checkJsonPath(records, { single: false }, at(place, 'records'))
  checkRequest(rest, method, place)
  checkSecrets(rest, place)
  const incremental = readIncremental(rest, place)
  const failure = readFailure(rest, place)
  return {
    name,
    path: rest.path ?? '',
    method,
    query: rest.query ?? {},
    ...(body === undefined ? {} : { body }),
    bodyFormat,
    format,
    ...(delimiter === undefined ? {} : { delimiter }),
    records,
    ...(recordKey === undefined ? {} : { recordKey }),
    ...(failure === undefined ? {} : { failure }),
    pagination: readRestPagination(rest.pagination, method === 'POST', at(place, 'pagination')),
    ...(incremental === undefined ? {} : { incremental }),
  }
}

const at = (place: SourcePlace, ...steps: (string | number)[]): SourcePlace => ({
  ...place,
  path: [...place.path, ...steps],
})

function readFailure({ failure }: RestDatasetText, place: SourcePlace): RestDataset['failure'] {
  if (failure === undefined) return undefined
  const { present, unless, retry = true } = failure
  if (present === undefined && unless === undefined) {
    place.problems.error(
      place.text.at([...place.path, 'failure']),
      '`failure` does not say what a failed answer looks like',
      'add `present: $.error`, or `unless: { path: $.status, is: ok }`',
    )
  }
  if (present !== undefined) checkJsonPath(present, { single: true }, at(place, 'failure', 'present'))
  if (unless !== undefined) checkJsonPath(unless.path, { single: true }, at(place, 'failure', 'unless', 'path'))
  return {
    ...(present === undefined ? {} : { present }),
    ...(unless === undefined ? {} : { unless }),
    retry,
  }
}

function checkRequest(
  { query = {}, body, bodyFormat, path = '' }: RestDatasetText,
  method: string,
  place: SourcePlace,
): void {
  const { text, problems } = place
  checkWindowPlaceholders(withoutParentFields(path), 'the path', at(place, 'path'))
  for (const [name, value] of Object.entries(query)) {
    checkWindowPlaceholders(value, 'a query parameter', at(place, 'query', name))
  }
  for (const { value, path: steps } of textsIn(body ?? {}, [])) {
    checkWindowPlaceholders(value, 'the body', at(place, 'body', ...steps))
  }
  if (body !== undefined && method === 'GET') {
    problems.error(text.at([...place.path, 'body']), 'a GET has no body', 'say `method: POST`, or use `query`')
  }
  if (bodyFormat !== 'form') return
  for (const [name, value] of Object.entries(body ?? {})) {
    if (typeof value !== 'object' || value === null) continue
    problems.error(
      text.at([...place.path, 'body', name]),
      `the field \`${name}\` of a form is no text`,
      'write a text or a number, or say `bodyFormat: json`',
    )
  }
}

/** Reports literal secrets in the pipeline's text. */
function checkSecrets({ query = {}, body = {}, path = '' }: RestDatasetText, place: SourcePlace): void {
  const { text, problems } = place
  const report = (steps: readonly (string | number)[], what: string) =>
    problems.error(text.at([...place.path, ...steps]), `${what} has its secret in the text`, AS_SECRET)
  const isSecret = (name: unknown, value: string) =>
    typeof name === 'string' && isSecretField(name) && value !== '' && !value.includes('${')
  for (const [name, value] of Object.entries(query)) {
    if (isSecret(name, value)) report(['query', name], `the query parameter \`${name}\``)
  }
  for (const [name, value] of new URLSearchParams(path.split('?')[1] ?? '')) {
    if (isSecret(name, value)) report(['path'], `the query parameter \`${name}\``)
  }
  for (const { value, path: steps } of textsIn(body, [])) {
    if (isSecret(steps.at(-1), value)) report(['body', ...steps], `the field \`${steps.at(-1)}\` of the body`)
  }
}

function readIncremental(rest: RestDatasetText, place: SourcePlace): RestDataset['incremental'] {
  const { incremental, query, body, path = '' } = rest
  const { text, problems } = place
  const texts = [...Object.values(query ?? {}), ...[...textsIn(body ?? {}, [])].map(({ value }) => value), path]
  const isAsked = texts.some(asksForSince)
  if (incremental === undefined) {
    if (isAsked) problems.error(text.at(place.path), '`{since}` stands for nothing', 'add `incremental: true`')
    return undefined
  }
  if (!isAsked && (incremental === true || incremental.cursor === undefined)) {
    problems.error(
      text.at([...place.path, 'incremental']),
      'no request asks for `{since}`',
      "put it where the API wants it: `query: { updated_after: '{since}' }`",
    )
  }
  const { start, overlap, cursor } = incremental === true ? {} : incremental
  if (cursor !== undefined) return { overlapMs: 0, cursor: readRestCursor(rest, cursor, isAsked, place) }
  const instant = start === undefined ? undefined : instantOf(start)
  if (start !== undefined && instant === undefined) {
    problems.error(
      text.at([...place.path, 'incremental', 'start']),
      `'${start}' is neither a date nor an instant`,
      'expected `2020-01-01` or `2020-01-01T00:00:00Z`',
    )
  }
  if (start === undefined && asksForSince(path)) {
    problems.error(
      text.at([...place.path, 'path']),
      'the path has `{since}`, and the first time there is none',
      "say what it is then: `incremental: { start: '2020-01-01' }`",
    )
  }
  return {
    ...(instant === undefined ? {} : { start: instant }),
    overlapMs: overlap === undefined ? 0 : durationMs(overlap),
  }
}

/** A date means its midnight in UTC. */
function instantOf(text: string): string | undefined {
  if (!/^\d{4}-\d{2}-\d{2}(?:T\d{2}:\d{2}:\d{2}Z)?$/.test(text)) return undefined
  const time = Date.parse(text)
  return Number.isNaN(time) ? undefined : `${new Date(time).toISOString().slice(0, 19)}Z`
}

type Text = { readonly value: string; readonly path: readonly (string | number)[] }

function* textsIn(value: unknown, path: readonly (string | number)[]): Generator<Text> {
  if (typeof value === 'string') yield { value, path }
  if (typeof value !== 'object' || value === null) return
  for (const [key, child] of Object.entries(value)) {
    yield* textsIn(child, [...path, Array.isArray(value) ? Number(key) : key])
  }
}

type CursorText = NonNullable<Exclude<RestDatasetText['incremental'], true | undefined>['cursor']>

/**
 * Validates the cursor that is kept from a window's last page for the next window.
 * @param isAsked whether a request contains `{since}` as well
 */
function readRestCursor(rest: RestDatasetText, cursor: CursorText, isAsked: boolean, place: SourcePlace): RestCursor {
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

/** A placeholder for a part of the run's window or for the cursor: `{window.start}`, `{since:unix}`, `{window.end:yyyy-MM-dd}`. */
const KNOWN =
  /^\{(?:(?:window\.(?:start|end)|since|until)(?::(?:unix|unixMs|[^{}]*(?:yyyy|MM|dd|HH|mm|ss)[^{}]*))?|window\.(?:date|lastDate|label))\}$/

/** Any text that looks like a placeholder. JSON and GraphQL have braces too, with blanks, quotes or colons in them. */
const CANDIDATE = /\{[A-Za-z_][\w.]*(?::[^{}]*)?\}/g

/** Whether a text contains `{since}`. */
const asksForSince = (text: string) => /\{since(?::[^{}]*)?\}/.test(text)

/** Reports texts that look like a placeholder of the window and are invalid. */
function checkWindowPlaceholders(value: string, what: string, { text, path, problems }: SourcePlace): void {
  for (const [form] of withoutPlaceholders(value).matchAll(CANDIDATE)) {
    if (KNOWN.test(form)) continue
    problems.error(
      text.at(path),
      `unknown part \`${form}\` in ${what}`,
      'expected `{window.start}` or `{window.end}`, `{window.date}`, `{since}` or `{until}`, with a format as in `{window.start:yyyy-MM-dd}` or `{since:unix}`',
    )
  }
}
