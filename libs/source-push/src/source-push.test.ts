import { connect } from 'node:net'
import { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { gzipSync } from 'node:zlib'
import { until } from '@cinelake/testkit'
import { describe, expect, test } from 'vitest'
import { KEY, givenPush, send } from './source-push.fixture.ts'

const bodiesOf = (objects: readonly string[]) => objects.filter((path) => !path.includes('/_'))

test('what comes by a name that is not the server’s own is refused, whatever it asks for', async () => {
  await using given = await givenPush()
  const { url } = await given.replica()
  const { port } = new URL(url)

  const answers: string[] = []
  for (const path of ['/docs', '/v1/datasets/web/events']) {
    const socket = connect(Number(port), '127.0.0.1')
    socket.write(`GET ${path} HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n`)
    answers.push(await text(socket))
  }

  for (const answer of answers) expect(answer).toMatch(/^HTTP\/1\.1 421 [\s\S]*HOST_UNKNOWN/)
})

describe('a push', () => {
  test('of an array lands with the window in which it came, exact to the digit', async () => {
    await using given = await givenPush()
    const { url } = await given.replica()

    const { status, answer } = await send(
      url,
      '[{"id":9007199254740993,"at":{"city":"Łódź"}},\n {"id":2,"price":8.70}]',
    )
    const before = await (await fetch(url + answer.statusUrl, { headers: { 'x-api-key': KEY } })).json()
    await given.ingest('2026-03-02')
    const after = await (await fetch(url + answer.statusUrl, { headers: { 'x-api-key': KEY } })).json()

    expect({ status, ...answer }).toMatchObject({ status: 202, rowCount: 2, window: { label: '2026-03-02' } })
    expect(answer.path).toMatch(/^raw\/shop\/push\/web\/events\/2026-03-02\/20260302T100000000Z-[0-9a-f]{16}\.json$/)
    expect([before, after]).toMatchObject([{ state: 'received' }, { state: 'landed', window: { label: '2026-03-02' } }])
    const manifest = await given.manifest('2026-03-02')
    expect(manifest).toMatchObject({ format: 'csv', rowCount: 2, files: [{ rowCount: 2 }] })
    expect(await given.lake.readText(manifest.files[0]?.path ?? '')).toBe(
      'id,at.city,price\n9007199254740993,Łódź,\n2,,8.70\n',
    )
  })

  test('in CSV lands byte by byte, between what came before and after it in JSON', async () => {
    await using given = await givenPush()
    const { url } = await given.replica()
    const csv = 'id;name\r\n1;"a;\nb"\r\n'

    const push = async (minute: number, body: string, type: string) => {
      given.setClock(`2026-03-02T10:0${minute}:00Z`)
      return await send(url, body, { type })
    }
    await push(1, '{"id":1}\n\n{"id":2}', 'application/x-ndjson')
    await push(2, '[{"id":3}]', 'application/json')
    const ofCsv = await push(3, csv, 'text/csv; charset=UTF-8')
    await push(4, '{"id":4}\n', 'application/jsonl')
    const { balance } = await given.ingest('2026-03-02')

    expect(balance).toMatchObject({ unit: 'rows', in: 5, out: 5 })
    const { files } = await given.manifest('2026-03-02')
    const texts = await Promise.all(files.map(async ({ path }) => await given.lake.readText(path)))
    expect(texts).toEqual(['id\n1\n2\n3\n', csv, 'id\n4\n'])
    expect(files[1]?.path).toBe(ofCsv.answer.path)
  })

  test('may be packed', async () => {
    await using given = await givenPush()
    const { url } = await given.replica()

    const whole = await send(url, gzipSync('[{"id":1}]'), { headers: { 'content-encoding': 'gzip' } })
    const half = await send(url, gzipSync('[{"id":1}]').subarray(0, 20), { headers: { 'content-encoding': 'gzip' } })
    const none = await send(url, '[{"id":1}]', { headers: { 'content-encoding': 'gzip' } })

    expect(await given.lake.readText(whole.answer.path)).toBe('[{"id":1}]')
    expect([half.status, half.answer.code, none.status]).toEqual([400, 'PUSH_BODY_INVALID', 400])
    expect(bodiesOf(await given.objects())).toHaveLength(1)
  })

  test('of which nothing is to land is taken as well', async () => {
    await using given = await givenPush()
    const { url } = await given.replica()

    const { status, answer } = await send(url, '[]')
    await given.ingest('2026-03-02')
    await given.ingest('2026-03-03')

    expect([status, answer.rowCount]).toEqual([202, 0])
    const said = await given.manifest('2026-03-02')
    expect(said).toMatchObject({ files: [], rowCount: 0 })
    expect(said).not.toHaveProperty('noContent')
    expect(await given.manifest('2026-03-03')).toMatchObject({ files: [], rowCount: 0, noContent: true })
  })
})

describe('windows', () => {
  test('what comes after a window was closed is in the next one, and nothing is in both', async () => {
    await using given = await givenPush()
    const { url } = await given.replica()

    await send(url, '[{"id":1}]')
    await given.ingest('2026-03-02')
    const late = await send(url, '[{"id":2}]')
    given.setClock('2026-03-03T10:00:00Z')
    await send(url, '[{"id":3}]')
    await given.ingest('2026-03-03')

    expect(late.answer.window.label).toBe('2026-03-03')
    const texts = await Promise.all(
      ['2026-03-02', '2026-03-03'].map(async (label) => {
        const { files } = await given.manifest(label)
        return await given.lake.readText(files[0]?.path ?? '')
      }),
    )
    expect(texts).toEqual(['id\n1\n', 'id\n2\n3\n'])
  })

  test('what is under way when its window ends is in one or the other, whole', async () => {
    await using given = await givenPush()
    const { url } = await given.replica()
    const { promise: more, resolve: goOn } = Promise.withResolvers<void>()
    const body = async function* () {
      yield Buffer.from('[{"id":1},')
      await more
      yield Buffer.from('{"id":2}]')
    }

    const sending = send(url, Readable.toWeb(Readable.from(body())) as ReadableStream)
    await given.untilBegun(1)
    await given.ingest('2026-03-02')
    given.setClock('2026-03-03T00:00:01Z')
    goOn()
    const { answer } = await sending
    await given.ingest('2026-03-03')

    expect(answer).toMatchObject({ rowCount: 2, window: { label: '2026-03-03' } })
    expect([await given.manifest('2026-03-02'), await given.manifest('2026-03-03')]).toMatchObject([
      { rowCount: 0 },
      { rowCount: 2 },
    ])
  })

  test('a window that is run again has the same pushes', async () => {
    await using given = await givenPush()
    const { url } = await given.replica()

    await send(url, '[{"id":1}]')
    const first = await given.ingest('2026-03-02')
    await send(url, '[{"id":2}]')
    const again = await given.ingest('2026-03-02', 2)

    expect(again.balance).toEqual(first.balance)
  })

  test('what comes before the first window is in the first', async () => {
    await using given = await givenPush({ start: '2026-04-01' })
    const { url } = await given.replica()

    expect((await send(url, '[{"id":1}]')).answer.window.label).toBe('2026-04-01')
  })
})

describe('an idempotency key', () => {
  test('gives the same answer to the same body, also after the window was closed, and refuses another', async () => {
    await using given = await givenPush()
    const { url } = await given.replica()
    const idempotencyKey = 'order export 17'

    const first = await send(url, '[{"id":1}]', { idempotencyKey })
    given.setClock('2026-03-04T10:00:00Z')
    const again = await send(url, '[{"id":1}]', { idempotencyKey })
    await given.ingest('2026-03-02')
    const later = await send(url, '[{"id":1}]', { idempotencyKey })
    const other = await send(url, '[{"id":2}]', { idempotencyKey })

    expect([again.answer, later.answer]).toEqual([first.answer, first.answer])
    expect([other.status, other.answer.code]).toEqual([409, 'PUSH_KEY_REUSED'])
    expect(bodiesOf(await given.objects())).toHaveLength(1)
    expect((await given.manifest('2026-03-02')).rowCount).toBe(1)
  })

  test('at two replicas at once lands once', async () => {
    await using given = await givenPush()
    const urls = [(await given.replica()).url, (await given.replica()).url]

    const answers = await Promise.all(
      Array.from(
        { length: 12 },
        async (_, index) => await send(urls[index % 2] ?? '', '[{"id":1},{"id":2}]', { idempotencyKey: 'k' }),
      ),
    )
    await given.ingest('2026-03-02')

    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 202))
    expect(new Set(answers.map(({ answer }) => answer.id)).size).toBe(1)
    expect(bodiesOf(await given.objects()).filter((path) => path.endsWith('.json'))).toHaveLength(1)
    expect((await given.manifest('2026-03-02')).rowCount).toBe(2)
  })

  test('brings a push to its end that stopped between body and receipt', async () => {
    await using given = await givenPush()
    const { url: whole } = await given.replica()
    const { url: broken } = await given.replica({
      ...given.lake,
      async putIfAbsent(path, content, options) {
        if (path.includes('/_received/')) throw new Error('killed')
        return await given.lake.putIfAbsent(path, content, options)
      },
    })

    const lost = await send(broken, '[{"id":1}]', { idempotencyKey: 'k' })
    const again = await send(whole, '[{"id":1}]', { idempotencyKey: 'k' })
    await given.ingest('2026-03-02')

    expect([lost.status, again.status]).toEqual([500, 202])
    expect((await given.manifest('2026-03-02')).rowCount).toBe(1)
  })
})

