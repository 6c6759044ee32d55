import type { RequestListener, ServerResponse } from 'node:http'
import { CancelledError, reportError } from '@cinelake/core'
import { startProxy } from '@cinelake/testkit/proxy'
import { startHttp, until } from '@cinelake/testkit'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { aRestSource, givenService } from '../source-rest.fixture.ts'
import { createLimiter } from './limiter.ts'
import { usedUpMs } from './retry-rules.ts'

let stack: AsyncDisposableStack
beforeEach(() => void (stack = new AsyncDisposableStack()))
afterEach(() => stack.disposeAsync())

const reply = (response: ServerResponse, body: unknown, status = 200, headers: Record<string, string> = {}) =>
  void response.writeHead(status, headers).end(JSON.stringify(body))
const byPage = { pagination: { type: 'page', parameter: 'page', first: 1 } } as const
const pageOf = (url: string | undefined) => Number(new URL(url ?? '', 'http://x').searchParams.get('page') ?? 1)
const go = new AbortController().signal

/** A clock that only waiting moves. */
function steppedClock() {
  let now = Date.parse('2026-03-02T03:00:00Z')
  return {
    clock: () => new Date(now),
    now: () => now,
    pause: async (waitMs: number) => {
      now += waitMs
    },
  }
}

async function given(listener: RequestListener, fields: Parameters<typeof aRestSource>[0] = {}) {
  const server = stack.use(await startHttp(listener))
  const time = steppedClock()
  const source = aRestSource({ baseUrl: server.url, ...fields })
  const service = stack.use(await givenService({ source, clock: time.clock, pause: time.pause }))
  return { server, service, time }
}

describe('requests per period', () => {
  test('in no span as long as a period are there more than allowed, whatever the limits and the pauses between', async () => {
    const limit = fc.record({ requests: fc.integer({ min: 1, max: 5 }), periodMs: fc.integer({ min: 1, max: 1000 }) })
    await fc.assert(
      fc.asyncProperty(
        fc.array(limit, { minLength: 1, maxLength: 3 }),
        fc.array(fc.integer({ min: 0, max: 400 }), { minLength: 1, maxLength: 30 }),
        async (limits, gaps) => {
          const time = steppedClock()
          const limiter = createLimiter({ limits }, time)
          const begun: number[] = []
          for (const gap of gaps) {
            await time.pause(gap)
            using _turn = await limiter.turn(go)
            begun.push(time.now())
          }
          for (const { requests, periodMs } of limits) {
            for (const [index, time] of begun.entries()) {
              expect((begun[index + requests] ?? Infinity) - time).toBeGreaterThanOrEqual(periodMs)
            }
          }
        },
      ),
    )
  })

  test('are held by a whole read, by the clock that the server sees', async () => {
    const seen: number[] = []
    const { service, time } = await given(
      (request, response) => {
        seen.push(time.now())
        reply(response, { data: pageOf(request.url) > 6 ? [] : [{ id: pageOf(request.url) }] })
      },
      {
        ...byPage,
        limits: [
          { requests: 2, periodMs: 1000 },
          { requests: 5, periodMs: 60_000 },
        ],
      },
    )

    await service.ingest()

    expect(seen.map((at) => at - (seen[0] ?? 0))).toEqual([0, 0, 1000, 1000, 2000, 60_000, 60_000])
  })
})

test('no more requests than allowed are under way at once, and each gets its turn', async () => {
  const limiter = createLimiter({ concurrency: 2 }, steppedClock())
  let running = 0
  let most = 0
  const work = async () => {
    using _turn = await limiter.turn(go)
    most = Math.max(most, (running += 1))
    await Promise.resolve()
    running -= 1
  }

  await Promise.all(Array.from({ length: 20 }, work))

  expect({ most, running }).toEqual({ most: 2, running: 0 })
})

test('who is told to stop while waiting for a turn leaves the line', async () => {
  const limiter = createLimiter({ concurrency: 1 }, steppedClock())
  const first = await limiter.turn(go)
  const controller = new AbortController()
  const second = limiter.turn(controller.signal)
  const third = limiter.turn(go)
  controller.abort()
  await expect(second).rejects.toThrow('aborted')

  first[Symbol.dispose]()

  ;(await third)[Symbol.dispose]()
})

