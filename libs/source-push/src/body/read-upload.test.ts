import { Readable } from 'node:stream'
import { expect, test } from 'vitest'
import { createBodyCheck } from './create-body-check.ts'
import { readUpload } from './read-upload.ts'

async function read(pace: { afterMs: number; bytesPerSecond: number }) {
  const stream = Readable.from([Buffer.from('[{"id":1},'), Buffer.from('{"id":2}]')])
  let rowCount: number | undefined
  const upload = { stream, isPacked: false, maxBytes: 1000, pace }
  for await (const _ of readUpload(upload, createBodyCheck('json', undefined), (found) => (rowCount = found.rowCount)));
  return rowCount
}

test('a body that keeps its place and hardly comes is given back to its sender', async () => {
  await expect(read({ afterMs: 0, bytesPerSecond: Number.MAX_SAFE_INTEGER })).rejects.toMatchObject({
    code: 'PUSH_TOO_SLOW',
    retryable: true,
  })
})

test('a body may be slow for a while', async () => {
  expect(await read({ afterMs: 60_000, bytesPerSecond: Number.MAX_SAFE_INTEGER })).toBe(2)
})
