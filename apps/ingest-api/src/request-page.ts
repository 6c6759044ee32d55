import { CancelledError, PipelineError, type Clock, type Log } from '@cinelake/core'
import type { Credentials } from './credentials.ts'
import {
  RestRateLimitedError,
  RestRefusedError,
  RestTlsError,
  RestUnauthorizedError,
  RestUnavailableError,
  type RequestPlace,
} from './errors.ts'
import { backoffMs, isPassing, retryAfterMs } from './retry-rules.ts'
import { sendRequest, type Answer } from './send-request.ts'

/** Milliseconds. A worker that waits longer holds up others; a later attempt does not. */
const LONGEST_WAIT_MS = 120_000

export type Requests = {
  readonly credentials: Credentials
  /** Repetitions of one request. */
  readonly maxRetries: number
  /** For one try, from the first byte sent to the last received. */
  readonly timeoutMs: number
  readonly maxBodyBytes: number
  readonly clock: Clock
  /** In [0, 1). */
  readonly random: () => number
  /** Resolves after so many milliseconds; rejects when the signal is aborted. */
  readonly pause: (waitMs: number, signal: AbortSignal) => Promise<void>
  readonly log: Log
  readonly signal: AbortSignal
}

/** A try that may be repeated: why it failed, and how long the server asks to wait. */
type Failure = { readonly reason: string; readonly waitMs?: number | undefined; readonly cause?: unknown }

/**
 * Gets one page, as HTTP wants it: what is "not now" is asked for again after a while, what is "no" is not. A refused
 * credential is looked up once more, in case that it was changed.
 */
export async function requestPage(url: URL, place: RequestPlace, requests: Requests): Promise<Answer> {
  let isRefreshed = false
  for (let retry = 0; ;) {
    const result = await tryRequest(url, place, requests)
    if ('status' in result && !isPassing(result.status)) {
      if (result.status !== 401) return successful(result, place)
      if (isRefreshed || !(await requests.credentials.refresh())) throw new RestUnauthorizedError(place)
      requests.log.info({ ...place }, 'credentials were refused and are looked up again')
      isRefreshed = true
      continue
    }
    const failure = 'status' in result ? failureOf(result, requests.clock()) : result
    await waitToRepeat(failure, retry, place, requests)
    retry += 1
  }
}

function successful(answer: Answer, place: RequestPlace): Answer {
  if (answer.status >= 200 && answer.status < 300) return answer
  throw new RestRefusedError(place, answer.status)
}

async function tryRequest(url: URL, place: RequestPlace, requests: Requests): Promise<Answer | Failure> {
  const { signal, timeoutMs, maxBodyBytes, credentials } = requests
  const headers = await credentials.headers()
  const timeout = AbortSignal.timeout(timeoutMs)
  try {
    return await sendRequest(url, { headers, place, maxBodyBytes, signal: AbortSignal.any([signal, timeout]) })
  } catch (error) {
    if (error instanceof PipelineError) throw error
    if (signal.aborted) throw new CancelledError(`asking for ${place.address}`, { cause: error })
    if (timeout.aborted) return { reason: `nothing within ${timeoutMs} ms` }
    return networkFailure(error, place)
  }
}

/** `fetch` says "fetch failed" or "terminated"; what happened is in the causes. */
function networkFailure(error: unknown, place: RequestPlace): Failure {
  const code = codeOf(error)
  if (code === undefined && !(error instanceof TypeError && error.cause !== undefined)) throw error
  if (code !== undefined && /CERT|SELF_SIGNED|UNABLE_TO_|^ERR_TLS|^ERR_SSL/.test(code)) {
    throw new RestTlsError(place, code, { cause: error })
  }
  return { reason: code ?? 'a connection that broke', cause: error }
}

function codeOf(error: unknown): string | undefined {
  for (let at = error, depth = 0; at instanceof Error && depth < 5; at = at.cause, depth += 1) {
    if ('code' in at && typeof at.code === 'string') return at.code
  }
  return undefined
}

function failureOf({ status, headers }: Answer, now: Date): Failure {
  return { reason: `status ${status}`, waitMs: retryAfterMs(headers.get('retry-after'), now) }
}

async function waitToRepeat(
  { reason, waitMs, cause }: Failure,
  retry: number,
  place: RequestPlace,
  { maxRetries, random, pause, log, signal }: Requests,
): Promise<void> {
  if (retry >= maxRetries) throw new RestUnavailableError(place, reason, retry + 1, { cause })
  if (waitMs !== undefined && waitMs > LONGEST_WAIT_MS) throw new RestRateLimitedError(place, waitMs)
  // The server knows best when it is ready; a little more keeps those it told the same from coming at once.
  const wait = waitMs === undefined ? backoffMs(retry, random()) : waitMs + Math.round(random() * 250)
  log.info({ ...place, reason, waitMs: wait, retry: retry + 1 }, 'request is repeated')
  await pause(wait, signal)
}
