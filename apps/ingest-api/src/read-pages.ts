import { createHash } from 'node:crypto'
import type { RestDataset } from '@cinelake/pipeline'
import {
  RestBodyError,
  RestPageLoopError,
  RestRecordError,
  RestRecordsMissingError,
  type RequestPlace,
} from './errors.ts'
import { parseJsonPath, valueAt } from './json-path.ts'
import { describeSyntaxError, isObject, parseJson, type JsonObject, type JsonValue } from './json-text.ts'
import { firstPage, nextPage } from './pagination.ts'
import type { DatasetAddress } from './request-address.ts'
import { requestPage, type Requests } from './request-page.ts'
import type { Answer } from './send-request.ts'

export type RecordPage = {
  readonly place: RequestPlace
  readonly records: readonly JsonObject[]
  readonly sizeBytes: number
}

/**
 * The pages of a dataset, one at a time and in order.
 * @throws {RestPageLoopError} terminal: a page leads back to one that was read, or is the same as the one before
 */
export async function* readPages(
  source: string,
  dataset: RestDataset,
  { first, show }: DatasetAddress,
  requests: Requests,
): AsyncGenerator<RecordPage> {
  const visited = new Set<string>()
  let before: string | undefined
  let url: URL | undefined = firstPage(dataset.pagination, first)
  for (let number = 1; url !== undefined; number += 1) {
    const place: RequestPlace = { source, dataset: dataset.name, address: show(url), page: number }
    if (visited.has(url.href))
      throw new RestPageLoopError(place, 'expected a page that was not read yet, got one that was')
    visited.add(url.href)

    const answer = await requestPage(url, place, requests)
    const body = parseBody(answer, place)
    const records = recordsIn(body, dataset, place)
    const digest = digestOf(answer.body)
    if (records.length > 0 && digest === before) {
      throw new RestPageLoopError(place, 'expected another page than before, got the same one, byte for byte')
    }
    before = digest
    yield { place, records, sizeBytes: answer.body.byteLength }
    url = nextPage(dataset.pagination, first, { number, url: answer.url, body, recordCount: records.length }, place)
  }
}

function parseBody(answer: Answer, place: RequestPlace): JsonValue {
  if (answer.status === 204 || answer.status === 205) return null
  const text = decodeBody(answer, place)
  try {
    return parseJson(text)
  } catch (error) {
    if (!(error instanceof SyntaxError || error instanceof RangeError)) throw error
    // Without cause: the parser quotes what it read.
    throw new RestBodyError(place, `${describeSyntaxError(error, text.length)}${typeNote(answer)}`)
  }
}

function decodeBody(answer: Answer, place: RequestPlace): string {
  const [, charset = 'utf-8'] = /charset="?([^";]+)/i.exec(answer.headers.get('content-type') ?? '') ?? []
  try {
    return new TextDecoder(charset, { fatal: true }).decode(answer.body)
  } catch (error) {
    const isUnknown = error instanceof RangeError
    throw new RestBodyError(
      place,
      isUnknown ? `the unknown character set ${charset}` : `bytes that are not ${charset}${typeNote(answer)}`,
    )
  }
}

/** What the server says that it sent, when that is not JSON. */
function typeNote({ headers }: Answer): string {
  const [type = ''] = (headers.get('content-type') ?? '').split(';')
  return type === '' || /[/+]json$/i.test(type.trim()) ? '' : ` (${type.trim()})`
}

function recordsIn(body: JsonValue, { records: path, pagination }: RestDataset, place: RequestPlace): JsonObject[] {
  const found = valueAt(body, parseJsonPath(path))
  // Some servers write an empty list as null; 204 has no body at all.
  if (body === null || found === null) return []
  if (isObject(found) && pagination.type === 'none') return [found]
  if (!Array.isArray(found)) {
    throw new RestRecordsMissingError(place, path, kindOf(found), isObject(body) ? Object.keys(body).slice(0, 10) : [])
  }
  return found.map((record: JsonValue, index) => {
    if (isObject(record)) return record
    throw new RestRecordError(place, index + 1, `expected an object, got ${kindOf(record)}`)
  })
}

function kindOf(value: JsonValue | undefined): string {
  if (value === undefined) return 'nothing'
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'an array'
  if (isObject(value)) return 'an object'
  return typeof value === 'string' ? 'a text' : typeof value === 'boolean' ? 'true or false' : 'a number'
}

function digestOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('base64')
}
