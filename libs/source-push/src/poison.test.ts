import { formerPushFolder } from '@cinelake/contracts'
import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { aColumn, givenPush, send, type Pushed } from './source-push.fixture.ts'
import { bodyPath, newPushId, type Receipt } from './landing/push-layout.ts'
import { commitReceipt } from './landing/window-receipts.ts'

const columns = [aColumn('id', { required: true, from: ['id', 'event id'] }), aColumn('kind')]
const wide = (from: number) => `[{"id":"a",${Array.from({ length: 1500 }, (_, n) => `"f${from + n}":1`).join(',')}}]`

describe('a push that could not be landed, or not be read when it is refined, is refused at the door:', () => {
  const json = 'application/json'
  test.each([
    [
      'names that are one when objects are flattened',
      '[{"id":"b"},{"id":"a","a.b":1,"a":{"b":2}}]',
      json,
      'record 2',
      'the column a.b',
    ],
    [
      'more fields than a row may have',
      `[{"id":"a",${Array.from({ length: 2001 }, (_, n) => `"f${n}":1`).join(',')}}]`,
      json,
      'record 1',
      '2000 fields',
    ],
    [
      'objects within each other without end',
      `[${'{"a":'.repeat(100)}1${'}'.repeat(100)}]`,
      json,
      'record 1',
      '64 objects',
    ],
    [
      'lists within each other without end',
      `[{"id":"a","l":${'['.repeat(2000)}${']'.repeat(2000)}}]`,
      json,
      'record 1',
      'depth',
    ],
    [
      'lists that no parser can follow',
      `[{"id":"a","l":${'['.repeat(500_000)}${']'.repeat(500_000)}}]`,
      json,
      'record 1',
      'expected',
    ],
    ['half of a character', String.raw`[{"id":"\ud800"}]`, json, 'record 1', 'surrogate'],
    ['a name with a control character', String.raw`[{"id":"a","x\u0007":1}]`, json, 'the body', 'control characters'],
    ['names that are too long together', `[{"id":"a","${'x'.repeat(200_000)}":1}]`, json, 'the body', 'bytes together'],
    ['no column that the contract requires', '[{"kind":"a"},{"other":1}]', json, 'the body', 'required column `id`'],
    ['two spellings of one column', '[{"ID":"a"},{"Id":"b"}]', json, 'the body', 'more than once'],
    ['a column twice', 'id,kind,id\n1,x,2\n', 'text/csv', 'line 1', 'more than once'],
    [
      'lines of JSON sent as CSV',
      '{"id":"a","kind":"x"}\n{"id":"b","kind":"y"}\n',
      'text/csv',
      'line 1',
      'application/x-ndjson',
    ],
    ['a header of something else', 'name,kind\nx,y\n', 'text/csv', 'line 1', 'required column `id`'],
    ['rows without a header', '1,x\n2,y\n', 'text/csv', 'line 1', 'known column'],
    ['a NUL', 'id,kind\n1,"a\0b"\n', 'text/csv', 'line 2', 'text'],
    ['rows that are cut with another delimiter', 'id,kind\n1;x\n', 'text/csv', 'line 2', '2 cells'],
  ] as const)('%s', async (_, body, type, where, why) => {
    await using given = await givenPush({ columns })
    const { url } = await given.replica()

    const { status, answer } = await send(url, body, { type })

    expect([status, answer.code]).toEqual([400, 'PUSH_BODY_INVALID'])
    expect(answer.message).toContain(`where=${where}]`)
    expect(answer.message).toContain(why)
    expect(answer.message).not.toContain('flatten`')
    expect(await given.objects()).toEqual([])
  })

  test('and without a contract what is twice, and what is no CSV', async () => {
    await using given = await givenPush()
    const { url } = await given.replica()

    const twice = await send(url, 'id,id\n1,2\n', { type: 'text/csv' })
    const lines = await send(url, '{"id":1}\n{"id":2}\n', { type: 'text/csv' })

    expect([twice.status, lines.status]).toEqual([400, 400])
  })
})

