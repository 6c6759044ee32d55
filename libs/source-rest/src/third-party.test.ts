import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { RequestListener } from 'node:http'
import { reportError } from '@cinelake/core'
import { sharedData, startHttp } from '@cinelake/testkit'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { givenService } from './source-rest.fixture.ts'
import { fakeRest, jsonServer, jsonServerOne, sourceFromText } from './third-party.fixture.ts'

let stack: AsyncDisposableStack
beforeEach(() => void (stack = new AsyncDisposableStack()))
afterEach(() => stack.disposeAsync())

async function given(listener: RequestListener, text: (url: string) => string) {
  const server = stack.use(await startHttp(listener))
  const source = sourceFromText(`type: rest\nbaseUrl: ${server.url}\n${text(server.url)}`)
  return { server, service: stack.use(await givenService({ source })) }
}
const idsOf = (csv: string) =>
  csv
    .trimEnd()
    .split('\n')
    .slice(1)
    .map((line) => Number(line.split(',')[0]))
const upTo = (count: number) => Array.from({ length: count }, (_, index) => index + 1)
const users = () => upTo(95).map((id) => ({ id, name: `n${id}`, price: 1.5 }))

describe('servers that nobody here wrote, with configuration only', () => {
  test.each([
    ['its Link header', 'query: { _page: 1, _limit: 10 }\n    pagination: { type: linkHeader }', 10],
    ['what is recognised', 'query: { _page: 1, _limit: 10 }\n    pagination: { type: auto }', 10],
    ['page numbers', 'pagination: { type: page, parameter: _page, sizeParameter: _limit, size: 10 }', 11],
    [
      'short pages',
      'pagination: { type: page, parameter: _page, sizeParameter: _limit, size: 10, end: { shortPage: true } }',
      10,
    ],
    ['offsets', 'pagination: { type: offset, parameter: _start, sizeParameter: _limit, size: 10 }', 11],
    [
      'a row of numbers',
      'query: { _limit: 10 }\n    pagination: { type: range, parameter: _page, from: 1, to: 10 }',
      10,
    ],
    ['all at once', 'pagination: { type: none }\n    records: $[*]', 1],
  ])('json-server 0.17 by %s', async (_, dataset, requests) => {
    const { service, server } = await given(
      jsonServer({ users: users() }),
      () => `datasets:\n  users:\n    path: /users\n    ${dataset}`,
    )

    expect(await service.ingest()).toMatchObject({ balance: { in: 95, out: 95 } })

    expect(idsOf(service.csv())).toEqual(upTo(95))
    expect(server.requests).toHaveLength(requests)
  })

  test.each([
    ['what is recognised', 'pagination: { type: auto }'],
    ['the number of the next page', 'pagination: { type: cursor, path: $.next, parameter: _page }'],
    ['a number of pages', 'pagination: { type: page, parameter: _page, end: { totalPages: $.pages } }'],
    ['a number of records', 'pagination: { type: page, parameter: _page, end: { total: $.items } }'],
    ['a last page without a next', 'pagination: { type: page, parameter: _page, end: { missing: $.next } }'],
  ])('json-server 1 by %s', async (_, dataset) => {
    const { service, server } = await given(
      await jsonServerOne({ users: users() }),
      () =>
        `datasets:\n  users:\n    path: /users\n    query: { _page: 1, _per_page: 10 }\n    records: $.data\n    ${dataset}`,
    )

    expect(await service.ingest()).toMatchObject({ balance: { in: 95, out: 95 } })

    expect(idsOf(service.csv())).toEqual(upTo(95))
    expect(server.requests).toHaveLength(10)
  })

  const ranges = ['[0,29]', '[30,59]', '[60,89]', '[90,119]', '[120,149]', '[150,179]']
  test.each([
    ['a row of ranges', `pagination: { type: range, parameter: range, values: ${JSON.stringify(ranges)} }`, 6],
    [
      'a row of ranges, until one is empty',
      `pagination: { type: range, parameter: range, values: ${JSON.stringify(ranges)}, end: { emptyPage: true } }`,
      5,
    ],
    ['all at once, which is recognised as all', 'pagination: { type: auto }', 1],
  ])('FakeRest by %s', async (_, dataset, requests) => {
    const { service, server } = await given(
      fakeRest({ users: users() }),
      () => `datasets:\n  users:\n    path: /users\n    ${dataset}`,
    )

    expect(await service.ingest()).toMatchObject({ balance: { in: 95, out: 95 } })

    expect(idsOf(service.csv())).toEqual(upTo(95))
    expect(server.requests).toHaveLength(requests)
  })

  test('FakeRest says in a header that a range is not all: `auto` does not stop there as if it were', async () => {
    const { service } = await given(
      fakeRest({ users: users() }),
      () => "datasets:\n  users:\n    path: /users\n    query: { range: '[0,29]' }\n    pagination: { type: auto }",
    )

    const failure = await service.ingest().then(() => undefined, reportError)

    expect(failure).toMatchObject({
      code: 'REST_PAGINATION_UNKNOWN',
      message: expect.stringContaining('Content-Range'),
    })
  })

  test('json-server 1 gives its last page for ever: a circle, where nothing says which page is the last', async () => {
    const { service } = await given(
      await jsonServerOne({ users: users() }),
      () =>
        `datasets:\n  users:\n    path: /users\n    query: { _per_page: 10 }\n    records: $.data\n    pagination: { type: page, parameter: _page }`,
    )

    const failure = await service.ingest().then(
      () => undefined,
      (error: unknown) => reportError(error),
    )

    expect(failure).toMatchObject({ code: 'REST_PAGE_LOOP', retryable: false })
  })
})

