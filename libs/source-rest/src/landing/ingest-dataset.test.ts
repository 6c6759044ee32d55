import type { RequestListener, ServerResponse } from 'node:http'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { CancelledError, reportError, sha256 } from '@cinelake/core'
import { type LoopbackServer, sharedData, startHttp, startRaw } from '@cinelake/testkit'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { aRestSource, givenService } from '../source-rest.fixture.ts'

let stack: AsyncDisposableStack
beforeEach(() => void (stack = new AsyncDisposableStack()))
afterEach(() => stack.disposeAsync())

type SourceFields = Parameters<typeof aRestSource>[0]
type ServiceFields = Partial<Parameters<typeof givenService>[0]>

async function given(
  listener: RequestListener | LoopbackServer,
  fields: SourceFields = {},
  service: ServiceFields = {},
) {
  const server = stack.use(typeof listener === 'function' ? await startHttp(listener) : listener)
  const source = aRestSource({ baseUrl: server.url, ...fields })
  return { server, service: stack.use(await givenService({ source, ...service })) }
}

function reply(response: ServerResponse, body: unknown, status = 200, headers: Record<string, string> = {}): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers })
  response.end(typeof body === 'string' || body instanceof Uint8Array ? body : JSON.stringify(body))
}
const failureOf = async (work: Promise<unknown>) => {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  return { ...reportError(error), error }
}
/** `pages[n]` for `?page=n+1`; nothing after them. */
const paged =
  (pages: readonly unknown[][]): RequestListener =>
  (request, response) => {
    const page = Number(new URL(request.url ?? '', 'http://x').searchParams.get('page') ?? 1)
    reply(response, { data: pages[page - 1] ?? [] })
  }
const byPage = { pagination: { type: 'page', parameter: 'page', first: 1 } } as const

