import { sha256 } from '@cinelake/core'
import { expect, test } from 'vitest'
import { findPushes, locatePushes } from './push-layout.ts'
import { givenPush, KEY } from '../source-push.fixture.ts'

const PLACE = { source: 'web', dataset: 'events' }
const FORMER = 'raw/push/web/events'
const ID = '20260302T090000000Z-0123456789abcdef'

/** A push as it was taken in before pipelines had folders of their own. */
async function pushedBefore({ lake }: Awaited<ReturnType<typeof givenPush>>, body: string): Promise<void> {
  const path = `${FORMER}/2026-03-02/${ID}.json`
  await lake.put(path, body)
  const receipt = { version: 1, id: ID, receivedAt: '2026-03-02T09:00:00.000Z', format: 'json', path }
  const digest = { sizeBytes: Buffer.byteLength(body), sha256: sha256(body), rowCount: 1 }
  await lake.put(`${FORMER}/2026-03-02/_received/${ID}.json`, JSON.stringify({ ...receipt, ...digest }))
}

test('what was pushed before pipelines had folders of their own lands with what comes now', async () => {
  await using given = await givenPush()
  await pushedBefore(given, '[{"id":"before"}]')
  const { url } = await given.replica()

  const answer = await fetch(`${url}/v1/datasets/web/events`, {
    method: 'POST',
    headers: { 'x-api-key': KEY, 'content-type': 'application/json' },
    body: '[{"id":"now"}]',
  })
  const before = await fetch(`${url}/v1/datasets/web/events/pushes/${ID}`, { headers: { 'x-api-key': KEY } })
  await given.ingest('2026-03-02')

  expect([answer.status, before.status]).toEqual([202, 200])
  const { files, rowCount } = await given.manifest('2026-03-02')
  expect(rowCount).toBe(2)
  expect(await given.lake.readText(files[0]?.path ?? '')).toBe('id\nbefore\nnow\n')
})

test('a folder of before has one pipeline, and another begins in its own', async () => {
  await using given = await givenPush()
  await pushedBefore(given, '[{"id":"before"}]')

  expect(await findPushes(given.lake, 'shop', PLACE)).toBe(FORMER)
  expect(await Promise.all(['shop', 'shop'].map((name) => locatePushes(given.lake, name, PLACE)))).toEqual([
    FORMER,
    FORMER,
  ])
  expect(await findPushes(given.lake, 'other', PLACE)).toBe('raw/other/push/web/events')
  expect(await locatePushes(given.lake, 'other', PLACE)).toBe('raw/other/push/web/events')
})

test('where a dataset has its pushes stays so, whatever appears at the place of before', async () => {
  await using given = await givenPush()

  expect(await locatePushes(given.lake, 'shop', PLACE)).toBe('raw/shop/push/web/events')
  await pushedBefore(given, '[{"id":"before"}]')

  expect(await locatePushes(given.lake, 'shop', PLACE)).toBe('raw/shop/push/web/events')
})

test('a pipeline that is called like a folder of before has a folder that no other pipeline can have', async () => {
  await using given = await givenPush()

  expect(await locatePushes(given.lake, 'push', PLACE)).toBe('raw/push.pipeline/push/web/events')
  expect(await locatePushes(given.lake, 'shop', { source: 'push', dataset: 'web' })).toBe('raw/shop/push/push/web')
})
