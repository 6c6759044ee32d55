// @module-tag slow: kills processes
import { createAdlsLake } from '@cinelake/lake/adls'
import { landObject } from '@cinelake/lake'
import { temporaryDirectory } from '@cinelake/testkit'
import { startAdlsEndpoint } from '@cinelake/testkit/adls'
import { startProxy } from '@cinelake/testkit/proxy'
import { createHash, randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { readUnchanging } from './places/read-unchanging.ts'

const MIB = 1024 * 1024
/** As it is in production. Two may be on their way when a line is cut for the first time, and one thereafter. */
const BLOCK_BYTES = 4 * MIB
const CUTS = 6
/** Bytes of all requests together besides what they carry. */
const HEAD_BYTES = 200 * 1024

test('a file whose upload is cut lands whole; of each cut of the whole line one block is sent again, and one more at first', async () => {
  await using directory = await temporaryDirectory()
  await using endpoint = await startAdlsEndpoint({ directory: join(directory.path, 'account'), containers: ['lake'] })
  await using network = await startProxy({ port: endpoint.port })
  const { name, key } = endpoint.account
  await using lake = await createAdlsLake({
    url: `abfs://lake@${name}.127.0.0.1:${network.port}`,
    connectionString: `AccountName=${name};AccountKey=${key}`,
    credential: () => Promise.reject(new Error('not needed')),
    scratch: { directory: join(directory.path, 'scratch'), limitBytes: 100 * MIB },
    tuning: { retryDelayMs: 1, maxRetryDelayMs: 5 },
  })
  const content = randomBytes(96 * MIB + 3)
  const file = join(directory.path, 'large.csv')
  await writeFile(file, content)
  let [left, nextAt] = [CUTS, 10 * MIB]
  // As often as anybody looks: the line is cut when the next stretch has gone through.
  const watch = setInterval(() => {
    if (left === 0 || network.passed.toServer < nextAt) return
    left -= 1
    nextAt += 13 * MIB
    network.cut()
  }, 1)

  const landed = await landObject(lake, 'raw/files/a/b/2026-03-01/large.csv', () =>
    readUnchanging({ name: 'large.csv', file }, { source: 'a' }),
  )
  clearInterval(watch)

  expect(left).toBe(0)
  expect(landed).toMatchObject({
    path: 'raw/files/a/b/2026-03-01/large.csv',
    sizeBytes: content.length,
    sha256: createHash('sha256').update(content).digest('hex'),
  })
  const again = network.passed.toServer - content.length
  expect(again).toBeGreaterThan(0)
  expect(again).toBeLessThanOrEqual((CUTS + 1) * BLOCK_BYTES + HEAD_BYTES)
  const hash = createHash('sha256')
  for await (const block of lake.read(landed.path)) hash.update(block)
  expect(hash.digest('hex')).toBe(landed.sha256)
})