describe('a dataset', () => {
  test('lands as one CSV with the columns of all its pages, exact numbers and a counted manifest', async () => {
    const { service, server } = await given((request, response) => {
      const page = new URL(request.url ?? '', 'http://x').searchParams.get('page')
      const first =
        '{"data":[{"id":9007199254740993,"name":"Ada, \\"A\\"","score":8.70,"home":{"city":"Köln","geo":{"lat":50.9}}},{"id":2,"name":null}]}'
      reply(
        response,
        page === '1'
          ? first
          : page === '2'
            ? '{"data":[{"id":3,"tags":["a",1.10],"name":"two\\nlines"}]}'
            : '{"data":[]}',
      )
    }, byPage)

    const outcome = await service.ingest()

    const csv =
      'id,name,score,home.city,home.geo.lat,tags\n9007199254740993,"Ada, ""A""",8.70,Köln,50.9,\n2,,,,,\n3,"two\nlines",,,,"[""a"",1.10]"\n'
    expect(service.csv()).toBe(csv)
    expect(outcome).toEqual({
      balance: { unit: 'rows', in: 3, out: 3, rejected: 0, duplicates: 0 },
      output: {
        kind: 'landed',
        manifest: 'raw/_landed/shop/2026-03-01/ingest-crm.users.json',
        fileCount: 1,
        sizeBytes: Buffer.byteLength(csv),
        rowCount: 3,
      },
    })
    expect(await service.manifest()).toMatchObject({
      format: 'csv',
      rowCount: 3,
      files: [
        {
          path: 'raw/shop/api/crm/users/2026-03-01.csv',
          name: 'users/2026-03-01.csv',
          sha256: sha256(csv),
          rowCount: 3,
        },
      ],
    })
    expect(server.requests).toEqual(['/v1/users?page=1', '/v1/users?page=2', '/v1/users?page=3'])
  })

  test('without a record lands no file', async () => {
    const { service } = await given((_, response) => reply(response, { data: [] }))

    expect(await service.ingest()).toMatchObject({ balance: { in: 0, out: 0 }, output: { fileCount: 0, rowCount: 0 } })
    expect((await service.manifest())?.files).toEqual([])
  })

  test.each([
    ['$', '[{"id":1},{"id":2}]', 'id\n1\n2\n'],
    ['$', '{"id":1,"ok":true}', 'id,ok\n1,true\n'],
    ["$.d['the items'][0]", '{"d":{"the items":[[{"id":1}]]}}', 'id\n1\n'],
    ['$.data', '\ufeff{"data":[{"id":1}]}', 'id\n1\n'],
  ])('with records at %s of %s', async (records, body, csv) => {
    const { service } = await given((_, response) => reply(response, body), { records })

    await service.ingest()

    expect(service.csv()).toBe(csv)
  })

  test.each([
    [204, ''],
    [200, '{"data":null}'],
  ])('an answer of %d %s has no records', async (status, body) => {
    const { service } = await given((_, response) => reply(response, body, status))

    expect(await service.ingest()).toMatchObject({ output: { rowCount: 0 } })
  })

  test('packed and in another character set is read', async () => {
    const { service } = await given((_, response) =>
      reply(response, gzipSync(Buffer.from('{"data":[{"name":"Köln"}]}', 'latin1')), 200, {
        'content-encoding': 'gzip',
        'content-type': 'application/json; charset=iso-8859-1',
      }),
    )

    await service.ingest()

    expect(service.csv()).toBe('name\nKöln\n')
  })

  test('is asked for with its query, the window and the secrets in their places', async () => {
    const seen: unknown[] = []
    const { service, server } = await given(
      (request, response) => {
        seen.push([request.headers.authorization, request.headers['x-tenant'], request.headers.accept])
        reply(response, { data: [] })
      },
      {
        path: '/v1/${TENANT}/users?active=true',
        query: { since: '{window.start}', until: '{window.end}', q: 'a b&c', key: '${secret:KEY}' },
        headers: { 'X-Tenant': '${TENANT}' },
        auth: { type: 'bearer', token: '${secret:TOKEN}' },
      },
      { settings: { TENANT: 'acme' }, secrets: (name) => `${name}/&1\n` },
    )

    await service.ingest()

    expect(server.requests).toEqual([
      '/v1/acme/users?active=true&since=2026-02-28T23%3A00%3A00Z&until=2026-03-01T23%3A00%3A00Z&q=a+b%26c&key=KEY%2F%261%0A',
    ])
    expect(seen).toEqual([['Bearer TOKEN/&1', 'acme', 'application/json']])
  })

  test('again: what landed is reported, and the API is not asked', async () => {
    const { service, server } = await given((_, response) => reply(response, { data: [{ id: 1 }] }))
    const first = await service.ingest()

    const again = await service.ingest({ attempt: 2 })

    expect(again).toEqual(first)
    expect(server.requests).toHaveLength(1)
  })

  test('at once by two workers, while its data changes: one landing counts, and its file stays', async () => {
    let asked = 0
    const { service } = await given((_, response) => reply(response, { data: [{ id: (asked += 1) }] }))

    const outcomes = await Promise.all([service.ingest(), service.ingest(), service.ingest()])

    expect(outcomes[1]).toEqual(outcomes[0])
    expect(outcomes[2]).toEqual(outcomes[0])
    const [file] = (await service.manifest())?.files ?? []
    expect(sha256(service.csv(file?.path))).toBe(file?.sha256)
  })
})

