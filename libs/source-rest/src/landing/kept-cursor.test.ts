import { manifestPath } from '@cinelake/contracts'
import { parseWindow, reportError, taskFileName } from '@cinelake/core'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { aRestSource, givenService, type RestFields } from '../source-rest.fixture.ts'
import { startHttp } from '@cinelake/testkit'
import { answering, type Reply, type Seen } from '../pagination/pages.fixture.ts'

let stack: AsyncDisposableStack
beforeEach(() => void (stack = new AsyncDisposableStack()))
afterEach(() => stack.disposeAsync())

const calendar = { every: 'day', timeZone: 'Europe/Berlin' } as const
const windowOf = (label: string) => {
  const window = parseWindow(calendar, label)
  if (window === undefined) throw new Error('no window')
  return window
}
const FIRST = windowOf('2026-03-01')
const SECOND = { window: windowOf('2026-03-02'), since: FIRST.end }
const THIRD = { window: windowOf('2026-03-03'), since: SECOND.window.end }

async function given(answer: (seen: Seen, url: string) => Reply, fields: RestFields) {
  let url = ''
  const { listener, seen } = answering((one) => answer(one, url))
  const server = stack.use(await startHttp(listener))
  url = server.url
  const service = stack.use(
    await givenService({
      source: aRestSource({ baseUrl: url, maxRetries: 0, ...fields }),
      secrets: (name) => `s3cret-${name}`,
    }),
  )
  const manifestOf = async (label: string, generation = 1) => {
    const path = manifestPath('shop', label, taskFileName('ingest crm/users'), generation)
    const text = await service.lake.readText(path)
    return text === undefined ? undefined : (JSON.parse(text) as { cursor?: unknown })
  }
  const codeOf = async (work: Promise<unknown>) =>
    await work.then(
      () => 'landed',
      (error: unknown) => reportError(error).code,
    )
  return { service, seen, manifestOf, codeOf }
}

const incremental = (more: object) => ({ overlapMs: 0, cursor: { path: '$.nextSyncToken', ...more } })
/** Two pages a window, as calendars have it: `pageToken` between them, `syncToken` from one window to the next. */
const calendarApi = (state: { day: number }) => (seen: Seen) => {
  const id = state.day * 10 + (seen.query.has('pageToken') ? 2 : 1)
  return seen.query.has('pageToken')
    ? { body: { data: [{ id }], nextSyncToken: `day-${state.day}` } }
    : { body: { data: [{ id }], nextPageToken: 'p2' } }
}
const calendarFields = {
  pagination: { type: 'cursor', path: '$.nextPageToken', parameter: 'pageToken' },
  dataset: { incremental: incremental({ parameter: 'syncToken' }) },
} as const

