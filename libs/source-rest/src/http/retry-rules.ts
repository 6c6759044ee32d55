import type { StatusAction, StatusActions } from '../config/index.ts'

/** Milliseconds before the first retry of a request, doubled for each further one. */
const FIRST_BACKOFF_MS = 500
const MAX_BACKOFF_MS = 30_000

/** Retries of all requests of one task. A few hundred among ten thousand pages are a bad day; more are an outage. */
export const DEFAULT_RETRY_BUDGET = 500

/** How a response is handled. `accept`: it is parsed. */
export type Action = StatusAction | 'accept'

/**
 * The action for a status: by the status in the pipeline's text, then by its group (`5xx`), then by the meaning in
 * HTTP: a timeout, too early, too many requests, and every server error are temporary.
 * @param refusedWith statuses other than 401 that mean: the credential was refused
 */
export function actionFor(status: number, actions: StatusActions, refusedWith: readonly number[] = []): Action {
  const told = actions[String(status)] ?? actions[`${Math.floor(status / 100)}xx`]
  if (told !== undefined) return told
  if (status >= 200 && status < 300) return 'accept'
  if (status === 401 || refusedWith.includes(status)) return 'refresh'
  return status === 408 || status === 425 || status === 429 || status >= 500 ? 'retry' : 'fail'
}

/**
 * How long to wait before a retry: random in the upper half of an exponential backoff, so that clients that
 * failed together do not return together.
 * @param retry 0 for the first retry
 * @param random in [0, 1)
 */
export function backoffMs(retry: number, random: number): number {
  const span = Math.min(MAX_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** retry)
  return Math.round(span / 2 + (span / 2) * random)
}

/**
 * The wait requested by a `Retry-After` header, in milliseconds from now: it contains seconds or a date.
 * @returns undefined if it is absent or cannot be parsed
 */
export function retryAfterMs(header: string | null, now: Date): number | undefined {
  const text = header?.trim() ?? ''
  if (/^\d+$/.test(text)) return Number(text) * 1000
  // Three date formats, all of which begin with the name of a day. Source: RFC 9110, 5.6.7 and 10.2.3
  const date = /^[A-Z][a-z]{2}/.test(text) ? Date.parse(text) : Number.NaN
  return Number.isNaN(date) ? undefined : Math.max(0, date - now.getTime())
}

/** From this value on a number is an instant, not a duration: seconds and milliseconds since 1970 (2001 and later). */
const EPOCH_SECONDS = 1e9
const EPOCH_MS = 1e12

/** Header names for the remaining requests and the reset time. Source: draft-ietf-httpapi-ratelimit-headers, and common practice */
const NAMES = [
  ['ratelimit-remaining', 'ratelimit-reset'],
  ['x-ratelimit-remaining', 'x-ratelimit-reset'],
  ['x-rate-limit-remaining', 'x-rate-limit-reset'],
] as const

/**
 * How long requests have to pause because a server's rate limit is used up, in milliseconds; undefined if it is not, or
 * if the headers cannot be parsed. Of several limits the longest wait counts.
 */
export function usedUpMs(headers: Headers, now: Date): number | undefined {
  const waits = NAMES.map(([remaining, reset]) =>
    Number(headers.get(remaining)?.trim() || Number.NaN) <= 0 ? resetMs(headers.get(reset), now) : undefined,
  )
  // The newer form: `"default";r=0;t=30`, one item per limit.
  for (const item of (headers.get('ratelimit') ?? '').split(',')) {
    const [, remaining] = /;\s*r=(\d+)/.exec(item) ?? []
    const [, seconds] = /;\s*t=(\d+)/.exec(item) ?? []
    if (remaining === '0' && seconds !== undefined) waits.push(Number(seconds) * 1000)
  }
  const known = waits.filter((wait) => wait !== undefined)
  return known.length === 0 ? undefined : Math.max(...known)
}

/** A duration in seconds, or an instant in seconds or milliseconds since 1970. */
function resetMs(header: string | null, now: Date): number | undefined {
  const text = header?.trim() ?? ''
  if (!/^\d+(?:\.\d+)?$/.test(text)) return undefined
  const value = Number(text)
  if (value < EPOCH_SECONDS) return Math.ceil(value * 1000)
  return Math.max(0, Math.ceil(value < EPOCH_MS ? value * 1000 : value) - now.getTime())
}