test('a body in CSV is cut as it will be when it is refined: by the delimiter that finds the columns', async () => {
  await using given = await givenPush({ columns })
  const { url } = await given.replica()

  // There are more commas in the header than semicolons.
  const { status } = await send(url, 'id;kind;"a,b,c,d"\n1;x;y\n', { type: 'text/csv' })
  await given.ingest('2026-03-02')

  expect(status).toBe(202)
  expect((await given.manifest('2026-03-02')).files).toMatchObject([{ rowCount: 1, delimiter: ';' }])
})

test('pushes that are good alone and too wide together, or that spell a column otherwise, land beside each other', async () => {
  await using given = await givenPush({ columns })
  const { url } = await given.replica()
  const bodies = ['[{"id":"1"}]', wide(0), wide(1500), '[{"event id":"2"}]', '[{"id":"3","kind":null}]', '[{"ID":"4"}]']

  const statuses: number[] = []
  for (const [index, body] of bodies.entries()) {
    given.setClock(`2026-03-02T10:0${index}:00Z`)
    statuses.push((await send(url, body)).status)
  }
  const { balance } = await given.ingest('2026-03-02')

  expect(statuses).toEqual(bodies.map(() => 202))
  expect(balance).toMatchObject({ in: 6, out: 6, rejected: 0 })
  expect((await given.manifest('2026-03-02')).files.map(({ rowCount }) => rowCount)).toEqual([2, 1, 1, 1, 1])
})

describe('a push that an earlier release took and that cannot be landed', () => {
  /** Puts a push into the lake as a release did that checked less. */
  async function takenBefore(given: Pushed, body: string, format: Receipt['format'], rowCount: number, minute: number) {
    const now = new Date(`2026-03-02T09:0${minute}:00Z`)
    const id = newPushId(now, `0123456789abcde${minute}`)
    const place = { source: 'web', dataset: 'events', folder: formerPushFolder('web', 'events') }
    const path = bodyPath(place, '2026-03-02', id, format)
    await given.lake.putIfAbsent(path, body)
    const sha256 = createHash('sha256').update(body).digest('hex')
    const sizeBytes = Buffer.byteLength(body)
    const receipt: Receipt = {
      version: 1,
      id,
      receivedAt: now.toISOString(),
      format,
      path,
      sizeBytes,
      sha256,
      rowCount,
    }
    await commitReceipt(given.lake, place, given.pipeline.schedule, receipt)
    return path
  }

  test('is set aside alone: the window lands, its bytes are kept, its rows count as rejected', async () => {
    await using given = await givenPush({ columns })
    const bad = [
      await takenBefore(given, '[{"id":"s3cret"},{"id":"a","a.b":1,"a":{"b":2}}]', 'json', 2, 1),
      await takenBefore(given, 'id,id\ns3cret,2\n', 'csv', 1, 2),
    ]
    await takenBefore(given, '[{"id":"good"}]', 'json', 1, 3)
    await takenBefore(given, 'id\nalso good\n', 'csv', 1, 4)

    const outcome = await given.ingest('2026-03-02')

    expect(outcome.balance).toEqual({ unit: 'rows', in: 5, out: 2, rejected: 3, duplicates: 0 })
    expect(outcome.rejects).toEqual({ file_unusable: 3 })
    const [finding] = outcome.quality ?? []
    expect(finding).toMatchObject({ rule: 'file_unusable', severity: 'error', checked: 5, failed: 3 })
    expect(finding?.detail).toMatch(/record 2: expected each field once.*the column a\.b.*line 1: .*more than once/)
    expect(JSON.stringify([outcome, given.log.lines])).not.toContain('s3cret')
    for (const path of bad) expect(await given.lake.stat(path)).toBeDefined()
    const { files } = await given.manifest('2026-03-02')
    const texts = await Promise.all(files.map(async ({ path }) => await given.lake.readText(path)))
    expect(texts).toEqual(['id\ngood\n', 'id\nalso good\n'])
  })

  test('and one that came before the contract asked for more is set aside as well', async () => {
    await using given = await givenPush({ columns: [aColumn('id'), aColumn('kind', { required: true })] })
    await takenBefore(given, '[{"id":"1"}]', 'json', 1, 1)
    await takenBefore(given, '[{"id":"2","kind":"x"}]', 'json', 1, 2)

    expect(await given.ingest('2026-03-02')).toMatchObject({ balance: { in: 2, out: 1, rejected: 1 } })
  })
})