/** A clock that goes on to the end of the shortest wait. */
function sleepingClock() {
  let now = 0
  const sleepers: { readonly at: number; readonly wake: () => void }[] = []
  return {
    clock: () => new Date(now),
    pause: async (waitMs: number) => {
      await new Promise<void>((wake) => sleepers.push({ at: now + waitMs, wake }))
    },
    async passes() {
      for (;;) {
        await new Promise((resolve) => setImmediate(resolve))
        const next = sleepers.sort((one, other) => one.at - other.at).shift()
        if (next === undefined) return
        now = next.at
        next.wake()
      }
    },
  }
}

describe('a pause that the server asks for', () => {
  test('holds also for those who wait for their turn already, and so do the limits after it', async () => {
    const time = sleepingClock()
    const limiter = createLimiter({ limits: [{ requests: 1, periodMs: 1000 }] }, time)
    const begun: number[] = []
    const ask = async () => {
      using _turn = await limiter.turn(go)
      begun.push(time.clock().getTime())
    }
    await ask()
    const asked = [ask(), ask(), ask()]
    await Promise.resolve()

    limiter.rest(30_000)
    await time.passes()
    await Promise.all(asked)

    expect(begun[1]).toBeGreaterThanOrEqual(30_000)
    for (const [index, at] of begun.slice(1).entries()) expect(at - (begun[index] ?? 0)).toBeGreaterThanOrEqual(1000)
  })

  test('that is longer than somebody in the line waits has him leave it', async () => {
    const time = sleepingClock()
    const limiter = createLimiter({ concurrency: 1 }, time)
    const first = await limiter.turn(go)
    const second = limiter.turn(go, () => {
      if (limiter.restMs > 60_000) throw new Error('too long')
    })
    const third = limiter.turn(go)

    limiter.rest(3_600_000)
    first[Symbol.dispose]()

    await expect(second).rejects.toThrow('too long')
    await time.passes()
    await third
    expect(time.clock().getTime()).toBe(3_600_000)
  })
})

