import type { Answer } from '../http/send-request.ts'
import type { JsonValue } from '@cinelake/json-rows'

/** A page that was read, as far as the way to the next one depends on it. */
export type ReadPage = {
  /** Where it was found, after redirects. */
  readonly url: URL
  readonly status: number
  readonly headers: Answer['headers']
  readonly body: JsonValue
  /** Its own. */
  readonly recordCount: number
}
