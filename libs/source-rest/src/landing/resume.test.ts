// @module-tag slow: kills processes
import { spawn, type ChildProcess } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import type { RequestListener, ServerResponse } from 'node:http'
import { join } from 'node:path'
import { type Ingest } from '@cinelake/contracts'
import { parseWindow, reportError } from '@cinelake/core'
import { createDirectoryLake } from '@cinelake/lake/directory'
import type { RestSource } from '../config/index.ts'
import { aCommandHeader, putPipeline, startHttp, temporaryDirectory, until } from '@cinelake/testkit'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { aRestSource, givenService } from '../source-rest.fixture.ts'
import { pagePath } from './landed-pages.ts'

let stack: AsyncDisposableStack
beforeEach(() => void (stack = new AsyncDisposableStack()))
afterEach(() => stack.disposeAsync())

const LANDING = 'raw/_landing/shop/2026-03-01/ingest-crm.users'
const byPage = { pagination: { type: 'page', parameter: 'page', first: 1 } } as const
const pageOf = (url: string | undefined) => Number(new URL(url ?? '', 'http://x').searchParams.get('page') ?? 1)
const reply = (response: ServerResponse, body: unknown) => void response.end(JSON.stringify(body))
const rowsOf = (page: number) =>
  Array.from({ length: 3 }, (_, row) => ({ id: page * 10 + row, name: `n"${page}`, [`p${page % 3}`]: page }))

async function frozen(source: RestSource) {
  const { path: directory } = stack.use(await temporaryDirectory())
  const lake = stack.use(await createDirectoryLake(join(directory, 'lake')))
  const schedule = { every: 'day', timeZone: 'UTC', start: '2026-03-01', delayMs: 0 } as const
  const pipeline = await putPipeline(lake, { name: 'shop', schedule, sources: [source], datasets: [] } as {
    name: string
  })
  const window = parseWindow({ every: 'day', timeZone: 'UTC' }, '2026-03-01')
  if (window === undefined) throw new Error('no window')
  const header = aCommandHeader({ pipeline, window, task: 'ingest crm/users' })
  const command: Ingest = { ...header, kind: 'ingest', source: 'crm', dataset: 'users', since: null }
  return { directory: join(directory, 'lake'), command }
}