describe('a cursor that the last page of a window tells', () => {
  test('is what the next window asks with, on each of its pages', async () => {
    const state = { day: 1 }
    const { service, seen, manifestOf } = await given(calendarApi(state), calendarFields)

    await service.ingest({ window: FIRST })
    state.day = 2
    await service.ingest(SECOND)
    state.day = 3
    await service.ingest(THIRD)

    expect(seen.map(({ query }) => Object.fromEntries(query))).toEqual([
      {},
      { pageToken: 'p2' },
      { syncToken: 'day-1' },
      { syncToken: 'day-1', pageToken: 'p2' },
      { syncToken: 'day-2' },
      { syncToken: 'day-2', pageToken: 'p2' },
    ])
    expect((await manifestOf('2026-03-01'))?.cursor).toEqual({ kind: 'token', since: null, until: 'day-1' })
    expect((await manifestOf('2026-03-03'))?.cursor).toEqual({ kind: 'token', since: 'day-2', until: 'day-3' })
    expect(JSON.stringify(service.log.lines)).not.toContain('day-')
  })

  test('is gone with the manifest of the window before: nothing is read, until the window is run again on purpose', async () => {
    const state = { day: 1 }
    const { service, seen, codeOf } = await given(calendarApi(state), calendarFields)
    await service.ingest({ window: FIRST })
    await service.lake.delete(manifestPath('shop', '2026-03-01', taskFileName('ingest crm/users'), 1))

    expect(await codeOf(service.ingest(SECOND))).toBe('RAW_MANIFEST_LOST')
    expect(seen).toHaveLength(2)
    expect(await codeOf(service.ingest({ ...SECOND, generation: 2 }))).toBe('landed')
    expect(seen.slice(2).map(({ query }) => query.has('syncToken'))).toEqual([false, false])
  })

  test.each([
    ['the body of a POST', { bodyField: '$.sync' }, (seen: Seen) => JSON.parse(seen.body || '{}').sync as unknown],
    ['a header', { requestHeader: 'X-Sync' }, (seen: Seen) => seen.headers['x-sync']],
  ])('may go into %s', async (_, spot, read) => {
    const dataset = { method: 'POST', incremental: incremental(spot) } as const
    const { service, seen } = await given(() => ({ body: { data: [{ id: 1 }], nextSyncToken: 'next' } }), { dataset })

    await service.ingest({ window: FIRST })
    await service.ingest(SECOND)

    expect(seen.map(read)).toEqual([undefined, 'next'])
  })

  test('may be an address, whose secrets are not kept', async () => {
    const dataset = {
      records: '$.value',
      incremental: { overlapMs: 0, cursor: { path: "$['@odata.deltaLink']", link: true } },
    }
    const { service, seen, manifestOf } = await given(
      (one, url) =>
        one.query.has('skip')
          ? {
              body: {
                value: [{ id: 2 }],
                '@odata.deltaLink': `${url}/v1/users/delta?key=${one.query.get('key')}&t=d1`,
              },
            }
          : { body: { value: [{ id: 1 }], '@odata.nextLink': `${url}${one.path}?key=${one.query.get('key')}&skip=1` } },
      {
        path: '/v1/users',
        query: { key: '${secret:KEY}' },
        pagination: { type: 'nextLink', path: "$['@odata.nextLink']" },
        dataset,
      },
    )

    await service.ingest({ window: FIRST })
    await service.ingest(SECOND)

    expect(seen.map(({ path, query }) => [path, Object.fromEntries(query)])).toEqual([
      ['/v1/users', { key: 's3cret-KEY' }],
      ['/v1/users', { key: 's3cret-KEY', skip: '1' }],
      ['/v1/users/delta', { key: 's3cret-KEY', t: 'd1' }],
      ['/v1/users/delta', { key: 's3cret-KEY', skip: '1' }],
    ])
    expect(JSON.stringify(await manifestOf('2026-03-01'))).not.toContain('s3cret')
  })

  test('counts once the window has landed: until then each attempt asks with the one before', async () => {
    const state = { day: 1, fails: false }
    const { service, seen, codeOf } = await given((one) => {
      if (state.fails && one.query.has('pageToken')) return { status: 500 }
      return calendarApi(state)(one)
    }, calendarFields)
    await service.ingest({ window: FIRST })
    Object.assign(state, { day: 2, fails: true })

    expect(await codeOf(service.ingest(SECOND))).toBe('REST_UNAVAILABLE')
    expect(await codeOf(service.ingest(SECOND))).toBe('REST_UNAVAILABLE')
    Object.assign(state, { day: 3, fails: false })
    expect(await codeOf(service.ingest(SECOND))).toBe('landed')

    expect(new Set(seen.slice(2).map(({ query }) => query.get('syncToken')))).toEqual(new Set(['day-1']))
    expect(service.csv('raw/shop/api/crm/users/2026-03-02.csv')).toBe('id\n21\n32\n')
  })

  test('is not lost by a crash between the last page and the landing', async () => {
    const { service, seen, manifestOf, codeOf } = await given(calendarApi({ day: 1 }), calendarFields)
    const { lake } = service
    const putIfAbsent = lake.putIfAbsent.bind(lake)
    lake.putIfAbsent = async (path, content, options) => {
      if (path.startsWith('raw/_landed/')) throw new Error('killed')
      return await putIfAbsent(path, content, options)
    }
    expect(await codeOf(service.ingest({ window: FIRST }))).not.toBe('landed')
    Object.assign(lake, { putIfAbsent })

    expect(await codeOf(service.ingest({ window: FIRST }))).toBe('landed')

    expect(seen).toHaveLength(2)
    expect((await manifestOf('2026-03-01'))?.cursor).toEqual({ kind: 'token', since: null, until: 'day-1' })
  })

  test('stays where nothing is new, and is left out by a re-run on purpose', async () => {
    const state = { day: 1 }
    const { service, seen, manifestOf } = await given(
      (one) => (one.query.has('syncToken') ? { status: 204, body: '' } : calendarApi(state)(one)),
      calendarFields,
    )
    await service.ingest({ window: FIRST })

    await service.ingest(SECOND)
    await service.ingest({ ...SECOND, generation: 2 })

    expect((await manifestOf('2026-03-02'))?.cursor).toEqual({ kind: 'token', since: 'day-1', until: 'day-1' })
    expect((await manifestOf('2026-03-02', 2))?.cursor).toEqual({ kind: 'token', since: null, until: 'day-1' })
    expect(seen.at(-1)?.query.has('syncToken')).toBe(false)
  })

  test('that has run out (410) has all read anew, and says so', async () => {
    const state = { day: 1 }
    const { service, seen, manifestOf } = await given(
      (one) => (one.query.has('syncToken') ? { status: 410 } : calendarApi(state)(one)),
      calendarFields,
    )
    await service.ingest({ window: FIRST })
    state.day = 2

    await service.ingest(SECOND)

    expect(service.csv('raw/shop/api/crm/users/2026-03-02.csv')).toBe('id\n21\n22\n')
    expect((await manifestOf('2026-03-02'))?.cursor).toEqual({ kind: 'token', since: null, until: 'day-2' })
    expect(seen).toHaveLength(5)
    expect(JSON.stringify(service.log.lines)).toContain('is not usable any more')
  })

  test('that has run out, while all is read in its place: the next attempt goes on with that', async () => {
    const state = { day: 1, fails: false }
    const { service, seen, codeOf, manifestOf } = await given((one) => {
      if (one.query.has('syncToken')) return { status: 410 }
      return state.fails && one.query.has('pageToken') ? { status: 500 } : calendarApi(state)(one)
    }, calendarFields)
    await service.ingest({ window: FIRST })
    Object.assign(state, { day: 2, fails: true })
    expect(await codeOf(service.ingest(SECOND))).toBe('REST_UNAVAILABLE')
    const before = seen.length
    state.fails = false

    expect(await codeOf(service.ingest(SECOND))).toBe('landed')

    expect(seen.slice(before).map(({ query }) => Object.fromEntries(query))).toEqual([{ pageToken: 'p2' }])
    expect(service.csv('raw/shop/api/crm/users/2026-03-02.csv')).toBe('id\n21\n22\n')
    expect((await manifestOf('2026-03-02'))?.cursor).toEqual({ kind: 'token', since: null, until: 'day-2' })
  })

  test('is an address on a server that is not the one of `baseUrl` any more: all is read, and the other one not asked', async () => {
    const asked: string[] = []
    const serverAt = async (name: string) => {
      let url = ''
      const server = stack.use(
        await startHttp(({ url: path }, response) => {
          asked.push(`${name} ${path}`)
          response.end(JSON.stringify({ data: [{ id: name }], delta: `${url}/users?from=${name}` }))
        }),
      )
      url = server.url
      return url
    }
    const settings = { API: await serverAt('old') }
    const source = aRestSource({
      baseUrl: '${API}',
      allowPrivate: ['127.0.0.1'],
      headers: { Authorization: 'Bearer ${secret:TOKEN}' },
      dataset: { incremental: { overlapMs: 0, cursor: { path: '$.delta', link: true } } },
    })
    const service = stack.use(await givenService({ source, settings }))
    await service.ingest({ window: FIRST })
    settings.API = await serverAt('new')

    await service.ingest(SECOND)
    await service.ingest(THIRD)

    expect(asked).toEqual(['old /v1/users', 'new /v1/users', 'new /users?from=new'])
  })

  test('was a text when the pipeline said so, and is an address now: all is read', async () => {
    const { service, seen, manifestOf } = await given(
      (one, url) => ({ body: { data: [{ id: 1 }], nextSyncToken: `${url}${one.path}?at=2` } }),
      { dataset: { incremental: incremental({ link: true }) } },
    )
    const { run, task, source, dataset } = { run: 'r', task: 'ingest crm/users', source: 'crm', dataset: 'users' }
    const cursor = { kind: 'token', since: null, until: 'day-1' }
    const before = {
      version: 1,
      run,
      task,
      generation: 1,
      source,
      dataset,
      window: FIRST,
      format: 'csv',
      files: [],
      cursor,
    }
    await service.lake.putIfAbsent(manifestPath('shop', FIRST.label, taskFileName(task), 1), JSON.stringify(before))

    await service.ingest(SECOND)

    expect(seen.map(({ query }) => Object.fromEntries(query))).toEqual([{}])
    expect((await manifestOf('2026-03-02'))?.cursor).toMatchObject({ since: null })
  })

  test.each([
    ['nothing', {}, 'REST_CURSOR_MISSING'],
    ['an object', { nextSyncToken: {} }, 'REST_NEXT_PAGE_INVALID'],
  ])('is missed where there is %s, so that not all is read each day unseen', async (_, more, code) => {
    const { service, codeOf } = await given(() => ({ body: { data: [{ id: 1 }], ...more } }), {
      dataset: { incremental: incremental({ parameter: 't' }) },
    })

    expect(await codeOf(service.ingest({ window: FIRST }))).toBe(code)
  })
})
