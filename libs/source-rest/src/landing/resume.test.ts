// @module-tag slow: kills processes
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import type { RequestListener, ServerResponse } from 'node:http'
import { join } from 'node:path'
import { zstdDecompressSync } from 'node:zlib'
import { landingPath, type Ingest } from '@cinelake/contracts'
import { parseWindow, reportError } from '@cinelake/core'
import { createDirectoryLake } from '@cinelake/lake/directory'
import type { RestSource } from '../config/index.ts'
import { aCommandHeader, putPipeline, startHttp, temporaryDirectory, until } from '@cinelake/testkit'
import fc from 'fast-check'
import { type CheckedColumn, sourceErrors } from '@cinelake/source-kind'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { aRestSource, givenService } from '../source-rest.fixture.ts'

let stack: AsyncDisposableStack
beforeEach(() => void (stack = new AsyncDisposableStack()))
afterEach(() => stack.disposeAsync())

const ANSWERS = 'raw/shop/api/crm/users/2026-03-01.answers'
const byPage = { pagination: { type: 'page', parameter: 'page', first: 1 } } as const
const pageOf = (url: string | undefined) => Number(new URL(url ?? '', 'http://x').searchParams.get('page') ?? 1)
const reply = (response: ServerResponse, body: unknown) => void response.end(JSON.stringify(body))
const rowsOf = (page: number) =>
  Array.from({ length: 3 }, (_, row) => ({ id: page * 10 + row, name: `n"${page}`, [`p${page % 3}`]: page }))

