import { CancelledError, type Clock, type Log, PipelineError } from '@cinelake/core'
import type { StatusActions } from '../config/index.ts'
import type { Credentials } from '../auth/credentials.ts'
import { requestErrors, type RequestPlace, restErrors, RestRefusedError, RestUnauthorizedError } from '../errors.ts'
import type { Limiter } from './limiter.ts'
import type { PageRequest, SignedRequest } from './page-request.ts'
import { actionFor, backoffMs, retryAfterMs, usedUpMs } from './retry-rules.ts'
import { type Answer, sendRequest } from './send-request.ts'
import type { Transport } from './transport.ts'

/** Milliseconds. A worker that waits longer delays other tasks; a later attempt does not. */
const LONGEST_WAIT_MS = 120_000

/** How the requests of one task are made. */
export type Requests = {
  readonly credentials: Credentials
  readonly transport: Transport
  /** The limits shared by all requests of the source. */
  readonly limiter: Limiter
  /** The origin that the pipeline's text names. */
  readonly trustedOrigin: string
  readonly statuses: StatusActions
  /** Retries of one request. */
  readonly maxRetries: number
  /** Remaining retries of all requests of the task. */
  readonly retries: { readonly budget: number; spent: number }
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

/** A failed try that may be repeated: the reason, and the wait that the server requests. */
type Failure = { readonly reason: string; readonly waitMs?: number | undefined; readonly cause?: unknown }

/** The substitute for a response that is to be ignored: no content. */
const NOTHING = { status: 204, body: Buffer.alloc(0) }

/**
 * Requests one page by the rules of HTTP: temporary errors are retried after a wait, permanent ones are not. After a refused
 * credential the secrets are refreshed once, in case it was rotated. The pipeline's text may override this by status.
 * @returns a response to be parsed; status 204 without a body for an ignored one
 */
export async function requestPage(request: PageRequest, place: RequestPlace, requests: Requests): Promise<Answer> {
  let isRefreshed = false
  for (let retry = 0; ;) {
    const signed = await requests.credentials.sign(request)
    const result = await tryRequest(signed, place, requests)
    if ('status' in result) {
      const action =
        usedUp(result, requests) === undefined
          ? actionFor(result.status, requests.statuses, requests.credentials.refusedWith)
          : 'retry'
      if (action === 'accept') return result
      if (action === 'ignore') return { ...result, ...NOTHING }
      if (action === 'fail') throw refusalOf(signed, result) ?? new RestRefusedError(place, result.status)
      if (action === 'refresh') {
        await refresh(signed, result, isRefreshed, place, requests)
        isRefreshed = true
        continue
      }
    }
    await waitToRepeat('status' in result ? failureOf(result, requests) : result, retry, place, requests)
    retry += 1
  }
}

/** Some servers answer 403 when they mean 429: then they also send a wait time. */
function usedUp({ status, headers }: Answer, { clock }: Requests): number | undefined {
  return status === 403 || status === 429 ? usedUpMs(headers, clock()) : undefined
}

const refusalOf = ({ refused }: SignedRequest, { status, body }: Answer) => refused?.(status, body)

async function refresh(
  signed: SignedRequest,
  result: Answer,
  isRefreshed: boolean,
  place: RequestPlace,
  { credentials, log }: Requests,
): Promise<void> {
  const { status } = result
  if (isRefreshed || !(await credentials.refresh(signed))) {
    const own = refusalOf(signed, result)
    throw own ?? (status === 401 ? new RestUnauthorizedError(place) : new RestRefusedError(place, status))
  }
  log.info({ ...place, status }, 'credentials were refused and are looked up again')
}

async function tryRequest(request: SignedRequest, place: RequestPlace, requests: Requests): Promise<Answer | Failure> {
  const { signal, timeoutMs, limiter, clock } = requests
  const beforeWait = () => {
    if (limiter.restMs > LONGEST_WAIT_MS) throw restErrors.REST_RATE_LIMITED(place, limiter.restMs)
  }
  using _turn = await limiter.turn(signal, beforeWait).catch((error: unknown) => {
    throw error instanceof PipelineError ? error : new CancelledError(`asking for ${place.address}`, { cause: error })
  })
  const timeout = AbortSignal.timeout(timeoutMs)
  try {
    const answer = await sendRequest(request, { ...requests, place, signal: AbortSignal.any([signal, timeout]) })
    const isUsedUp = answer.status >= 200 && answer.status < 300 ? usedUpMs(answer.headers, clock()) : undefined
    if (isUsedUp !== undefined) limiter.rest(isUsedUp)
    return answer
  } catch (error) {
    if (error instanceof PipelineError) throw error
    if (signal.aborted) throw new CancelledError(`asking for ${place.address}`, { cause: error })
    if (timeout.aborted) return { reason: `nothing within ${timeoutMs} ms` }
    return networkFailure(error, place)
  }
}

/** The reason is in the error's code, or in that of its causes. */
function networkFailure(error: unknown, place: RequestPlace): Failure {
  for (const each of causesOf(error)) if (each instanceof PipelineError) throw each
  const proxyStatus = [...causesOf(error)].map(proxyStatusOf).find((found) => found !== undefined)
  if (proxyStatus !== undefined) {
    if (actionFor(proxyStatus, {}) !== 'retry')
      throw requestErrors.REST_PROXY_REFUSED(place, proxyStatus, { cause: error })
    return { reason: `status ${proxyStatus} of the proxy`, cause: error }
  }
  const code = [...causesOf(error)].map(networkCodeOf).find((found) => found !== undefined)
  if (code === undefined) throw error
  if (/CERT|SELF_SIGNED|UNABLE_TO_|^ERR_TLS|^ERR_SSL/.test(code))
    throw restErrors.REST_TLS_REFUSED(place, code, { cause: error })
  return { reason: code, cause: error }
}

/** The status with which a proxy refused; undici has it in its message only. */
function proxyStatusOf({ message }: Error): number | undefined {
  const [, tunnel, open] = /^Proxy response \((\d{3})\)|^Proxy Authentication Required \((\d{3})\)/.exec(message) ?? []
  const status = tunnel ?? open
  return status === undefined ? undefined : Number(status)
}

function* causesOf(error: unknown): Generator<Error> {
  for (let at = error, depth = 0; at instanceof Error && depth < 5; at = at.cause, depth += 1) {
    yield at
    // A connection that was tried to several addresses.
    if (at instanceof AggregateError) for (const each of at.errors) if (each instanceof Error) yield each
  }
}

function networkCodeOf(error: Error): string | undefined {
  return 'code' in error && typeof error.code === 'string' ? error.code : undefined
}

function failureOf(answer: Answer, requests: Requests): Failure {
  const asked = retryAfterMs(answer.headers.get('retry-after'), requests.clock())
  return { reason: `status ${answer.status}`, waitMs: asked ?? usedUp(answer, requests) }
}

async function waitToRepeat(
  { reason, waitMs, cause }: Failure,
  retry: number,
  place: RequestPlace,
  { maxRetries, retries, limiter, random, pause, log, signal }: Requests,
): Promise<void> {
  if (retry >= maxRetries) throw restErrors.REST_UNAVAILABLE(place, reason, retry + 1, { cause })
  if (waitMs !== undefined && waitMs > LONGEST_WAIT_MS) throw restErrors.REST_RATE_LIMITED(place, waitMs)
  if (retries.spent >= retries.budget) throw requestErrors.REST_RETRIES_SPENT(place, reason, retries.budget)
  retries.spent += 1
  // The server's wait time has priority; jitter prevents clients with the same wait from returning at once.
  const wait = waitMs === undefined ? backoffMs(retry, random()) : waitMs + Math.round(random() * 250)
  log.info({ ...place, reason, waitMs: wait, retry: retry + 1 }, 'request is repeated')
  // A wait that the server requests applies to all requests of the source.
  if (waitMs !== undefined) limiter.rest(wait)
  else await pause(wait, signal)
}
