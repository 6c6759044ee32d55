// @module-tag slow: takes long
import { CONTRACT_VERSION } from '@cinelake/contracts'
import { TransientError } from '@cinelake/core'
import { RunRecord, RunSummary } from '@cinelake/run-store'
import { recordingLog, until } from '@cinelake/testkit'
import { randomUUID } from 'node:crypto'
import { afterAll, beforeEach, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { aPipeline, emptied, given, openDatabase } from '../test/given.ts'
import { createHttpApi } from './http-api.ts'

const database = await openDatabase()
afterAll(() => database[Symbol.asyncDispose]())
beforeEach(() => emptied(database))

const LOCAL = { host: '127.0.0.1' } as const
const NOW = new Date('2026-04-01T12:00:00Z')

async function givenApi() {
  const it = await given(database)
  const log = recordingLog()
  const api = await createHttpApi({
    scheduler: it.scheduler,
    pipelines: [aPipeline()],
    log,
    known: LOCAL,
    clock: () => NOW,
  })
  const post = (url: string, payload?: object) =>
    api.inject({ method: 'POST', url, ...(payload === undefined ? {} : { payload }) })
  const get = (url: string) => api.inject({ method: 'GET', url })
  return { ...it, api, post, get, log, [Symbol.asyncDispose]: () => it[Symbol.asyncDispose]() }
}

test('a run is asked for, looked at with its tasks, and listed', async () => {
  await using it = await givenApi()

  const asked = await it.post('/v1/runs', { pipeline: 'shop', window: '2026-03-01' })
  expect([asked.statusCode, asked.json()]).toEqual([202, { runs: [{ runId: 'shop@2026-03-01', created: true }] }])
  await it.scheduler.waitFor('shop@2026-03-01')

  const run = (await it.get('/v1/runs/shop@2026-03-01')).json()
  expect(run).toMatchObject({ id: 'shop@2026-03-01', state: 'succeeded', window: { label: '2026-03-01' } })
  expect(run.tasks.find(({ name }: { name: string }) => name === 'refine orders')).toMatchObject({
    state: 'succeeded',
    balance: { in: 10, out: 10 },
    durationMs: expect.any(Number),
  })
  expect((await it.get('/v1/runs?limit=1&pipeline=shop')).json().runs).toMatchObject([
    { id: 'shop@2026-03-01', taskCounts: { succeeded: run.tasks.length } },
  ])
})

test('part of a window that was run is asked for again, and a table is rebuilt', async () => {
  await using it = await givenApi()
  await it.post('/v1/runs', { pipeline: 'shop', window: '2026-03-01' })
  await it.scheduler.waitFor('shop@2026-03-01')
  const done = async (url: string, payload: object) => {
    it.done.length = 0
    const asked = await it.post(url, { pipeline: 'shop', ...payload })
    expect(asked.statusCode).toBe(202)
    await it.scheduler.waitFor('shop@2026-03-01')
    return it.done.map(({ task }) => task)
  }
  const window = '2026-03-01'

  expect(await done('/v1/runs', { window, select: ['customer_totals+'] })).toEqual([
    'build customer_totals',
    'load customer_totals',
  ])
  expect(await done('/v1/runs', { window, changed: true })).toEqual([])
  expect((await done('/v1/runs', { window, fromRaw: true })).some((task) => task.startsWith('ingest'))).toBe(false)
  expect(await done('/v1/rebuilds', { tables: ['order_totals'] })).toEqual([
    'build order_totals',
    'build customer_totals',
    'load customer_totals',
  ])
  const refused = await it.post('/v1/rebuilds', { pipeline: 'shop', tables: ['order_total'] })
  expect([refused.statusCode, refused.json()]).toEqual([
    422,
    { code: 'REDO_REFUSED', message: expect.stringMatching(/did you mean `order_totals`/) },
  ])
})

test('an agent that was heard of is listed, and is no run', async () => {
  await using it = await givenApi()
  const about = { worker: 'host:1', site: 'hq', node: 'one', version: '0.1.0', freeDiskBytes: 5, runningTasks: 1 }

  await it.bus.publish({
    kind: 'agent.heartbeat',
    contract: CONTRACT_VERSION,
    id: randomUUID(),
    at: '2026-03-02T03:00:00Z',
    state: 'working',
    ...about,
  })
  await until('it was noted', async () => (await it.scheduler.agents()).length === 1)

  const { worker: _worker, ...shown } = about
  expect((await it.get('/v1/agents')).json().agents).toMatchObject([{ ...shown, heardAt: expect.any(String) }])
  expect((await it.get('/v1/runs')).json().runs).toEqual([])
})

test('several windows are asked for at once', async () => {
  await using it = await givenApi()

  const asked = await it.post('/v1/runs', { pipeline: 'shop', from: '2026-03-01', to: '2026-03-03' })

  expect(asked.json().runs.map(({ runId }: { runId: string }) => runId)).toEqual([
    'shop@2026-03-01',
    'shop@2026-03-02',
    'shop@2026-03-03',
  ])
  await it.scheduler.waitFor('shop@2026-03-03')
})

test('pipelines are listed with their schedule', async () => {
  await using it = await givenApi()

  expect((await it.get('/v1/pipelines')).json().pipelines).toMatchObject([
    { name: 'shop', schedule: { every: 'day', timeZone: 'UTC' }, digest: expect.stringMatching(/^[0-9a-f]{64}$/) },
  ])
})

test('the API describes itself, and answers as it says', async () => {
  await using it = await givenApi()
  await it.post('/v1/runs', { pipeline: 'shop', window: '2026-03-01' })
  await it.scheduler.waitFor('shop@2026-03-01')

  const { openapi, paths } = (await it.get('/docs/openapi.json')).json()
  const run = (await it.get('/v1/runs/shop@2026-03-01')).json()
  const { runs } = (await it.get('/v1/runs')).json()

  expect(openapi).toBe('3.1.0')
  expect(Object.entries<object>(paths).map(([path, methods]) => [path, ...Object.keys(methods)])).toEqual([
    ['/v1/runs', 'post', 'get'],
    ['/v1/rebuilds', 'post'],
    ['/v1/runs/{id}', 'get'],
    ['/v1/runs/{id}/cancel', 'post'],
    ['/v1/agents', 'get'],
    ['/v1/pipelines', 'get'],
  ])
  expect(Object.keys(paths['/v1/runs'].post.responses)).toEqual(['202', '400', '404', '409', '422'])
  const { schema } = paths['/v1/runs'].post.requestBody.content['application/json']
  expect([schema.required, schema.properties.concurrency]).toMatchObject([['pipeline'], { maximum: 50, default: 1 }])
  expect(RunRecord.parse(run)).toEqual(run)
  expect(z.array(RunSummary).parse(runs)).toEqual(runs)
  expect((await it.get('/docs')).body).toContain('POST /v1/runs/{id}/cancel')
})

test('a finished run cannot be cancelled any more', async () => {
  await using it = await givenApi()
  await it.post('/v1/runs', { pipeline: 'shop', window: '2026-03-01' })
  await it.scheduler.waitFor('shop@2026-03-01')

  const answer = await it.post('/v1/runs/shop@2026-03-01/cancel')

  expect([answer.statusCode, answer.json()]).toEqual([202, { runId: 'shop@2026-03-01', cancelled: false }])
})

test.each([
  ['a body that is not understood', { pipeline: 'shop', windw: '2026-03-01' }, 400, 'REQUEST_INVALID'],
  ['a window and a range', { pipeline: 'shop', window: '2026-03-01', from: '2026-03-01' }, 400, 'REQUEST_INVALID'],
  ['a text that is no window', { pipeline: 'shop', window: 'yesterday' }, 400, 'WINDOW_UNKNOWN'],
  ['an unknown pipeline', { pipeline: 'shp', window: '2026-03-01' }, 404, 'PIPELINE_UNKNOWN'],
])('%s is refused, saying what would be right', async (_, body, status, code) => {
  await using it = await givenApi()

  const answer = await it.post('/v1/runs', body)

  expect(answer.statusCode).toBe(status)
  expect(answer.json()).toMatchObject({ code, message: expect.stringContaining('expected') })
})

test('what is not there is a 404', async () => {
  await using it = await givenApi()

  expect((await it.get('/v1/runs/shop@1999-01-01')).json()).toMatchObject({ code: 'RUN_MISSING' })
  expect((await it.post('/v1/runs/shop@1999-01-01/cancel')).statusCode).toBe(404)
  expect((await it.get('/v2/runs')).json()).toMatchObject({ code: 'ROUTE_MISSING' })
})

describe('a request for windows', () => {
  test.each([
    ['a range of thousands of years', { from: '2026-03-01', to: '9999-01-01' }, 'WINDOW_NOT_OVER'],
    ['the same, forced', { from: '2026-03-01', to: '9999-01-01', force: true }, 'WINDOWS_TOO_MANY'],
    ['a range that goes back thousands of years', { from: '0001-01-01', to: '2026-03-01' }, 'WINDOW_BEFORE_START'],
    ['one window more than there may be', { from: '2000-01-01', to: '2002-09-27', force: true }, 'WINDOWS_TOO_MANY'],
    ['a range that ends before it begins', { from: '2026-03-02', to: '2026-03-01' }, 'WINDOWS_REVERSED'],
    ['a window that is not over', { window: '2026-04-01' }, 'WINDOW_NOT_OVER'],
    ['a window that has not begun', { window: '2099-01-01' }, 'WINDOW_NOT_OVER'],
    ['a window before the schedule begins', { window: '2026-02-28' }, 'WINDOW_BEFORE_START'],
  ])('for %s is refused at once, and makes no run', async (_, asked, code) => {
    await using it = await givenApi()
    const begun = process.threadCpuUsage()

    const answer = await it.post('/v1/runs', { pipeline: 'shop', ...asked })

    expect([answer.statusCode, answer.json().code]).toEqual([400, code])
    expect(process.threadCpuUsage(begun).user).toBeLessThan(2_000_000)
    expect(await it.scheduler.runs()).toEqual([])
  })

  test('that is forced takes windows that are not over, and those before the schedule', async () => {
    await using it = await givenApi()

    for (const window of ['2026-04-01', '2026-02-28']) {
      expect((await it.post('/v1/runs', { pipeline: 'shop', window, force: true })).statusCode).toBe(202)
    }
  })

  test('for many is ended when the server stops, and what was not asked for is not there', async () => {
    await using it = await given(database, { workers: false })
    const stopping = new AbortController()
    const log = recordingLog()
    const { scheduler } = it
    const common = { pipelines: [aPipeline()], log, known: LOCAL, clock: () => NOW, stopping: stopping.signal }
    const api = await createHttpApi({ ...common, scheduler })
    const payload = { pipeline: 'shop', from: '2026-03-01', to: '2026-03-31' }
    const asking = async () => await api.inject({ method: 'POST', url: '/v1/runs', payload })
    using _ = scheduler.watch(() => stopping.abort())

    expect((await asking()).statusCode).toBe(503)
    expect((await scheduler.runs()).length).toBeLessThan(31)
  })
})

describe('a request by a name', () => {
  const called = async (host: string, names: readonly string[] = [], bound = '127.0.0.1', more: object = {}) => {
    await emptied(database)
    await using it = await given(database)
    const api = await createHttpApi({
      scheduler: it.scheduler,
      pipelines: [aPipeline()],
      log: recordingLog(),
      known: { host: bound, names },
      clock: () => NOW,
    })
    const payload = { pipeline: 'shop', window: '2026-03-01' }
    const answer = await api.inject({ method: 'POST', url: '/v1/runs', headers: { host, ...more }, payload })
    return [answer.statusCode, (await it.scheduler.runs()).length]
  }

  test.each(['localhost:8080', '127.0.0.1:8080', '[::1]:8080', 'LOCALHOST', '10.0.0.7'])(
    '%s is taken',
    async (host) => {
      expect(await called(host)).toEqual([202, 1])
    },
  )

  test.each(['evil.example', 'evil.example:8080', 'localhost.evil.example', '127.0.0.1.evil.example', 'scheduler'])(
    '%s, which is not its own, is refused and makes no run',
    async (host) => {
      expect(await called(host)).toEqual([421, 0])
    },
  )

  test('that the settings know is taken, wherever it listens', async () => {
    expect(await called('scheduler:80', ['scheduler'])).toEqual([202, 1])
    expect(await called('scheduler:80', ['scheduler'], '0.0.0.0')).toEqual([202, 1])
    expect(await called('evil.example', ['scheduler'], '0.0.0.0')).toEqual([421, 0])
  })

  test('of a server open to others is refused where a page of another site sends it', async () => {
    expect(await called('cinelake.example', [], '0.0.0.0')).toEqual([202, 1])
    expect(await called('evil.example', [], '0.0.0.0', { origin: 'http://evil.example' })).toEqual([421, 0])
    expect(await called('localhost', [], '0.0.0.0', { origin: 'null' })).toEqual([421, 0])
  })
})

test.each([
  ['larger than any request', { pipeline: 'shop', window: 'x'.repeat(300_000) }, 413],
  ['nested a hundred thousand deep', `{"pipeline":${'['.repeat(100_000)}${']'.repeat(100_000)}}`, 400],
])('a body that is %s is refused, and others are answered meanwhile', async (_, payload, status) => {
  await using it = await givenApi()
  const headers = { 'content-type': 'application/json' }

  const [huge, other] = await Promise.all([
    it.api.inject({ method: 'POST', url: '/v1/runs', payload, headers }),
    it.get('/v1/pipelines'),
  ])

  expect([huge.statusCode, other.statusCode]).toEqual([status, 200])
  expect(huge.body.length).toBeLessThan(2000)
})

test('runs are listed by state', async () => {
  await using it = await givenApi()
  await it.post('/v1/runs', { pipeline: 'shop', window: '2026-03-01' })
  await it.scheduler.waitFor('shop@2026-03-01')

  expect((await it.get('/v1/runs?state=failed')).json()).toEqual({ runs: [] })
  expect((await it.get('/v1/runs?state=succeeded')).json().runs).toHaveLength(1)
  expect((await it.get('/v1/runs?state=broken')).statusCode).toBe(400)
})

test('a run under way that is asked for again is a conflict', async () => {
  await using it = await given(database, { workers: false })
  const api = await createHttpApi({
    scheduler: it.scheduler,
    pipelines: [aPipeline()],
    log: recordingLog(),
    known: LOCAL,
  })
  const payload = { pipeline: 'shop', window: '2026-03-01' }
  await api.inject({ method: 'POST', url: '/v1/runs', payload })

  const answer = await api.inject({ method: 'POST', url: '/v1/runs', payload: { ...payload, again: true } })

  expect([answer.statusCode, answer.json().code]).toEqual([409, 'RUN_UNDER_WAY'])
})

test('a trouble that passes says when to come back; a bug says nothing but to the log', async () => {
  class Away extends TransientError {
    readonly code = 'TEST_AWAY'
  }
  await using it = await givenApi()
  let error: Error = new Away('the database is away', {}, { cause: 'hunter2' })
  const scheduler = { ...it.scheduler, runs: () => Promise.reject(error) }
  const redact = (text: string) => text.replaceAll('hunter2', '[secret]')
  const api = await createHttpApi({ scheduler, pipelines: [], log: it.log, redact, known: LOCAL })

  const away = await api.inject({ method: 'GET', url: '/v1/runs' })
  expect([away.statusCode, away.headers['retry-after'], away.json().code]).toEqual([503, '5', 'TEST_AWAY'])
  expect(away.body).toContain('[secret]')

  error = new Error('cannot read properties of undefined')
  const bug = await api.inject({ method: 'GET', url: '/v1/runs' })
  expect([bug.statusCode, bug.json().code]).toEqual([500, 'UNEXPECTED_ERROR'])
  expect(bug.body).not.toContain('undefined')
  expect(it.log.lines.at(-1)).toMatchObject({ level: 'error', facts: { err: error } })
})