/** Whether a page is in the lake. */
function isKept(directory: string, page: number): boolean {
  const folder = join(directory, ANSWERS)
  const name = `"name":"${String(page).padStart(8, '0')}-`
  return existsSync(folder) && readdirSync(folder).some((file) => readFileSync(join(folder, file)).includes(name))
}

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
  const kills = fc.uniqueArray(fc.integer({ min: 2, max: pageCount }), { minLength: 4, maxLength: 4 })
  await fc.assert(
    fc.asyncProperty(kills, async (planned) => {
      const waiting = new Set(planned)
      let reader: ChildProcess | undefined
      let directory = ''
      const server = stack.use(
        await startHttp((request, response) => {
          const page = pageOf(request.url)
          // As an API is that takes longer for a page than the lake does: the page before is in the lake.
          const answer = async () => {
            await until(`page ${page - 1} is in the lake`, () => page === 1 || isKept(directory, page - 1))
            if (waiting.delete(page)) reader?.kill('SIGKILL')
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
      expect(server.requests.map(pageOf)).toEqual([...expected, ...planned].sort((a, b) => a - b))
      expect(JSON.parse(balance)).toMatchObject({ in: pageCount * 3, out: pageCount * 3 })
      const whole = stack.use(await givenService({ source: aRestSource({ baseUrl: server.url, ...byPage }) }))
      directory = whole.directory
      await whole.ingest()
      const file = readFileSync(join(given.directory, 'raw/shop/api/crm/users/2026-03-01.csv'), 'utf8')
      expect(file).toBe(whole.csv())
      expect(readdirSync(join(given.directory, ANSWERS))).toHaveLength(pageCount + 1)
      expect((await whole.manifest())?.answers).toMatchObject({ folder: ANSWERS, count: pageCount + 1 })
    }),
    // Fewer kills would fail just as well: each run starts processes.
    { numRuns: 1, endOnFailure: true },
  )
})

describe('what was read before', () => {
  /** Fails at a page until it is told not to; takes longer for a page than the lake does for the one before. */
  const given = async (listener: RequestListener, fields: Parameters<typeof aRestSource>[0] = byPage) => {
    let directory = ''
    const server = stack.use(
      await startHttp((request, response) => {
        const page = pageOf(request.url)
        void until(`page ${page - 1} is in the lake`, () => page === 1 || isKept(directory, page - 1)).then(() =>
          listener(request, response),
        )
      }),
    )
    const service = stack.use(
      await givenService({
        source: aRestSource({ baseUrl: server.url, maxRetries: 0, ...fields }),
        secrets: () => 'the-very-key',
      }),
    )
    directory = service.directory
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
    const kept = await bodiesKept(service)

    isDown = false
    await service.ingest({ attempt: 2 })

    expect(kept).toHaveLength(2)
    expect(kept.join('')).not.toContain('the-very-key')
    expect(service.csv()).toBe('id\nfirst\nc1\nc2\n')
    expect(server.requests.map((url) => new URL(url, 'http://x').searchParams.get('after'))).toEqual([
      null,
      'c1',
      'c2',
      'c2',
    ])
  })

  test.each([
    ['host', (url: string) => ({ baseUrl: url.replace('127.0.0.1', '${secret:PART}') }), '127.0.0.1', '?page='],
    ['path', (url: string) => ({ baseUrl: `${url}/\${secret:PART}` }), 'tenant/a', 'users?page='],
  ])('is gone on from by links that are relative to an address with a secret %s', async (_, fields, part, link) => {
    let isDown = true
    const server = stack.use(
      await startHttp((request, response) => {
        const page = pageOf(request.url)
        if (page === 3 && isDown) response.writeHead(503).end()
        else reply(response, { data: rowsOf(page), next: page < 3 ? `${link}${page + 1}` : null })
      }),
    )
    const pagination = { type: 'nextLink', path: '$.next' } as const
    const source = aRestSource({ maxRetries: 0, allowPrivate: ['127.0.0.1'], ...fields(server.url), pagination })
    const service = stack.use(await givenService({ source, secrets: () => part }))
    await expect(service.ingest()).rejects.toThrow('does not give the page')
    expect((await bodiesKept(service)).join('')).toContain('secret.')

    isDown = false
    await service.ingest({ attempt: 2 })

    expect(server.requests.map(pageOf)).toEqual([1, 2, 3, 3])
    expect(new Set(server.requests.map((url) => url.split('?')[0])).size).toBe(1)
    expect(service.csv().split('\n')).toHaveLength(1 + 3 * 3 + 1)
  })

  test('is read again where the text, the window or the generation is another', async () => {
    let isDown = true
    const { server, service } = await given(paged((page) => page === 3 && isDown))
    await expect(service.ingest()).rejects.toThrow('does not give the page')

    isDown = false
    await service.ingest({ attempt: 2, since: '2026-01-01T00:00:00Z' })

    expect(server.requests.map(pageOf)).toEqual([1, 2, 3, 1, 2, 3, 4, 5])
  })

  test.each([
    ['damaged in its body', (object: Buffer) => Buffer.concat([object.subarray(0, -3), Buffer.from('xyz')])],
    [
      'damaged in its head',
      (object: Buffer) => Buffer.from(object.toString('latin1').replace('"status":200', '"status":204'), 'latin1'),
    ],
    ['cut', (object: Buffer) => object.subarray(0, -5)],
    ['cut within its head', (object: Buffer) => object.subarray(0, 60)],
    ['empty', () => Buffer.alloc(0)],
    ['of another version', () => Buffer.from('{"format":2}')],
  ])('is read again where an object is %s, that page alone if the answer is the same', async (_, damage) => {
    let isDown = true
    const { server, service } = await given(paged((page) => page === 4 && isDown))
    await expect(service.ingest()).rejects.toThrow('does not give the page')
    const second = (await pathsBelow(service, ANSWERS))[1] ?? ''
    await service.lake.put(second, damage(readFileSync(join(service.directory, second))))

    isDown = false
    await service.ingest({ attempt: 2 })

    // The clock stands still here, so the answer is the same in its head as well.
    expect(server.requests.map(pageOf)).toEqual([1, 2, 3, 4, 2, 4, 5])
    expect(service.csv().split('\n')).toHaveLength(1 + 4 * 3 + 1)
    expect(await pathsBelow(service, ANSWERS)).toHaveLength(5)
  })

  test('is read again from where an object is that another worker takes away meanwhile', async () => {
    let isDown = true
    const { service } = await given(paged((page) => page === 4 && isDown))
    await expect(service.ingest()).rejects.toThrow('does not give the page')
    const [first = ''] = await pathsBelow(service, ANSWERS)
    const { lake } = service
    const read = lake.read.bind(lake)
    let reads = 0
    lake.read = async function* (path, options) {
      // After the objects were listed, and before this one is read.
      if (path === first && (reads += 1) === 1) await lake.delete(path)
      yield* read(path, options)
    }

    isDown = false
    await service.ingest({ attempt: 2 })

    expect(reads).toBe(1)
    expect(service.csv().split('\n')).toHaveLength(1 + 4 * 3 + 1)
  })

  test('more than a day ago is read again', async () => {
    let isDown = true
    let now = '2026-03-02T03:00:00Z'
    const server = stack.use(await startHttp(paged((page) => page === 3 && isDown)))
    const source = aRestSource({ baseUrl: server.url, maxRetries: 0, ...byPage })
    const service = stack.use(await givenService({ source, clock: () => new Date(now) }))
    await expect(service.ingest()).rejects.toThrow('does not give the page')

    now = '2026-03-03T03:00:00Z'
    await expect(service.ingest({ attempt: 2 })).rejects.toThrow('does not give the page')
    now = '2026-03-03T03:00:01Z'
    isDown = false
    await service.ingest({ attempt: 3 })

    expect(server.requests.map(pageOf)).toEqual([1, 2, 3, 3, 1, 2, 3, 4, 5])
    expect((await service.manifest())?.answers).toMatchObject({ count: 5 })
  })

  test.each([
    ['used', (object: Buffer) => object, [6, 7]],
    ['damaged in the last of them, used before that', (object: Buffer) => object.subarray(0, -3), [5, 6, 7]],
  ])('faster than the lake takes it is in one object, and %s', async (_, damage, askedAgain) => {
    let isDown = true
    const server = stack.use(await startHttp(paged((page) => page === 6 && isDown, 6)))
    const source = aRestSource({ baseUrl: server.url, maxRetries: 0, ...byPage })
    const service = stack.use(await givenService({ source }))
    const put = service.lake.putIfAbsent.bind(service.lake)
    service.lake.putIfAbsent = async (path, ...rest) => {
      if (path.startsWith(ANSWERS)) await until('all are requested', () => server.requests.length >= 6)
      return await put(path, ...rest)
    }
    await expect(service.ingest()).rejects.toThrow('does not give the page')
    service.lake.putIfAbsent = put
    const [, second = '', ...more] = await pathsBelow(service, ANSWERS)
    await service.lake.put(second, damage(readFileSync(join(service.directory, second))))
    isDown = false
    await service.ingest({ attempt: 2 })

    expect(more).toEqual([])
    expect(server.requests.slice(6).map(pageOf)).toEqual(askedAgain)
    expect(service.csv().split('\n')).toHaveLength(1 + 6 * 3 + 1)
    expect((await service.manifest())?.answers).toMatchObject({ count: 7 })
  })

  test('by the version before is neither used nor in the way, and is removed', async () => {
    const { server, service } = await given(paged(() => false))
    const former = landingPath('shop', '2026-03-01', 'ingest-crm.users')
    await service.lake.put(`${former}/p-00000001`, '0000000012\n{"format":2}')
    await service.lake.put(`${former}/m-00000001`, '')

    await service.ingest()

    expect(server.requests.map(pageOf)).toEqual([1, 2, 3, 4, 5])
    expect(await pathsBelow(service, former)).toEqual([])
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

  test('is used, and not asked for again, after an error for good that has nothing to do with the requests', async () => {
    const { server, service } = await given(paged(() => false))
    const { command } = await frozen(aRestSource({}))
    const { lake } = service
    const landing = lake.writeIfAbsent.bind(lake)
    lake.writeIfAbsent = async (path, ...rest) => {
      if (path.startsWith('raw/shop/api/')) throw sourceErrors.INGEST_COMMAND_UNKNOWN(command, 'allowed')
      return await landing(path, ...rest)
    }
    await expect(service.ingest()).rejects.toThrow('allowed')
    await expect(service.ingest({ attempt: 2 })).rejects.toThrow('allowed')
    lake.writeIfAbsent = landing

    await service.ingest({ attempt: 3 })

    expect(server.requests.map(pageOf)).toEqual([1, 2, 3, 4, 5])
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

/** The bodies that are kept, unpacked, each behind its head. */
async function bodiesKept(service: Awaited<ReturnType<typeof givenService>>): Promise<string[]> {
  return (await pathsBelow(service, ANSWERS)).map((path) => {
    const object = readFileSync(join(service.directory, path))
    const frame = 8 + object.readUInt32LE(4)
    return `${object.toString('utf8', 40, frame)} ${zstdDecompressSync(object.subarray(frame)).toString()}`
  })
}

describe('what is kept', () => {
  const columns: CheckedColumn[] = [{ name: 'id', type: 'BIGINT', required: true, reading: { from: ['id'] } }]
  const datasets = [{ source: 'crm', sourceDataset: 'users', mode: 'snapshot', contract: { columns } } as const]

  test('are the answers as they were received, which any tool unpacks, and no cookie', async () => {
    const text = '{ "data": [ {"id": 1.50, "more": [null]} ], "at": "12:00" }\n'
    const server = stack.use(
      await startHttp((_, response) => void response.writeHead(200, { 'set-cookie': 's=1', link: '</x>' }).end(text)),
    )
    const service = stack.use(await givenService({ source: aRestSource({ baseUrl: server.url }), datasets }))

    await service.ingest()

    const [kept = ''] = await bodiesKept(service)
    expect(kept.endsWith(` ${text}`)).toBe(true)
    expect(kept).toContain('["link","</x>"]')
    expect(kept).not.toContain('cookie')
    expect(service.csv()).toBe('id,more\n1.50,[null]\n')
  })

  test('is nothing where the dataset ignores fields: an attempt starts over, and lands all', async () => {
    let isDown = true
    const pages = [
      '[{"id":9007199254740993,"mail":"a@b.c","home":{"city":"Ulm"},"tags":["t"]}]',
      '[{"id":2,"mail":"d@e.f"}]',
    ]
    const server = stack.use(
      await startHttp((request, response) => {
        const page = pageOf(request.url)
        if (page === 3 && isDown) response.writeHead(503).end()
        else response.end(`{"data":${pages[page - 1] ?? '[]'}}`)
      }),
    )
    const source = aRestSource({ baseUrl: server.url, maxRetries: 0, ...byPage, drift: 'ignore' })
    const service = stack.use(await givenService({ source, datasets }))
    // As an attempt with another policy leaves it.
    await service.lake.put(`${ANSWERS}/00000001-former.zst`, 'a@b.c')
    await expect(service.ingest()).rejects.toThrow('does not give the page')
    expect(await pathsBelow(service, ANSWERS)).toEqual([])
    isDown = false
    const outcome = await service.ingest({ attempt: 2 })
    const asked = server.requests.map(pageOf)
    const whole = await stack.use(await givenService({ source, datasets })).ingest()

    expect(asked).toEqual([1, 2, 3, 1, 2, 3])
    expect(await pathsBelow(service, ANSWERS)).toEqual([])
    expect((await service.manifest())?.answers).toBeUndefined()
    expect(service.csv()).toBe('id\n9007199254740993\n2\n')
    expect(outcome).toEqual(whole)
    expect(outcome.quality?.[0]?.detail).toContain('mail, home.city, tags')
  })

  test('is nothing where fields are ignored that lead to the next page, or tell pages apart: all rows land', async () => {
    let isDown = true
    const server = stack.use(
      await startHttp((request, response) => {
        const after = Number(new URL(request.url ?? '', 'http://x').searchParams.get('after') ?? 0)
        if (after === 4 && isDown) response.writeHead(503).end()
        else
          reply(response, {
            data: after === 8 ? [] : [after + 1, after + 2].map((at) => ({ id: 7, at })),
            included: [{ mail: 'a@b.c' }],
          })
      }),
    )
    const pagination = { type: 'cursor', path: '$.data[-1].at', parameter: 'after' } as const
    const source = aRestSource({ baseUrl: server.url, maxRetries: 0, pagination, drift: 'ignore' })
    const service = stack.use(await givenService({ source, datasets }))
    await expect(service.ingest()).rejects.toThrow('does not give the page')
    isDown = false

    const { balance } = await service.ingest({ attempt: 2 })

    expect(balance).toMatchObject({ in: 8, out: 8 })
    expect(service.csv()).toBe(`id\n${'7\n'.repeat(8)}`)
  })

  test('is nothing where fields are ignored: two workers at once, with answers that change, each write a whole file', async () => {
    let asked = 0
    const server = stack.use(
      await startHttp((request, response) => {
        asked += 1
        const data = pageOf(request.url) > 12 ? [] : [{ id: asked * 100 + pageOf(request.url), mail: 'a@b.c' }]
        reply(response, { data })
      }),
    )
    const source = aRestSource({ baseUrl: server.url, ...byPage, drift: 'ignore' })
    const service = stack.use(await givenService({ source, datasets }))

    const outcomes = await Promise.all([service.ingest(), service.ingest()])

    expect(outcomes[1]).toEqual(outcomes[0])
    const files = (await pathsBelow(service, 'raw/shop/api/crm/users')).map((path) => service.csv(path))
    expect(files).toContain(service.csv((await service.manifest())?.files[0]?.path))
    const whole = Array.from({ length: 12 }, (_, index) => index + 1)
    const rowsIn = (csv: string) => csv.trim().split('\n').slice(1).map(Number)
    expect(files.map((csv) => rowsIn(csv).map((id) => id % 100))).toEqual(files.map(() => whole))
    expect(server.requests).toHaveLength(26)
  })

  test('with `drift: fail`, is nothing from the first page on that has a field the contract does not know', async () => {
    const pages = ['[{"id":1}]', '[{"id":2},{"ID":3,"mail":"a@b.c"}]', '[{"id":4}]']
    const server = stack.use(
      await startHttp((request, response) => void response.end(`{"data":${pages[pageOf(request.url) - 1] ?? '[]'}}`)),
    )
    const source = aRestSource({ baseUrl: server.url, maxRetries: 0, ...byPage, drift: 'fail' })
    const service = stack.use(await givenService({ source, datasets }))

    const failures = [
      await service.ingest().catch(reportError),
      await service.ingest({ attempt: 2 }).catch(reportError),
    ]

    expect(failures).toMatchObject([{ code: 'REST_SCHEMA_DRIFT' }, { code: 'REST_SCHEMA_DRIFT' }])
    const kept = await bodiesKept(service)
    expect(kept.map((text) => text.slice(text.lastIndexOf(' ')))).toEqual([' {"data":[{"id":1}]}'])
    expect(server.requests.map(pageOf).filter((page) => page === 1)).toHaveLength(1)
  })

  test('with `drift: fail`, are the answers of which all fields are known', async () => {
    let isDown = true
    const server = stack.use(
      await startHttp((request, response) => {
        const page = pageOf(request.url)
        if (page === 3 && isDown) response.writeHead(503).end()
        else reply(response, { data: page > 3 ? [] : [{ id: page }] })
      }),
    )
    const source = aRestSource({ baseUrl: server.url, maxRetries: 0, ...byPage, drift: 'fail' })
    const service = stack.use(await givenService({ source, datasets }))
    await expect(service.ingest()).rejects.toThrow('does not give the page')
    isDown = false
    await service.ingest({ attempt: 2 })

    expect(server.requests.map(pageOf)).toEqual([1, 2, 3, 3, 4])
    expect((await service.manifest())?.answers).toMatchObject({ count: 4 })
  })

  test('names no secret that the server repeats, and the records are as they were received', async () => {
    let isDown = true
    const key = 'a+b/"c"ü'
    const server = stack.use(
      await startHttp((request, response) => {
        const page = pageOf(request.url)
        if (page === 2 && isDown) {
          response.writeHead(503).end()
          return
        }
        const next = page < 2 ? `/v1/users?page=2&key=${encodeURIComponent(key)}` : null
        const data = [{ id: page, self: `?key=${encodeURIComponent(key)}`, key, odd: '${secret:KEY:0}' }]
        reply(response, { data, next })
      }),
    )
    const source = aRestSource({
      baseUrl: server.url,
      maxRetries: 0,
      query: { key: '${secret:KEY}' },
      pagination: { type: 'nextLink', path: '$.next' },
    })
    const service = stack.use(await givenService({ source, secrets: () => key }))
    await expect(service.ingest()).rejects.toThrow('does not give the page')
    isDown = false
    await service.ingest({ attempt: 2 })
    const whole = stack.use(await givenService({ source, secrets: () => key }))
    await whole.ingest()

    const kept = (await bodiesKept(service)).join('')
    expect(kept).toContain('${secret:KEY:1}')
    for (const form of [key, encodeURIComponent(key), JSON.stringify(key).slice(1, -1)])
      expect(kept).not.toContain(form)
    expect(service.csv()).toBe(whole.csv())
    expect(service.csv()).toContain('${secret:KEY:0}')
  })
})

test('an attempt that fails for good says so, whatever was read before', async () => {
  const server = stack.use(await startHttp((_, response) => void response.writeHead(404).end()))
  const service = stack.use(await givenService({ source: aRestSource({ baseUrl: server.url }) }))

  const error: unknown = await service.ingest().catch((thrown: unknown) => thrown)

  expect(reportError(error)).toMatchObject({ code: 'REST_REFUSED', retryable: false })
})
