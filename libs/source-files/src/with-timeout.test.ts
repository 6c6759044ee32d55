import { expect, test } from 'vitest'
import { fileError, withTimeout } from './errors.ts'

const never = () => new Promise<string>(() => {})

test('a call that is answered in time gives its result, or its error', async () => {
  expect(await withTimeout(Promise.resolve('bytes'))).toBe('bytes')
  await expect(withTimeout(Promise.reject(new Error('EIO')))).rejects.toThrow('EIO')
})

test('a share that does not answer is away for now, and not waited for without end', async () => {
  const waiting = withTimeout(never(), { answerMs: 1 }).catch((error: unknown) => fileError(error, 'shop', 'a.csv'))

  expect(await waiting).toMatchObject({
    code: 'FILES_FILE_UNREADABLE',
    retryable: true,
    context: { reason: 'ETIMEDOUT' },
  })
})

test('a task that is stopped waits no longer, and what comes later is closed', async () => {
  const { promise, resolve } = Promise.withResolvers<string>()
  const stop = new AbortController()
  const closed: string[] = []
  const waiting = withTimeout(promise, { signal: stop.signal, late: (result) => void closed.push(result) })

  stop.abort()
  await expect(waiting).rejects.toMatchObject({ code: 'WORK_CANCELLED' })
  resolve('a handle')
  await promise

  expect(closed).toEqual(['a handle'])
})
