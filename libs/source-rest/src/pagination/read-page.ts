import type { Answer } from '../http/send-request.ts'
import type { JsonValue } from '@cinelake/json-rows'

/** A page that was read, as far as pagination depends on it. */
export type ReadPage = {
  /** Its address, after redirects. */
  readonly url: URL
  readonly status: number
  readonly headers: Answer['headers']
  readonly body: JsonValue
  /** Number of its own records. */
  readonly recordCount: number
}