describe('pages', () => {
  test('by number begin where they are said to, with their size', async () => {
    const { service, server } = await given(
      (request, response) => reply(response, { data: request.url?.includes('p=0') === true ? [{ id: 1 }] : [] }),
      { pagination: { type: 'page', parameter: 'p', first: 0, sizeParameter: 'n', size: 50 }, query: { sort: 'id' } },
    )

    await service.ingest()

    expect(server.requests).toEqual(['/v1/users?sort=id&p=0&n=50', '/v1/users?sort=id&p=1&n=50'])
  })

  test.each([
    ['an absolute address', (host: string) => `http://${host}/v1/users?after=1`, '/v1/users?after=1'],
    ['an address without a host', () => '/v1/users?after=1', '/v1/users?after=1'],
    ['a query alone', () => '?after=1', '/v1/users?after=1'],
    ['a sibling', () => 'users2?after=1', '/v1/users2?after=1'],
  ])('by %s in the body', async (_, link, expected) => {
    const { service, server } = await given(
      (request, response) =>
        request.url?.includes('after') === true
          ? reply(response, { data: [{ id: 2 }], links: { next: null } })
          : reply(response, { data: [{ id: 1 }], links: { next: link(request.headers.host ?? '') } }),
      { pagination: { type: 'nextLink', path: '$.links.next' } },
    )

    await service.ingest()

    expect(server.requests).toEqual(['/v1/users', expected])
    expect(service.csv()).toBe('id\n1\n2\n')
  })

  test.each(['{}', '{"links":{}}', '{"links":{"next":null}}', '{"links":{"next":""}}', '{"links":{"next":false}}'])(
    'end with the body %s',
    async (rest) => {
      const body = { data: [{ id: 1 }], ...(JSON.parse(rest) as object) }
      const { service, server } = await given((_, response) => reply(response, body), {
        pagination: { type: 'nextLink', path: '$.links.next' },
      })

      await service.ingest()

      expect(server.requests).toHaveLength(1)
    },
  )

  test('an empty page in the middle is not the end where the body says what comes next', async () => {
    const { service } = await given(
      (request, response) => {
        const at = Number(new URL(request.url ?? '', 'http://x').searchParams.get('at') ?? 0)
        reply(response, { data: at === 1 ? [] : [{ id: at }], next: at < 2 ? `?at=${at + 1}` : null })
      },
      { pagination: { type: 'nextLink', path: '$.next' } },
    )

    await service.ingest()

    expect(service.csv()).toBe('id\n0\n2\n')
  })

  test('by cursor, as text with any characters or as a number of any size', async () => {
    const { service, server } = await given(
      (request, response) => {
        const cursor = new URL(request.url ?? '', 'http://x').searchParams.get('c')
        const next = cursor === null ? '"a+b/=&"' : cursor === 'a+b/=&' ? '9007199254740993' : 'null'
        reply(response, `{"data":[{"c":${JSON.stringify(cursor)}}],"meta":{"next":${next}}}`)
      },
      { pagination: { type: 'cursor', path: '$.meta.next', parameter: 'c' }, query: { n: '1' } },
    )

    await service.ingest()

    expect(server.requests).toEqual([
      '/v1/users?n=1',
      '/v1/users?n=1&c=a%2Bb%2F%3D%26',
      '/v1/users?n=1&c=9007199254740993',
    ])
    expect(service.csv()).toBe('c\n""\na+b/=&\n9007199254740993\n')
  })

  test.each([
    ['a next link to itself', { pagination: { type: 'nextLink', path: '$.next' } }, { next: '/v1/users' }],
    ['a circle of next links', { pagination: { type: 'nextLink', path: '$.next' } }, { next: '?a=1' }],
    ['the same cursor again', { pagination: { type: 'cursor', path: '$.next', parameter: 'c' } }, { next: 'x' }],
    ['a page parameter that the server ignores', byPage, {}],
  ] as const)('%s ends in an error, not in an endless loop', async (_, fields, rest) => {
    let id = 0
    const { service, server } = await given(
      (_, response) => reply(response, { data: [{ id: 'next' in rest ? (id += 1) : 1 }], ...rest }),
      fields,
    )

    const { code, retryable, message } = await failureOf(service.ingest())

    expect({ code, retryable }).toEqual({ code: 'REST_PAGE_LOOP', retryable: false })
    expect(message).toContain("correct the dataset's `pagination`")
    expect(server.requests.length).toBeLessThanOrEqual(3)
    expect(await service.manifest()).toBeUndefined()
  })

  test.each([
    ['another server', 'https://elsewhere.example/x', 'an address on another server (elsewhere.example)'],
    ['a number', 7, 'something other than a text'],
  ])('a next link that is %s is refused', async (_, next, problem) => {
    const { service } = await given((_, response) => reply(response, { data: [{ id: 1 }], next }), {
      pagination: { type: 'nextLink', path: '$.next' },
    })

    expect(await failureOf(service.ingest())).toMatchObject({
      code: 'REST_NEXT_PAGE_INVALID',
      retryable: false,
      message: expect.stringContaining(problem),
    })
  })
})

