import { createHash } from 'node:crypto'
import type { RestPagination } from '@cinelake/pipeline'
import { RestPageLoopError, type RequestPlace } from '../errors.ts'
import type { PageRequest } from '../requests/page-request.ts'

/** Sees pages that go round in a circle: the same request again, or the same page under another address. */
export function createLoopGuard(pagination: RestPagination) {
  const asked = new Set<string>()
  const read = new Set<string>()
  // Values are told by the pipeline, and several of them may well have the same records.
  const comparesPages = pagination.type !== 'none' && pagination.type !== 'range' && pagination.samePage === 'fail'
  return {
    /** @throws {RestPageLoopError} terminal */
    asking({ url, method, body }: PageRequest, place: RequestPlace): void {
      const request = digestOf(JSON.stringify([method, url.href, body?.().text]))
      if (asked.has(request)) {
        throw new RestPageLoopError(place, 'expected a page that was not read yet, got one that was')
      }
      asked.add(request)
    },
    /** @throws {RestPageLoopError} terminal */
    answered(body: Uint8Array, recordCount: number, place: RequestPlace): void {
      if (!comparesPages || recordCount === 0) return
      const page = digestOf(body)
      if (read.has(page)) {
        throw new RestPageLoopError(place, 'expected another page than before, got the same one, byte for byte')
      }
      read.add(page)
    },
  }
}

function digestOf(content: string | Uint8Array): string {
  return createHash('sha256').update(content).digest('base64')
}
