/** Milliseconds before the first repetition of a request, doubled for each further one. */
const FIRST_BACKOFF_MS = 500
const MAX_BACKOFF_MS = 30_000

/** Statuses that mean "not now": timeout, too early, too many requests, and everything that went wrong on the server. */
export function isPassing(status: number): boolean {
  return status === 408 || status === 425 || status === 429 || status >= 500
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
