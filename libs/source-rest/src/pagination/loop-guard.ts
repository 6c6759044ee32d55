import { createHash } from 'node:crypto'
import type { RestPagination } from '../config/index.ts'
import { type RequestPlace, restErrors } from '../errors.ts'
import type { JsonObject } from '@cinelake/json-rows'
import type { PageRequest } from '../http/page-request.ts'

/**
 * Sees pages that go round in a circle: the same request again, or the same page under another address. A page is the same
 * also when only what is around its records differs: the time of the answer, the number of the request.
 */
export function createLoopGuard(pagination: RestPagination) {
  const asked = new Set<string>()
  const read = new Set<string>()
  const outlines = new Set<string>()
  /** Digests of all records: made only once two pages looked alike, since they cost more than the rest. */
  let alike: Set<string> | undefined
  // Values are told by the pipeline, and several of them may well have the same records.
  const comparesPages = pagination.type !== 'none' && pagination.type !== 'range' && pagination.samePage === 'fail'
  return {
    /** @throws {REST_PAGE_LOOP} terminal */
    asking({ url, method, headers, body }: PageRequest, place: RequestPlace): void {
      const request = digestOf(JSON.stringify([method, url.href, body?.().text, headers]))
      if (asked.has(request)) {
        throw restErrors.REST_PAGE_LOOP(place, 'expected a page that was not read yet, got one that was')
      }
      asked.add(request)
    },
    /** @throws {REST_PAGE_LOOP} terminal */
    answered(body: Uint8Array, records: readonly JsonObject[], place: RequestPlace): void {
      if (!comparesPages || records.length === 0) return
      const page = digestOf(body)
      if (read.has(page)) {
        throw restErrors.REST_PAGE_LOOP(place, 'expected another page than before, got the same one, byte for byte')
      }
      read.add(page)
      const outline = digestOf(JSON.stringify([records.length, records[0], records.at(-1)]))
      if (outlines.has(outline)) alike ??= new Set()
      outlines.add(outline)
      if (alike === undefined) return
      const all = digestOf(JSON.stringify(records))
      if (alike.has(all)) {
        throw restErrors.REST_PAGE_LOOP(
          place,
          'expected other records than before, got the same ones, in the same order',
        )
      }
      alike.add(all)
    },
  }
}

function digestOf(content: string | Uint8Array): string {
  return createHash('sha256').update(content).digest('base64')
}
