import { setTimeout as pause } from 'node:timers/promises'
import { RestError } from '@azure/storage-blob'
import { cancelled, codeOf, CutAnswer, DamagedAnswer, statusOf } from './errors.ts'
import type { AdlsTuning, Call } from './container.ts'

type Delays = Pick<AdlsTuning, 'retryDelayMs' | 'maxRetryDelayMs'>

/**
 * Makes the runner of single calls. The SDK itself retries after 500, 503 and network errors; this retries after what
 * the SDK passes on: 429, a checksum mismatch, a truncated answer (which the SDK mistakes for a cancellation by the
 * caller) and a server that does not answer at all.
 *
 * @param timeoutMs for one call with all retries of the SDK
 * @param passes which errors are temporary
 * @throws {CancelledError} the signal was aborted
 */
export function createCall(
  tuning: Delays & Pick<AdlsTuning, 'maxTries'>,
  timeoutMs: number,
  passes: (error: unknown) => boolean = isLeftBySdk,
): Call {
  return async (signal, call) => {
    for (let tries = 1; ; tries += 1) {
      if (isAborted(signal)) throw cancelled('a call to the lake', signal?.reason)
      using limit = timeLimit(timeoutMs, signal)
      try {
        return await call(limit.signal)
      } catch (error) {
        if (isAborted(signal)) throw cancelled('a call to the lake', error)
        if (tries >= tuning.maxTries || !(limit.isOver() || passes(error))) throw error
        await pause(delayBefore(error, tries, tuning), undefined, signal === undefined ? {} : { signal }).catch(
          (reason: unknown) => {
            throw cancelled('a call to the lake', reason)
          },
        )
      }
    }
  }
}

function isAborted(signal: AbortSignal | undefined): boolean {
  return signal?.aborted === true
}

function timeLimit(milliseconds: number, signal: AbortSignal | undefined) {
  const controller = new AbortController()
  const timer = setTimeout(() => controller.abort(), milliseconds)
  return {
    signal: signal === undefined ? controller.signal : AbortSignal.any([signal, controller.signal]),
    isOver: () => controller.signal.aborted,
    [Symbol.dispose]: () => clearTimeout(timer),
  }
}

function isLeftBySdk(error: unknown): boolean {
  if (error instanceof DamagedAnswer || error instanceof CutAnswer) return true
  if (error instanceof Error && error.name === 'AbortError') return true
  if (statusOf(error) === 429) return true
  const code = codeOf(error)
  return code === 'Md5Mismatch' || code === 'Crc64Mismatch' || code === RestError.PARSE_ERROR
}

/** For calls without SDK retries: also retries what the SDK would have retried. */
export function isPassing(error: unknown): boolean {
  if (isLeftBySdk(error)) return true
  const status = statusOf(error)
  return error instanceof RestError && (status === undefined || status === 408 || status >= 500)
}

/** Exponential backoff, unless the server sends a delay. */
function delayBefore(error: unknown, tries: number, { retryDelayMs, maxRetryDelayMs }: Delays): number {
  const asked = error instanceof RestError ? Number(error.response?.headers.get('retry-after')) * 1000 : NaN
  if (asked > 0) return Math.min(asked, maxRetryDelayMs)
  return tries === 1 ? 0 : Math.min(retryDelayMs * 2 ** (tries - 2), maxRetryDelayMs)
}
