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