describe('what a server says about its limit', () => {
  const now = new Date('2026-03-02T03:00:00Z')
  const epoch = now.getTime() / 1000
  test.each([
    [{ 'RateLimit-Remaining': '0', 'RateLimit-Reset': '7' }, 7000],
    [{ 'X-RateLimit-Remaining': '0', 'X-RateLimit-Reset': String(epoch + 9) }, 9000],
    [{ 'X-RateLimit-Remaining': '0', 'X-RateLimit-Reset': String((epoch + 9) * 1000) }, 9000],
    [{ 'X-Rate-Limit-Remaining': '0', 'X-Rate-Limit-Reset': '1.5' }, 1500],
    [{ RateLimit: '"default";r=0;t=30' }, 30_000],
    [{ RateLimit: '"minute";r=3;t=5, "day";r=0;t=60' }, 60_000],
    [{ 'RateLimit-Remaining': '1', 'RateLimit-Reset': '7' }, undefined],
    [{ 'RateLimit-Remaining': '0' }, undefined],
    [{ 'RateLimit-Reset': '7' }, undefined],
    [{ 'X-RateLimit-Remaining': '0', 'X-RateLimit-Reset': 'soon' }, undefined],
    [{}, undefined],
  ])('%j means %s', (headers, waitMs) => {
    expect(usedUpMs(new Headers(headers), now)).toBe(waitMs)
  })

  test('is heard before the next request, and a "forbidden" that means "too often" is asked for again', async () => {
    const seen: number[] = []
    const { service, time } = await given((request, response) => {
      const page = pageOf(request.url)
      seen.push(time.now())
      if (seen.length === 3) {
        reply(response, {}, 403, { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': String(time.now() / 1000 + 40) })
      } else if (page === 1) {
        reply(response, { data: [{ id: 1 }] }, 200, { 'ratelimit-remaining': '0', 'ratelimit-reset': '20' })
      } else reply(response, { data: page > 2 ? [] : [{ id: page }] })
    }, byPage)

    await service.ingest()

    expect(seen.map((at) => at - (seen[0] ?? 0))).toEqual([0, 20_000, 20_000, 60_000])
    expect(service.csv()).toBe('id\n1\n2\n')
  })
})

describe('what the text says of a status', () => {
  test('ignore: as if there were no records', async () => {
    const { service } = await given((_, response) => reply(response, {}, 404), { statuses: { 404: 'ignore' } })

    expect(await service.ingest()).toMatchObject({ output: { rowCount: 0 } })
  })

  test.each([
    [{ '4xx': 'retry' } as const, 409, 'REST_UNAVAILABLE', 4],
    [{ 503: 'fail' } as const, 503, 'REST_REFUSED', 1],
    [{ 403: 'refresh' } as const, 403, 'REST_REFUSED', 2],
  ])('%j', async (statuses, status, code, requestCount) => {
    const auth = { type: 'bearer', token: '${secret:T}' } as const
    const { service, server } = await given((_, response) => reply(response, {}, status), { statuses, auth })

    const error: unknown = await service.ingest().catch((thrown: unknown) => thrown)

    expect([reportError(error).code, server.requests.length]).toEqual([code, requestCount])
  })

  test('a dataset may say otherwise than its source', async () => {
    const { service } = await given((_, response) => reply(response, {}, 410), {
      statuses: { 410: 'fail' },
      dataset: { statuses: { 410: 'ignore' } },
    })

    expect(await service.ingest()).toMatchObject({ output: { rowCount: 0 } })
  })
})

test('a task has only so many repetitions for all of its requests', async () => {
  let asked = 0
  const { service, server } = await given(
    (request, response) => {
      asked += 1
      reply(response, { data: [{ id: pageOf(request.url) }] }, asked % 2 === 0 ? 200 : 500)
    },
    { ...byPage, retryBudget: 3 },
  )

  const error: unknown = await service.ingest().catch((thrown: unknown) => thrown)

  expect(reportError(error)).toMatchObject({ code: 'REST_RETRIES_SPENT', retryable: true })
  expect(server.requests).toHaveLength(7)
})

test('an answer larger than the source allows is refused', async () => {
  const { service } = await given((_, response) => reply(response, { data: [{ id: 'x'.repeat(5000) }] }), {
    maxResponseBytes: 1000,
  })

  await expect(service.ingest()).rejects.toThrow('expected at most 1000 bytes')
})

test('an answer that is cut, and one that is lost, is asked for again', async () => {
  const server = stack.use(
    await startHttp((request, response) =>
      reply(response, { data: pageOf(request.url) > 3 ? [] : [{ id: pageOf(request.url), text: 'x'.repeat(20_000) }] }),
    ),
  )
  const proxy = stack.use(await startProxy({ port: Number(new URL(server.url).port) }))
  proxy.loseAnswerTo('page=2')
  proxy.cutAfter('toClient', 5000)
  const source = aRestSource({ baseUrl: `http://127.0.0.1:${proxy.port}`, ...byPage })
  const service = stack.use(await givenService({ source }))

  await service.ingest()

  expect(
    service
      .csv()
      .split('\n')
      .map((row) => row.split(',')[0]),
  ).toEqual(['id', '1', '2', '3', ''])
  expect(service.waits).toHaveLength(2)
})

test('a server that takes no connection, and one that never answers, are given up in the time that is theirs', async () => {
  const server = stack.use(await startHttp(() => {}))
  const fields = { baseUrl: server.url, maxRetries: 0, timeoutMs: 60_000, headersTimeoutMs: 50 }
  const service = stack.use(await givenService({ source: aRestSource(fields) }))

  await expect(service.ingest()).rejects.toThrow('UND_ERR_HEADERS_TIMEOUT')
})

test('work that is told to stop while it waits for a turn stops', async () => {
  const server = stack.use(
    await startHttp((request, response) => reply(response, { data: [{ id: pageOf(request.url) }] })),
  )
  const controller = new AbortController()
  const pause = (_: number, signal: AbortSignal) =>
    new Promise<void>((_resolve, reject) =>
      signal.addEventListener('abort', () => reject(new CancelledError('waiting'))),
    )
  const source = aRestSource({ baseUrl: server.url, ...byPage, limits: [{ requests: 1, periodMs: 60_000 }] })
  const service = stack.use(await givenService({ source, pause }))
  const ingest = service.ingest({}, controller.signal)
  ingest.catch(() => {})
  await until('the first page is asked for', () => server.requests.length === 1)

  controller.abort()

  await expect(ingest).rejects.toThrow(CancelledError)
})