describe('a push is refused, and nothing of it lands,', () => {
  const bad: readonly (readonly [name: string, body: string, type: string, where: string])[] = [
    ['no array', '{"id":1}', 'application/json', 'the body'],
    ['an empty body', '', 'application/json', 'the body'],
    ['an array that ends in the middle', '[{"id":1},', 'application/json', 'record 2'],
    ['a record that ends in the middle', '[{"id":1},{"secret":"abc', 'application/json', 'record 2'],
    ['a record that is no JSON', '[{"id":1},{"secret":abc}]', 'application/json', 'record 2'],
    ['a record that is no object', '[{"id":1},17]', 'application/json', 'record 2'],
    ['a comma at the end', '[{"id":1},]', 'application/json', 'record 2'],
    ['something behind the array', '[{"id":1}] {}', 'application/json', 'the body'],
    ['a name that is there twice', '[{"id":1},{"id":2,"id":3}]', 'application/json', 'record 2'],
    ['a name that is there twice further in', '[{"id":1,"a":[{"b":1,"\\u0062":2}]}]', 'application/json', 'record 1'],
    ['a line with a name that is there twice', '{"id":1}\n{"id":2,"id":2}', 'application/x-ndjson', 'line 2'],
    ['a line that is no JSON', '{"id":1}\nsecret', 'application/x-ndjson', 'line 2'],
    ['a line that is no object', '{"id":1}\n["secret"]', 'application/x-ndjson', 'line 2'],
    ['a row that is too short', 'id,name\n1,x\nsecret\n', 'text/csv', 'line 3'],
    ['a quote that is never closed', 'id,name\n1,"secret\n', 'text/csv', 'line 3'],
    ['no first row', '\n\n', 'text/csv', 'the body'],
  ]
  test.each(bad)('for %s', async (_, body, type, where) => {
    await using given = await givenPush()
    const { url } = await given.replica()

    const { status, answer } = await send(url, body, { type })

    expect([status, answer.code]).toEqual([400, 'PUSH_BODY_INVALID'])
    expect(answer.message).toContain(`where=${where}]`)
    expect(answer.message).not.toContain('secret')
    expect(JSON.stringify(given.log.lines)).not.toContain('secret":')
    expect(await given.objects()).toEqual([])
  })

  test('for bytes that are no UTF-8', async () => {
    await using given = await givenPush()
    const { url } = await given.replica()

    for (const type of ['application/json', 'application/x-ndjson', 'text/csv']) {
      const latin = type === 'text/csv' ? 'id,name\n1,é\n' : type === 'application/json' ? '[{"a":"é"}]' : '{"a":"é"}'
      expect((await send(url, Buffer.from(latin, 'latin1'), { type })).status).toBe(400)
    }
    expect(await given.objects()).toEqual([])
  })

  test('for a form that is not taken', async () => {
    await using given = await givenPush()
    const { url } = await given.replica()

    const statuses = await Promise.all([
      send(url, '[]', { type: 'application/xml' }),
      send(url, 'a\n', { type: 'text/csv; charset=windows-1252' }),
      send(url, '[]', { headers: { 'content-encoding': 'br' } }),
      send(url, '[]', { idempotencyKey: 'x'.repeat(300) }),
    ])

    expect(statuses.map(({ status }) => status)).toEqual([415, 415, 415, 400])
  })

  test('for its size, said or not, packed or not', async () => {
    await using given = await givenPush({ source: { maxBodyBytes: 1000 } })
    const { url } = await given.replica()
    const large = `[${Array.from({ length: 300 }, () => '{"id":1}').join(',')}]`
    const stream = () => Readable.toWeb(Readable.from([Buffer.from(large)])) as ReadableStream

    const said = await send(url, large)
    const unsaid = await send(url, stream())
    const packed = await send(url, gzipSync(large), { headers: { 'content-encoding': 'gzip' } })

    expect([said, unsaid, packed].map(({ status }) => status)).toEqual([413, 413, 413])
    expect(await given.objects()).toEqual([])
  })

  test('for a record larger than what is held in memory', async () => {
    await using given = await givenPush()
    const { url } = await given.replica()

    const { status, answer } = await send(url, `[{"a":"${'x'.repeat(2_100_000)}"}]`)

    expect([status, answer.code]).toEqual([413, 'PUSH_TOO_LARGE'])
  })

  test('for too many at once, and in a time', async () => {
    await using given = await givenPush({ source: { concurrency: 1, limits: [{ requests: 2, periodMs: 60_000 }] } })
    const { url } = await given.replica()
    const { promise: more, resolve: goOn } = Promise.withResolvers<void>()
    const body = async function* () {
      yield Buffer.from('[')
      await more
      yield Buffer.from(']')
    }

    const first = send(url, Readable.toWeb(Readable.from(body())) as ReadableStream)
    await given.untilBegun(1)
    const second = await send(url, '[]')
    goOn()
    await first
    await send(url, '[]')
    const third = await send(url, '[]')

    expect(second.headers.get('retry-after')).toBe('1')
    expect([third.status, third.headers.get('retry-after')]).toEqual([429, '30'])
  })

  test('when the connection is cut in the middle', async () => {
    await using given = await givenPush()
    const { url } = await given.replica()
    const { port, hostname } = new URL(url)
    const head = `POST /v1/datasets/web/events HTTP/1.1\r\nHost: localhost\r\nX-API-Key: ${KEY}\r\nContent-Type: application/x-ndjson\r\n`

    let count = 0
    for (const [framing, part] of [
      ['Content-Length: 1000', '{"id":1}\n'],
      ['Transfer-Encoding: chunked', '9\r\n{"id":1}\n\r\n'],
    ] as const) {
      const refused = given.log.lines.length
      count += 1
      const socket = connect(Number(port), hostname)
      socket.on('error', () => {})
      socket.write(`${head}${framing}\r\n\r\n${part}`)
      await given.untilBegun(count)
      socket.resetAndDestroy()
      await until('the cut is noticed', () => JSON.stringify(given.log.lines.slice(refused)).includes('PUSH_CUT'))
    }

    expect(await given.objects()).toEqual([])
  })
})

test('the API describes itself, and asks nobody else for it', async () => {
  await using given = await givenPush()
  const { url } = await given.replica()

  const document = (await (await fetch(`${url}/docs/openapi.json`)).json()) as {
    openapi: string
    paths: Record<string, { post?: { responses: object } }>
  }
  const page = await fetch(`${url}/docs`)

  expect(document.openapi).toBe('3.1.0')
  expect(Object.keys(document.paths['/v1/datasets/{source}/{dataset}']?.post?.responses ?? {})).toEqual([
    '202',
    '400',
    '401',
    '403',
    '404',
    '409',
    '413',
    '415',
    '429',
    '503',
  ])
  const text = await page.text()
  expect(text).toContain('POST /v1/datasets/{source}/{dataset}')
  expect(text).not.toMatch(/<script|https?:\/\/(?!127)/)
})
