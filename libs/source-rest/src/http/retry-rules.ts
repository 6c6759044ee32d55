import type { StatusAction, StatusActions } from '../config/index.ts'

/** Milliseconds before the first repetition of a request, doubled for each further one. */
const FIRST_BACKOFF_MS = 500
const MAX_BACKOFF_MS = 30_000

/** Repetitions of all requests of one task. Some in a hundred of ten thousand pages are a bad day; more are an outage. */
export const DEFAULT_RETRY_BUDGET = 500

/** What is done with an answer. `accept`: it is read. */
export type Action = StatusAction | 'accept'

/**
 * What is done on a status: what the pipeline's text says of it, then what it says of its group (`5xx`), then what HTTP
 * means by it: "not now" is a timeout, too early, too many requests, and everything that went wrong on the server.
 */
export function actionFor(status: number, actions: StatusActions): Action {
  const told = actions[String(status)] ?? actions[`${Math.floor(status / 100)}xx`]
  if (told !== undefined) return told
  if (status >= 200 && status < 300) return 'accept'
  if (status === 401) return 'refresh'
  return status === 408 || status === 425 || status === 429 || status >= 500 ? 'retry' : 'fail'
}

/**
 * How long to wait before a request is repeated: somewhere in the upper half of a doubling span, so that clients that
 * failed together do not come back together.
 * @param retry 0 for the first repetition
 * @param random in [0, 1)
 */
export function backoffMs(retry: number, random: number): number {
  const span = Math.min(MAX_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** retry)
  return Math.round(span / 2 + (span / 2) * random)
}

/**
 * What a `Retry-After` header asks for, in milliseconds from now: it holds seconds or a date.
 * @returns undefined where there is none, or none that can be understood
 */
export function retryAfterMs(header: string | null, now: Date): number | undefined {
  const text = header?.trim() ?? ''
  if (/^\d+$/.test(text)) return Number(text) * 1000
  // Three forms of date, all of which begin with the name of a day. Source: RFC 9110, 5.6.7 and 10.2.3
  const date = /^[A-Z][a-z]{2}/.test(text) ? Date.parse(text) : Number.NaN
  return Number.isNaN(date) ? undefined : Math.max(0, date - now.getTime())
}
