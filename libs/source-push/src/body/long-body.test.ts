import { Readable } from 'node:stream'
import { createGzip } from 'node:zlib'
import { expect, test } from 'vitest'
import { givenPush, send } from '../source-push.fixture.ts'

const MIB = 1024 * 1024
const TOTAL_BYTES = 64 * MIB

/** Lines of about one KiB. */
async function* lines(): AsyncGenerator<Uint8Array> {
  const line = `{"id":1,"text":"${'x'.repeat(1000)}"}\n`
  const block = Buffer.from(line.repeat(64))
  for (let sent = 0; sent < TOTAL_BYTES; sent += block.length) yield block
}

/** The most that the lake was behind its sender, in bytes. */
async function pushSlowly(type: string, body: () => Readable, headers: Record<string, string> = {}) {
  await using given = await givenPush()
  let sent = 0
  let furthest = 0
  const { url } = await given.replica({
    ...given.lake,
    async writeIfAbsent(_path, content) {
      // A storage that takes its time; what it has taken is gone.
      let taken = 0
      for await (const chunk of content) {
        taken += chunk.length
        furthest = Math.max(furthest, sent - taken)
        await new Promise((resolve) => setImmediate(resolve))
      }
      return { outcome: 'created', sizeBytes: taken, sha256: '' }
    },
  })
  const stream = body().on('data', (chunk: Uint8Array) => void (sent += chunk.length))
  const { status, answer } = await send(url, Readable.toWeb(stream) as ReadableStream, { type, headers })
  return { status, rowCount: answer.rowCount, furthest }
}

test('a long body is taken at the pace of the storage, and never held as a whole', async () => {
  const { status, rowCount, furthest } = await pushSlowly('application/x-ndjson', () =>
    Readable.from(lines(), { objectMode: false }),
  )

  expect(status).toBe(202)
  expect(rowCount).toBeGreaterThan(60_000)
  // Buffers of the sockets and streams on the way, of both sides.
  expect(furthest).toBeLessThan(16 * MIB)
})

test('a long packed body is unpacked as it is taken', async () => {
  const packed = () => Readable.from(lines(), { objectMode: false }).pipe(createGzip({ level: 1 }))
  const { status, rowCount } = await pushSlowly('application/x-ndjson', packed, { 'content-encoding': 'gzip' })

  expect([status, rowCount > 60_000]).toEqual([202, true])
})