const recorded = sharedData('json_recorded_pages')
describe.skipIf(recorded === undefined)('recorded pages of real APIs (needs the shared data)', () => {
  const read = (name: string) => readFileSync(join(recorded ?? '', name))
  const reqres: RequestListener = (request, response) => {
    const page = new URL(request.url ?? '', 'http://x').searchParams.get('page') ?? '1'
    const name = page === '1' || page === '2' ? `page${page}` : 'page5_past_the_end'
    response
      .writeHead(200, { 'content-type': 'application/json; charset=utf-8' })
      .end(read(`reqres_users_${name}.json`))
  }

  test.each([
    ['auto', 2],
    ['page, parameter: page', 3],
    ['page, parameter: page, end: { total: $.total }', 2],
    ['page, parameter: page, end: { totalPages: $.total_pages }', 2],
  ])('reqres by %s', async (pagination, requests) => {
    const { service, server } = await given(
      reqres,
      () => `datasets:\n  users:\n    path: /api/users\n    records: $.data\n    pagination: { type: ${pagination} }`,
    )

    expect(await service.ingest()).toMatchObject({ balance: { in: 12, out: 12 } })

    expect(idsOf(service.csv())).toEqual(upTo(12))
    expect(server.requests).toHaveLength(requests)
  })

  test('randomuser, by a row of pages of which the second is empty', async () => {
    const { service } = await given(
      (request, response) =>
        response.end(
          read(
            request.url?.includes('page=1') === true ? 'randomuser_v1.4_1result.json' : 'randomuser_v1.4_empty.json',
          ),
        ),
      () =>
        'datasets:\n  users:\n    path: /api\n    records: $.results\n    pagination: { type: page, parameter: page }',
    )

    expect(await service.ingest()).toMatchObject({ balance: { in: 1, out: 1 } })
    expect(service.csv().split('\n')[0]).toContain('location.street.name')
  })
})

const dummy = sharedData('json_dummyjson')
test.skipIf(dummy === undefined)(
  'dummyjson by what is recognised of skip, limit and total (needs the shared data)',
  async () => {
    const all = JSON.parse(readFileSync(join(dummy ?? '', 'users.json'), 'utf8')) as { id: number }[]
    const { service, server } = await given(
      (request, response) => {
        const skip = Number(new URL(request.url ?? '', 'http://x').searchParams.get('skip') ?? 0)
        const page = { users: all.slice(skip, skip + 30), total: all.length, skip, limit: 30 }
        response.end(JSON.stringify(page))
      },
      () => 'datasets:\n  users:\n    path: /users\n    records: $.users\n    pagination: { type: auto }',
    )

    expect(await service.ingest()).toMatchObject({ balance: { in: 208, out: 208 } })
    expect(idsOf(service.csv())).toEqual(all.map(({ id }) => id))
    expect(server.requests).toHaveLength(7)
  },
)

const placeholder = sharedData('json_jsonplaceholder')
test.skipIf(placeholder === undefined)(
  'jsonplaceholder, its data on the server that it runs on (needs the shared data)',
  async () => {
    const data = JSON.parse(readFileSync(join(placeholder ?? '', 'data.json'), 'utf8')) as { photos: { id: number }[] }
    const { service } = await given(
      jsonServer(data),
      () =>
        'datasets:\n  users:\n    path: /photos\n    query: { _page: 1, _limit: 500 }\n    pagination: { type: auto }',
    )

    expect(await service.ingest()).toMatchObject({ balance: { in: 5000, out: 5000 } })
    expect(service.csv().split('\n')).toHaveLength(5002)
  },
)

const suite = sharedData('malformed_json_JSONTestSuite')
test.skipIf(suite === undefined)(
  'every y_ file of JSONTestSuite lands, one page each (needs the shared data)',
  async () => {
    const folder = join(suite ?? '', 'test_parsing')
    const names = readdirSync(folder).filter((name) => name.startsWith('y_'))
    const { service } = await given(
      (request, response) => {
        const name = new URL(request.url ?? '', 'http://x').searchParams.get('file') ?? ''
        response.end(
          Buffer.concat([
            Buffer.from(`[{"file":"${name}","value":`),
            readFileSync(join(folder, name)),
            Buffer.from('}]'),
          ]),
        )
      },
      () =>
        `datasets:\n  users:\n    path: /\n    drift: evolve\n    pagination: { type: range, parameter: file, values: ${JSON.stringify(names)} }`,
    )

    expect(await service.ingest()).toMatchObject({ balance: { in: names.length, out: names.length } })
    expect(names.length).toBeGreaterThan(90)
  },
)
