import type { RestDataset } from '../checked/rest-source.ts'
import { AS_SECRET } from './check-shape.ts'
import { durationMs } from './duration.ts'
import { checkJsonPath } from './json-path.ts'
import { readRestCursor } from './read-rest-cursor.ts'
import { readRestPagination } from './read-rest-pagination.ts'
import { withoutParentFields } from './read-rest-landing.ts'
import { asksForSince, checkWindowPlaceholders } from './rest-placeholders.ts'
import type { RestDatasetText } from './rest-source-schema.ts'
import { isSecretField } from './secret-names.ts'
import type { SourcePlace } from './source-place.ts'

/** Checks what a dataset asks for and how its answers are read, and puts in defaults. */
export function readRestDataset(name: string, rest: RestDatasetText, place: SourcePlace): RestDataset {
  const { body, bodyFormat = 'json', format = 'auto', records = '$', delimiter, recordKey } = rest
  const method = rest.method ?? (body === undefined ? 'GET' : 'POST')
  checkJsonPath(records, { single: false }, at(place, 'records'))
  checkRequest(rest, method, place)
  checkSecrets(rest, place)
  const incremental = readIncremental(rest, place)
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
    pagination: readRestPagination(rest.pagination, method === 'POST', at(place, 'pagination')),
    ...(incremental === undefined ? {} : { incremental }),
  }
}

const at = (place: SourcePlace, ...steps: (string | number)[]): SourcePlace => ({
  ...place,
  path: [...place.path, ...steps],
})

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

/** Reports secrets in what people share. */
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

/** A date is its midnight in UTC. */
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