function startReader(directory: string, command: Ingest): ChildProcess {
  const program = join(import.meta.dirname, 'reader.fixture.ts')
  return spawn(process.execPath, ['--conditions=@cinelake/source', program, directory, JSON.stringify(command)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
}

async function done(reader: ChildProcess): Promise<string> {
  let text = ''
  reader.stdout?.on('data', (data: Buffer) => void (text += data.toString()))
  await once(reader, 'close')
  return text
}

test('a reader killed at any pages goes on with the page that was under way, and the file is as if nothing had been', async () => {
  const pageCount = 72
  const kills = new Set([65, ...Array.from({ length: 3 }, () => randomInt(2, pageCount))])
  const planned = [...kills]
  let reader: ChildProcess | undefined
  let directory = ''
  const isLanded = (page: number) => {
    const merged = Math.floor((page - 1) / 64) * 64 + 1
    return [pagePath(LANDING, 'p', page), pagePath(LANDING, 'm', merged)].some((path) =>
      existsSync(join(directory, path)),
    )
  }
  const server = stack.use(
    await startHttp((request, response) => {
      const page = pageOf(request.url)
      // As an API is that takes longer for a page than the lake does: the page before is in the lake.
      const answer = async () => {
        await until(`page ${page - 1} is in the lake`, () => page === 1 || isLanded(page - 1))
        if (kills.delete(page)) reader?.kill('SIGKILL')
        else reply(response, { data: page > pageCount ? [] : rowsOf(page) })
      }
      void answer()
    }),
  )
  const given = await frozen(aRestSource({ baseUrl: server.url, ...byPage }))
  directory = given.directory

  let balance = ''
  for (let start = 0; balance === '' && start < 10; start += 1) {
    reader = startReader(directory, given.command)
    balance = await done(reader)
  }

  const expected = Array.from({ length: pageCount + 1 }, (_, index) => index + 1)
  expect({ planned, asked: server.requests.map(pageOf) }).toEqual({
    planned,
    asked: [...expected, ...planned].sort((a, b) => a - b),
  })
  expect(JSON.parse(balance)).toMatchObject({ in: pageCount * 3, out: pageCount * 3 })
  const whole = stack.use(await givenService({ source: aRestSource({ baseUrl: server.url, ...byPage }) }))
  directory = whole.directory
  await whole.ingest()
  const file = readFileSync(join(given.directory, 'raw/shop/api/crm/users/2026-03-01.csv'), 'utf8')
  expect(file).toBe(whole.csv())
  expect(existsSync(join(given.directory, LANDING)) ? readdirSync(join(given.directory, LANDING)) : []).toEqual([])
})

describe('what was read before', () => {
  /** Fails at a page until it is told not to. */
  const given = async (listener: RequestListener, fields: Parameters<typeof aRestSource>[0] = byPage) => {
    const server = stack.use(await startHttp(listener))
    const service = stack.use(
      await givenService({ source: aRestSource({ baseUrl: server.url, maxRetries: 0, ...fields }) }),
    )
    return { server, service }
  }
  const paged =
    (isDown: (page: number) => boolean, last = 4): RequestListener =>
    (request, response) => {
      const page = pageOf(request.url)
      if (isDown(page)) {
        response.writeHead(503).end()
        return
      }
      reply(response, { data: page > last ? [] : rowsOf(page) })
    }

  test('is gone on from by the next attempt, by cursor and with the secret of the address in nothing that is kept', async () => {
    let isDown = true
    const { server, service } = await given(
      (request, response) => {
        const cursor = new URL(request.url ?? '', 'http://x').searchParams.get('after')
        if (cursor === 'c2' && isDown) {
          response.writeHead(503).end()
          return
        }
        const next = { null: 'c1', c1: 'c2', c2: null }[String(cursor)]
        reply(response, { data: [{ id: cursor ?? 'first' }], next })
      },
      { pagination: { type: 'cursor', path: '$.next', parameter: 'after' }, query: { key: '${secret:KEY}' } },
    )
    await expect(service.ingest()).rejects.toThrow('does not give the page')
    const kept = await filesBelow(service, LANDING)

    isDown = false
    await service.ingest({ attempt: 2 })

    expect(kept.length).toBeGreaterThan(0)
    expect(kept.join('')).not.toContain('secret')
    expect(service.csv()).toBe('id\nfirst\nc1\nc2\n')
    expect(server.requests.map((url) => new URL(url, 'http://x').searchParams.get('after'))).toEqual([
      null,
      'c1',
      'c2',
      'c2',
    ])
  })

  test('is read again where the text, the window or the generation is another', async () => {
    let isDown = true
    const { server, service } = await given(paged((page) => page === 3 && isDown))
    await expect(service.ingest()).rejects.toThrow('does not give the page')

    isDown = false
    await service.ingest({ attempt: 2, since: '2026-01-01T00:00:00Z' })

    expect(server.requests.map(pageOf)).toEqual([1, 2, 3, 1, 2, 3, 4, 5])
  })

  test('is read again where an object is damaged, from the damage on', async () => {
    let isDown = true
    const { server, service } = await given(paged((page) => page === 4 && isDown))
    await expect(service.ingest()).rejects.toThrow('does not give the page')
    const last = (await pathsBelow(service, LANDING)).at(-1) ?? ''
    const text = (await service.lake.readText(last)) ?? ''
    await service.lake.put(last, `${text.slice(0, -2)}x\n`)

    isDown = false
    await service.ingest({ attempt: 2 })

    // After page 4 that failed: the damaged one, which holds the last page or more.
    expect(server.requests.map(pageOf)[4]).toBeLessThan(4)
    expect(service.csv().split('\n')).toHaveLength(1 + 4 * 3 + 1)
    expect(new Set(service.csv().split('\n')).size).toBe(1 + 4 * 3 + 1)
  })

  test('is read again from where an object is that another worker takes away meanwhile', async () => {
    let isDown = true
    const { service } = await given(paged((page) => page === 4 && isDown))
    await expect(service.ingest()).rejects.toThrow('does not give the page')
    const [first = ''] = await pathsBelow(service, LANDING)
    const { lake } = service
    const read = lake.read.bind(lake)
    let reads = 0
    lake.read = async function* (path, options) {
      // After the object was looked at, and before its rows are read.
      if (path === first && (reads += 1) === 4) await lake.delete(path)
      yield* read(path, options)
    }

    isDown = false
    await service.ingest({ attempt: 2 })

    expect(reads).toBe(4)
    expect(service.csv().split('\n')).toHaveLength(1 + 4 * 3 + 1)
  })

  test('leads nowhere any more, as a cursor that has run out: all is read again', async () => {
    let isDown = true
    const { server, service } = await given((request, response) => {
      const page = pageOf(request.url)
      if (page === 3 && server.requests.length < 5) {
        response.writeHead(isDown ? 503 : 400).end()
        return
      }
      reply(response, { data: page > 3 ? [] : rowsOf(page) })
    })
    await expect(service.ingest()).rejects.toThrow('does not give the page')

    isDown = false
    await service.ingest({ attempt: 2 })

    expect(server.requests.map(pageOf)).toEqual([1, 2, 3, 3, 1, 2, 3, 4])
    expect(service.csv().split('\n')).toHaveLength(1 + 3 * 3 + 1)
  })

  test('and all that is left to do is the file: nothing is asked again', async () => {
    const { server, service } = await given(paged(() => false))
    const controller = new AbortController()
    const { lake } = service
    const landing = lake.writeIfAbsent.bind(lake)
    lake.writeIfAbsent = async (path, ...rest) => {
      if (path.startsWith('raw/shop/api/')) throw new Error('killed')
      return await landing(path, ...rest)
    }
    await expect(service.ingest({}, controller.signal)).rejects.toThrow('killed')
    lake.writeIfAbsent = landing

    await service.ingest({ attempt: 2 })

    expect(server.requests.map(pageOf)).toEqual([1, 2, 3, 4, 5])
    expect(service.csv().split('\n')).toHaveLength(1 + 4 * 3 + 1)
  })

  test('by two workers at once, with answers that change: what lands is of one piece', async () => {
    let asked = 0
    const { service } = await given((request, response) => {
      const page = pageOf(request.url)
      asked += 1
      reply(response, { data: page > 12 ? [] : [{ page, asked }] })
    })

    const outcomes = await Promise.all([service.ingest(), service.ingest()])

    expect(outcomes[1]).toEqual(outcomes[0])
    const [file] = (await service.manifest())?.files ?? []
    const pages = service
      .csv(file?.path)
      .trim()
      .split('\n')
      .slice(1)
      .map((row) => Number(row.split(',')[0]))
    expect(pages).toEqual(Array.from({ length: 12 }, (_, index) => index + 1))
  })
})

async function pathsBelow(service: Awaited<ReturnType<typeof givenService>>, folder: string): Promise<string[]> {
  const paths: string[] = []
  for await (const { path } of service.lake.list(folder)) paths.push(path)
  return paths
}

async function filesBelow(service: Awaited<ReturnType<typeof givenService>>, folder: string): Promise<string[]> {
  return await Promise.all(
    (await pathsBelow(service, folder)).map(async (path) => (await service.lake.readText(path)) ?? ''),
  )
}

test('an attempt that fails for good says so, whatever was read before', async () => {
  const server = stack.use(await startHttp((_, response) => void response.writeHead(404).end()))
  const service = stack.use(await givenService({ source: aRestSource({ baseUrl: server.url }) }))

  const error: unknown = await service.ingest().catch((thrown: unknown) => thrown)

  expect(reportError(error)).toMatchObject({ code: 'REST_REFUSED', retryable: false })
})
