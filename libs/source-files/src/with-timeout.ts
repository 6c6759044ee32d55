import { CancelledError } from '@cinelake/core'

/** Milliseconds after which a disk or a share counts as not answering: far more than a slow line takes for one block. */
const ANSWER_MS = 120_000

/**
 * The result of a call to the file system, which cannot be stopped and on a share that hangs never ends: who waits for it
 * goes on after a while, or when told to.
 * @param late gets what comes all the same, to close it
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
