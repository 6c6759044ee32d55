import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { zstdDecompressSync } from 'node:zlib'
import { createDirectoryLake } from '@cinelake/lake/directory'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { aRestSource, givenService, type RestFields } from '../source-rest.fixture.ts'
import { startHttp, temporaryDirectory } from '@cinelake/testkit'
import { namesIn } from '../landing/kept-answers.ts'
import { readFrom, type Reading, type Reply, type Seen } from '../pagination/pages.fixture.ts'

let stack: AsyncDisposableStack
beforeEach(() => void (stack = new AsyncDisposableStack()))
afterEach(() => stack.disposeAsync())

const given = (answer: (seen: Seen) => Reply, fields: Parameters<typeof readFrom>[2], reading?: Reading) =>
  readFrom(stack, answer, fields, reading)

const number = (seen: Seen, name: string, otherwise: number) => Number(seen.query.get(name) ?? otherwise)
const bodyOf = (seen: Seen) => JSON.parse(seen.body === '' ? '{}' : seen.body) as Record<string, never>
const data = (records: unknown, more: object = {}): Reply => ({ body: { data: records, ...more } })

describe('requests', () => {
  const asked = async (fields: RestFields, reading: Reading = {}) => {
    const { read, seen } = await given(() => data([]), fields, { settings: { TENANT: 'acme' }, ...reading })
    await read()
    return seen[0]
  }

  test('have the window in every form that is asked for', async () => {
    const query = {
      a: '{window.start}',
      b: '{window.end:unix}',
      c: '{window.date}/{window.lastDate}/{window.label}',
      d: '{window.end:dd.MM.yyyy HH:mm:ss}',
      e: '{window.start:utc yyyy-MM-ddTHH}',
      f: '{window.start:unixMs}',
    }

    expect(Object.fromEntries((await asked({ query }))?.query ?? [])).toEqual({
      a: '2026-02-28T23:00:00Z',
      b: '1772406000',
      c: '2026-03-01/2026-03-01/2026-03-01',
      d: '02.03.2026 00:00:00',
      e: '2026-02-28T23',
      f: '1772319600000',
    })
  })

  test('have a body of JSON, with settings, secrets and times in it', async () => {
    const body = {
      from: '{window.start:unix}',
      who: '${TENANT}',
      key: '${secret:KEY}',
      ids: [1, '{window.date}'],
      n: null,
    }
    const seen = await asked({ dataset: { method: 'POST', body } })

    expect(seen?.headers['content-type']).toBe('application/json')
    expect(JSON.parse(seen?.body ?? '')).toEqual({
      from: 1772319600,
      who: 'acme',
      key: 'secret',
      ids: [1, '2026-03-01'],
      n: null,
    })
  })

  test('have a body as a form', async () => {
    const body = { q: 'a b&c', n: 1, since: '{window.date}' }
    const seen = await asked({ dataset: { method: 'POST', bodyFormat: 'form', body } })

    expect(seen?.headers['content-type']).toBe('application/x-www-form-urlencoded')
    expect(seen?.body).toBe('q=a+b%26c&n=1&since=2026-03-01')
  })

  const incremental = { overlapMs: 0 }
  const times = { query: { since: '{since}', until: '{until}', x: '1' } }
  test.each([
    ['the first time', {}, incremental, undefined],
    ['the first time, from a start', {}, { ...incremental, start: '2020-01-01T00:00:00Z' }, '2020-01-01T00:00:00Z'],
    ['after another window', { since: '2026-02-20T23:00:00Z' }, incremental, '2026-02-20T23:00:00Z'],
    ['with overlap', { since: '2026-02-20T23:00:00Z' }, { overlapMs: 3_600_000 }, '2026-02-20T22:00:00Z'],
    ['appending, in the first window', { since: '2026-02-20T23:00:00Z', mode: 'append' }, incremental, undefined],
  ] as const)('that are incremental ask from where the last window ended: %s', async (_, reading, said, since) => {
    const seen = await asked({ ...times, dataset: { incremental: said } }, reading)

    expect(Object.fromEntries(seen?.query ?? [])).toEqual({
      ...(since === undefined ? {} : { since }),
      until: '2026-03-01T23:00:00Z',
      x: '1',
    })
  })

  test('that are incremental leave in the manifest what they asked for', async () => {
    const server = stack.use(await startHttp((_, response) => response.end('{"data":[{"id":1}]}')))
    const source = aRestSource({ baseUrl: server.url, ...times, dataset: { incremental } })
    const service = stack.use(await givenService({ source }))

    await service.ingest({ since: '2026-02-20T23:00:00Z' })

    expect((await service.manifest())?.cursor).toEqual({
      column: 'since',
      since: '2026-02-20T23:00:00Z',
      until: '2026-03-01T23:00:00Z',
    })
  })

  test('that are looked at again have the new secret in their body', async () => {
    const { read, seen } = await given(
      (one) => (bodyOf(one)['key'] === 'new' ? data([]) : { status: 401 }),
      { dataset: { method: 'POST', body: { key: '${secret:KEY}' } } },
      { secrets: (_, refresh) => (refresh ? 'new' : 'old') },
    )

    await read()

    expect(seen.map(({ body }) => body)).toEqual(['{"key":"old"}', '{"key":"new"}'])
  })

  test('an answer that is kept has no secret in it, and leads on as the one that was received', async () => {
    const { read, seen } = await given(
      (one) =>
        data(
          [{ id: number(one, 'p', 1) }],
          number(one, 'p', 1) < 3
            ? {
                next: `${one.path}?key=${one.query.get('key')}&api=${one.query.get('api')}&p=${number(one, 'p', 1) + 1}`,
              }
            : {},
        ),
      {
        path: '/${secret:TENANT}/users',
        query: { key: '${secret:KEY}' },
        auth: { type: 'apiKey', in: 'query', name: 'api', key: '${secret:API}' },
        pagination: { type: 'nextLink', path: '$.next' },
      },
      { secrets: (name) => `s3cret-${name}` },
    )
    const { path } = stack.use(await temporaryDirectory())
    const lake = stack.use(await createDirectoryLake(path))
    const { pages } = await read({ lake })
    const kept = [...(await namesIn(lake, 'answers', new AbortController().signal))]

    for (const name of kept) {
      const object = readFileSync(join(path, 'answers', name))
      const text = `${object.toString()} ${zstdDecompressSync(object.subarray(8 + object.readUInt32LE(4))).toString()}`
      expect(text).toMatch(/\$\{secret:KEY:0\}|"data":\[\{"id":3/)
      expect(text).not.toContain('s3cret')
    }
    await lake.delete(`answers/${kept.at(-1)}`)
    expect((await read({ lake })).pages).toEqual(pages)
    expect(seen.at(-1)?.query.get('api')).toBe('s3cret-API')
    expect(seen.at(-1)?.query.get('key')).toBe('s3cret-KEY')
    expect(seen.at(-1)?.path).toBe('/s3cret-TENANT/users')
  })
})
