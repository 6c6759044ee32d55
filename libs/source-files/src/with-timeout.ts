import { CancelledError } from '@cinelake/core'

/** Files processed concurrently: enough to hide the latency of a disk or a network, few enough to keep their blocks in memory. */
export const FILES_AT_ONCE = 16

/** Timeout in milliseconds of a disk or a share: far more than a slow network takes for one block. */
const ANSWER_MS = 120_000

/**
 * The result of a file system call with a timeout. Such a call cannot be cancelled, and never ends on a share that hangs;
 * the caller stops waiting for it after the timeout, or when the signal is aborted.
 * @param late receives a result that arrives afterwards, to close it
 * @throws {CancelledError} the signal was aborted
 * @throws an error of the file system with the code ETIMEDOUT
 */
export async function withTimeout<T>(
  call: Promise<T>,
  {
    signal,
    late,
    answerMs = ANSWER_MS,
  }: {
    readonly signal?: AbortSignal | undefined
    readonly late?: (result: T) => void
    readonly answerMs?: number
  } = {},
): Promise<T> {
  const over = Promise.withResolvers<never>()
  const noAnswer = () =>
    over.reject(Object.assign(new Error(`no answer within ${answerMs} ms`), { code: 'ETIMEDOUT', syscall: 'wait' }))
  const stop = () => over.reject(new CancelledError('waiting for a file', { cause: signal?.reason }))
  const timer = setTimeout(noAnswer, answerMs)
  signal?.addEventListener('abort', stop, { once: true })
  if (signal?.aborted === true) stop()
  try {
    return await Promise.race([call, over.promise])
  } catch (error) {
    call.then(late, () => {})
    throw error
  } finally {
    clearTimeout(timer)
    signal?.removeEventListener('abort', stop)
  }
}