describe('not now', () => {
  const once = (refuse: (response: ServerResponse) => void, times = 1): RequestListener => {
    let left = times
    return (_, response) => ((left -= 1) >= 0 ? refuse(response) : reply(response, { data: [{ id: 1 }] }))
  }

  test.each([
    ['seconds', '7', [7000]],
    ['a date', 'Mon, 02 Mar 2026 03:00:05 GMT', [5000]],
    ['nothing', undefined, [250]],
  ])('429 with Retry-After as %s is waited for', async (_, retryAfter, waits) => {
    const { service } = await given(
      once((response) => reply(response, {}, 429, retryAfter === undefined ? {} : { 'retry-after': retryAfter })),
    )

    await service.ingest()

    expect(service.waits).toEqual(waits)
    expect(service.csv()).toBe('id\n1\n')
  })

  test.each([500, 502, 503, 504, 408])('%d is asked for again, waiting longer each time', async (status) => {
    const { service } = await given(once((response) => reply(response, 'x', status), 3))

    await service.ingest()

    expect(service.waits).toEqual([250, 500, 1000])
  })

  test('a connection that is dropped before, within and after the head of an answer is asked for again', async () => {
    const good = '{"data":[{"id":1}]}'
    const head = `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${good.length}\r\n\r\n`
    const answers = ['', head.slice(0, 20), `${head}${good.slice(0, 5)}`, `${head}${good}`]
    const { service, server } = await given(await startRaw((connection) => answers[connection - 1] ?? ''))

    await service.ingest()

    expect(server.requests).toHaveLength(4)
    expect(service.csv()).toBe('id\n1\n')
  })

  test('a body in pieces that breaks off is never taken for a whole one', async () => {
    const { service } = await given(
      await startRaw(() => 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n9\r\n{"data":[\r\n'),
      { maxRetries: 1 },
    )

    expect(await failureOf(service.ingest())).toMatchObject({ code: 'REST_UNAVAILABLE', retryable: true })
  })

  test('a server that says nothing, and one that never ends, are given up after the time limit', async () => {
    const silent = await given(() => {}, { timeoutMs: 60, maxRetries: 1 })
    const endless = await given((_, response) => void response.writeHead(200).write('{"data":['), {
      timeoutMs: 60,
      maxRetries: 0,
    })

    expect(await failureOf(silent.service.ingest())).toMatchObject({
      code: 'REST_UNAVAILABLE',
      retryable: true,
      message: expect.stringContaining('tries=2]: expected a page, got nothing within 60 ms each time'),
    })
    expect(await failureOf(endless.service.ingest())).toMatchObject({
      code: 'REST_UNAVAILABLE',
      message: expect.stringContaining('nothing within 60 ms'),
    })
  })

  test('a server that stays away is given up as transient, after all repetitions', async () => {
    const { service, server } = await given((_, response) => reply(response, 'x', 503), { maxRetries: 2 })

    expect(await failureOf(service.ingest())).toMatchObject({
      code: 'REST_UNAVAILABLE',
      retryable: true,
      context: { tries: 3, reason: 'status 503' },
    })
    expect(server.requests).toHaveLength(3)
  })

  test('nobody listens', async () => {
    const { service } = await given(await startRaw(() => ''), { baseUrl: 'http://127.0.0.1:1' })

    expect(await failureOf(service.ingest())).toMatchObject({ code: 'REST_UNAVAILABLE', retryable: true })
  })

  test('a pause that is too long for a worker is left to a later attempt', async () => {
    const { service, server } = await given((_, response) => reply(response, {}, 429, { 'retry-after': '3600' }))

    expect(await failureOf(service.ingest())).toMatchObject({
      code: 'REST_RATE_LIMITED',
      retryable: true,
      context: { seconds: 3600 },
    })
    expect(server.requests).toHaveLength(1)
  })

  test('work that is told to stop stops, while asking and while waiting', async () => {
    const abort = new AbortController()
    const { service } = await given(() => abort.abort())

    expect((await failureOf(service.ingest({}, abort.signal))).error).toBeInstanceOf(CancelledError)
    expect(await service.manifest()).toBeUndefined()
  })
})

describe('no', () => {
  const token = { auth: { type: 'bearer', token: '${secret:CRM}' } } as const

  test('401: the secret is looked up again, and the new one serves all further pages', async () => {
    const lookups: boolean[] = []
    const seen: (string | undefined)[] = []
    const { service } = await given(
      (request, response) => {
        seen.push(request.headers.authorization)
        if (request.headers.authorization !== 'Bearer new') return reply(response, {}, 401)
        return paged([[{ id: 1 }], [{ id: 2 }]])(request, response)
      },
      { ...token, ...byPage },
      { secrets: (_, refresh) => (lookups.push(refresh), refresh ? 'new' : 'old') },
    )

    await service.ingest()

    expect(seen).toEqual(['Bearer old', 'Bearer new', 'Bearer new', 'Bearer new'])
    expect(lookups).toEqual([false, true])
    expect(service.csv()).toBe('id\n1\n2\n')
  })

  test('401: a secret within the address is looked up again as well, and the new one serves all further pages', async () => {
    const { service, server } = await given(
      (request, response) => {
        const url = new URL(request.url ?? '', 'http://host')
        if (url.searchParams.get('key') !== 'new/1' || !url.pathname.startsWith('/new%2F1/'))
          return reply(response, {}, 401)
        // A link that repeats the key which it was asked with, and one that leaves it out.
        const next = { '1': `/new%2F1/users?key=new%2F1&page=2`, '2': '/new%2F1/users?key=old%2F1&page=3' }
        const page = url.searchParams.get('page') ?? '1'
        return reply(response, { data: [{ id: page }], next: next[page as '1' | '2'] })
      },
      {
        path: '/${secret:TENANT}/users',
        query: { key: '${secret:KEY}' },
        pagination: { type: 'nextLink', path: '$.next' },
      },
      { secrets: (_, refresh) => (refresh ? 'new/1' : 'old/1') },
    )

    await service.ingest()

    expect(service.csv()).toBe('id\n1\n2\n3\n')
    expect(server.requests).toEqual([
      '/old%2F1/users?key=old%2F1',
      '/new%2F1/users?key=new%2F1',
      '/new%2F1/users?key=new%2F1&page=2',
      '/new%2F1/users?key=new%2F1&page=3',
    ])
    expect(JSON.stringify(service.log.lines)).not.toMatch(/(?:old|new)(?:\/|%2F)1/)
  })

  test('401: a secret that changes between two pages is looked up between them', async () => {
    let valid = 'one'
    const { service, server } = await given(
      (request, response) => {
        const url = new URL(request.url ?? '', 'http://host')
        if (url.searchParams.get('key') !== valid) return reply(response, {}, 401)
        if (url.searchParams.get('page') === '1') valid = 'two'
        return paged([[{ id: 1 }], [{ id: 2 }]])(request, response)
      },
      { ...byPage, query: { key: '${secret:KEY}' } },
      { secrets: () => valid },
    )

    await service.ingest()

    expect(service.csv()).toBe('id\n1\n2\n')
    expect(server.requests).toEqual([
      '/v1/users?key=one&page=1',
      '/v1/users?key=one&page=2',
      '/v1/users?key=two&page=2',
      '/v1/users?key=two&page=3',
    ])
  })

  test('401 again with the new secret in the address is terminal, and shows neither', async () => {
    const { service, server } = await given(
      (_, response) => reply(response, {}, 401),
      { query: { key: '${secret:KEY}' } },
      { secrets: (_, refresh) => (refresh ? 'the-new-key' : 'the-old-key') },
    )

    const failure = await failureOf(service.ingest())

    expect(failure).toMatchObject({ code: 'REST_UNAUTHORIZED', retryable: false })
    expect(JSON.stringify([failure, service.log.lines])).not.toMatch(/the-(?:old|new)-key/)
    expect(server.requests).toHaveLength(2)
  })

  test('401 again with the new secret is terminal', async () => {
    const { service, server } = await given((_, response) => reply(response, {}, 401), token)

    expect(await failureOf(service.ingest())).toMatchObject({ code: 'REST_UNAUTHORIZED', retryable: false })
    expect(server.requests).toHaveLength(2)
  })

  test('401 without any secret is terminal at once', async () => {
    const { service, server } = await given((_, response) => reply(response, {}, 401))

    expect(await failureOf(service.ingest())).toMatchObject({ code: 'REST_UNAUTHORIZED', retryable: false })
    expect(server.requests).toHaveLength(1)
  })

  test.each([
    [400, '`query`'],
    [403, 'give the credentials the right'],
    [404, "correct the dataset's `path`"],
    [410, "correct the dataset's `path`"],
    [422, '`query`'],
    [304, '`query`'],
  ])('%d is terminal, with status, address and what to do', async (status, remedy) => {
    const { service, server } = await given((_, response) => void response.writeHead(status).end(), {
      query: { n: '5' },
    })

    const { code, retryable, message, context } = await failureOf(service.ingest())

    expect({ code, retryable }).toEqual({ code: 'REST_REFUSED', retryable: false })
    expect(context).toMatchObject({ status, page: 1, address: `${server.url}/v1/users?n=5` })
    expect(message).toContain(remedy)
    expect(server.requests).toHaveLength(1)
  })

  test('no secret, no cursor and no answer of the server is in a message or in the log', async () => {
    const { service } = await given(
      (request, response) =>
        request.url?.includes('c=') === true
          ? reply(response, { error: 'no such somebody@example.org' }, 400)
          : reply(response, { data: [{ id: 1 }], next: 'signed-cursor' }),
      {
        path: '/bot${secret:PATHKEY}/users',
        query: { key: '${secret:KEY}' },
        pagination: { type: 'cursor', path: '$.next', parameter: 'c' },
        headers: { 'x-key': '${secret:HEADER}' },
        ...token,
      },
      { secrets: (name) => `s3cr&t-${name}` },
    )

    const { message, context } = await failureOf(service.ingest())

    const told = `${message} ${JSON.stringify(context)} ${JSON.stringify(service.log.lines)}`
    expect(told).toContain('/bot…/users?key=…&c=…')
    expect(told).not.toMatch(/s3cr|signed-cursor|somebody/)
  })
})

describe('redirects', () => {
  test('are followed, and the next link is found from where they end', async () => {
    const { service, server } = await given(
      (request, response) =>
        request.url === '/v1/users'
          ? void response.writeHead(307, { location: '/v2/users' }).end()
          : reply(response, { data: [{ id: request.url }], next: request.url === '/v2/users' ? 'users2' : null }),
      { pagination: { type: 'nextLink', path: '$.next' } },
    )

    await service.ingest()

    expect(server.requests).toEqual(['/v1/users', '/v2/users', '/v2/users2'])
  })

  test('to another server are followed without the credentials', async () => {
    const seen: unknown[] = []
    const other = stack.use(
      await startHttp((request, response) => {
        seen.push(request.headers.authorization, request.headers['x-key'])
        reply(response, { data: [{ id: 1 }] })
      }),
    )
    const { service } = await given(
      (_, response) => void response.writeHead(302, { location: `${other.url}/moved` }).end(),
      {
        auth: { type: 'bearer', token: '${secret:T}' },
        headers: { 'x-key': '1' },
        allowPrivate: ['127.0.0.1'],
      },
    )

    await service.ingest()

    expect(seen).toEqual([undefined, undefined])
  })

  test.each([
    ['in a circle', '/v1/users', 'redirects in a circle'],
    ['without end', undefined, 'more than 5 redirects'],
    ['to another kind of address', 'file:///etc/passwd', 'away from https'],
    ['to nowhere', '', 'redirect'],
  ])('%s are refused', async (_, location, problem) => {
    let count = 0
    const { service, server } = await given(
      (_, response) => void response.writeHead(302, { location: location ?? `/v1/${(count += 1)}` }).end(),
    )

    expect(await failureOf(service.ingest())).toMatchObject({
      code: 'REST_REDIRECT_REFUSED',
      retryable: false,
      message: expect.stringContaining(problem),
    })
    expect(server.requests.length).toBeLessThanOrEqual(6)
  })
})

describe('an answer that is not what it should be', () => {
  const answering = (body: string | Uint8Array, headers = {}, fields: SourceFields = {}, service: ServiceFields = {}) =>
    given((_, response) => reply(response, body, 200, headers), fields, service)

  test.each([
    ['truncated JSON', '{"data":[{"email":"somebody@exam', {}, 'a text that ends in the middle, after 32 characters'],
    ['HTML', '<html>Hello somebody</html>', { 'content-type': 'text/html; charset=utf-8' }, '(text/html)'],
    ['nothing', '', {}, 'got nothing'],
    ['bytes that are no text', Uint8Array.of(0x7b, 0xff, 0xfe), {}, 'bytes that are not utf-8'],
    [
      'an unknown character set',
      '{}',
      { 'content-type': 'application/json; charset=klingon' },
      'the unknown character set klingon',
    ],
    ['two documents', '{"data":[]}{"data":["somebody"]}', {}, 'something else from character 11'],
    ['no sense at all', 'somebody', {}, 'a text that is something else'],
  ])('%s is a terminal error that does not quote it', async (_, body, headers, got) => {
    const { service } = await answering(body, headers)

    const { code, retryable, message } = await failureOf(service.ingest())

    expect({ code, retryable }).toEqual({ code: 'REST_BODY_INVALID', retryable: false })
    expect(message).toContain(got)
    expect(message).not.toContain('somebody')
    expect(await service.manifest()).toBeUndefined()
  })

  test.each([
    ['no field of that name', '{"users":[],"meta":{}}', 'expected an array, got nothing; the body has users, meta'],
    ['a text', '{"data":"secret"}', 'expected an array, got a text'],
    ['an object where pages are read', '{"data":{"id":1}}', 'expected an array, got an object'],
  ])('%s where the records should be is told', async (_, body, problem) => {
    const { service } = await answering(body, {}, byPage)

    const { code, message, retryable } = await failureOf(service.ingest())

    expect({ code, retryable }).toEqual({ code: 'REST_RECORDS_MISSING', retryable: false })
    expect(message).toContain(problem)
    expect(message).not.toContain('secret')
  })

  test.each([
    ['7', '7', 'an item that is a number'],
    ['null', 'null', 'an item that is null'],
    ['[1, 2]', '"[1,2]"', 'an item that is an array'],
    ['12345678901234567890', '12345678901234567890', 'an item that is a number'],
  ])('an item %s among records is rejected where it is', async (item, cell, reason) => {
    const { service } = await given((_, response) => reply(response, `{"data":[{"id":1,"t":2}, ${item},{"id":3}]}`))

    const { quality } = await service.ingest()

    expect(service.csv()).toBe(`id,t\n1,2\n${cell}\n3,\n`)
    expect(quality).toMatchObject([{ rule: 'record_broken', failed: 1, detail: `1 of them: ${reason}` }])
  })

  test.each([
    ['items that are no objects', '[7,8]', 1, 'expected an object, got a number'],
    ['a clash of names', '[{"id":1},{"a":{"b":1},"a.b":2}]', 2, 'two that both become the column a.b'],
  ])('%s are named by page and position', async (_, records, position, problem) => {
    const { service } = await given(
      (request, response) =>
        reply(response, request.url?.includes('page=1') === true ? '{"data":[{"id":0}]}' : `{"data":${records}}`),
      byPage,
    )

    expect(await failureOf(service.ingest())).toMatchObject({
      code: 'REST_RECORD_INVALID',
      retryable: false,
      context: { page: 2, record: position },
      message: expect.stringContaining(problem),
    })
  })

  test('a record that the API has corrected lands when the window is asked for again', async () => {
    let records = '[{"a":{"b":1},"a.b":2}]'
    const { service } = await given(
      (request, response) =>
        reply(response, request.url?.includes('page=1') === true ? '{"data":[{"id":0}]}' : `{"data":${records}}`),
      byPage,
    )
    expect(await failureOf(service.ingest())).toMatchObject({ code: 'REST_RECORD_INVALID' })

    records = '[]'

    expect(await service.ingest()).toMatchObject({ balance: { in: 1, out: 1 } })
  })

  test('a body beyond the limit is refused, also when it is packed small', async () => {
    const plain = await answering(JSON.stringify({ data: [{ a: 'x'.repeat(5000) }] }), {}, {}, { maxBodyBytes: 1000 })
    const packed = await answering(
      gzipSync(Buffer.alloc(5_000_000, ' ')),
      { 'content-encoding': 'gzip' },
      {},
      { maxBodyBytes: 100_000 },
    )

    expect(await failureOf(plain.service.ingest())).toMatchObject({ code: 'REST_BODY_TOO_LARGE', retryable: false })
    expect(await failureOf(packed.service.ingest())).toMatchObject({ code: 'REST_BODY_TOO_LARGE' })
  })
})

describe('a source that cannot be asked', () => {
  test.each([
    ['no address', 'a text that is no address'],
    ['ftp://x', 'the scheme ftp:'],
    ['https://u:s3cret@x', 'user and password in it'],
  ])('%s as base URL', async (baseUrl, problem) => {
    const { service } = await given(() => {}, { baseUrl })

    const { code, message } = await failureOf(service.ingest())
    expect(code).toBe('REST_ADDRESS_INVALID')
    expect(message).toContain(problem)
    expect(message).not.toContain('s3cret')
  })

  test('a token that no header can hold', async () => {
    const { service } = await given(
      () => {},
      { auth: { type: 'bearer', token: '${secret:T}' } },
      { secrets: () => 'a\nb' },
    )

    expect(await failureOf(service.ingest())).toMatchObject({
      code: 'REST_HEADER_INVALID',
      context: { header: 'authorization' },
    })
  })

  test('a path that is none, and a dataset that is not in the pipeline', async () => {
    const { service } = await given((_, response) => reply(response, '{}'), { records: 'data' })

    expect(await failureOf(service.ingest())).toMatchObject({ code: 'REST_PATH_INVALID', retryable: false })
    expect(await failureOf(service.ingest({ dataset: 'plans' }))).toMatchObject({
      code: 'INGEST_COMMAND_UNKNOWN',
      retryable: false,
    })
  })
})

const recorded = sharedData('json_recorded_pages')
test.skipIf(recorded === undefined)(
  'recorded pages of a real API land as they were (needs the shared data)',
  async () => {
    const read = (name: string) => readFileSync(join(recorded ?? '', name))
    const { service } = await given((request, response) => {
      const page = new URL(request.url ?? '', 'http://x').searchParams.get('page')
      reply(
        response,
        read(page === '1' || page === '2' ? `reqres_users_page${page}.json` : 'reqres_users_page5_past_the_end.json'),
      )
    }, byPage)

    expect(await service.ingest()).toMatchObject({ balance: { in: 12, out: 12 } })

    const lines = service.csv().trimEnd().split('\n')
    expect(lines[0]).toBe('id,email,first_name,last_name,avatar')
    expect(lines.slice(1).map((line) => line.split(',')[0])).toEqual(
      Array.from({ length: 12 }, (_, i) => String(i + 1)),
    )
  },
)

const dummy = sharedData('json_dummyjson')
test.skipIf(dummy === undefined)(
  'deeply nested records of a real data set land whole (needs the shared data)',
  async () => {
    const users = JSON.parse(readFileSync(join(dummy ?? '', 'users.json'), 'utf8')) as Record<string, unknown>[]
    const { service } = await given(
      (request, response) => {
        const at = Number(new URL(request.url ?? '', 'http://x').searchParams.get('skip') ?? 0)
        reply(response, {
          users: users.slice(at, at + 30),
          total: users.length,
          next: at + 30 < users.length ? at + 30 : null,
        })
      },
      { records: '$.users', pagination: { type: 'cursor', path: '$.next', parameter: 'skip' } },
    )

    expect(await service.ingest()).toMatchObject({ balance: { in: 208, out: 208 } })

    const [header = ''] = service.csv().split('\n')
    expect(header).toContain('address.coordinates.lat')
    expect(header).toContain('company.address.coordinates.lng')
  },
)
