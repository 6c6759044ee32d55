import type { RequestListener } from 'node:http'
import { reportError } from '@cinelake/core'
import { RestSource } from '../config/index.ts'
import { startHttp, until } from '@cinelake/testkit'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { aRestSource, givenService } from '../source-rest.fixture.ts'

let stack: AsyncDisposableStack
beforeEach(() => void (stack = new AsyncDisposableStack()))
afterEach(() => stack.disposeAsync())

const devices = { task: 'ingest crm/devices', dataset: 'devices' }
const DEVICES = 'raw/shop/api/crm/devices/2026-03-01.csv'

type Fields = Partial<RestSource['datasets'][number]>

/** `users` and a dataset `devices` that starts from their rows. */
async function given(
  listener: RequestListener,
  child: Fields = {},
  parent: Fields = {},
  more: Partial<Parameters<typeof givenService>[0]> = {},
) {
  const server = stack.use(await startHttp(listener))
  const source = aRestSource({ baseUrl: server.url, maxRetries: 0, timeoutMs: 60_000 })
  const [users] = source.datasets
  const ownParent = { dataset: 'users', fields: ['id'], concurrency: 3 }
  const path = '/v1/users/{users.id}/devices'
  const both = RestSource.parse({
    ...source,
    datasets: [
      { ...users, ...parent },
      { ...users, name: 'devices', path, parent: ownParent, ...child },
    ],
  })
  return { server, service: stack.use(await givenService({ source: both, ...more })) }
}

const users = (ids: readonly unknown[]) => JSON.stringify({ data: ids.map((id) => ({ id, name: `n${String(id)}` })) })
const isUsers = (url: string | undefined) => url === '/v1/users'
const idIn = (url: string | undefined) => decodeURIComponent(/users\/([^/]+)\/devices/.exec(url ?? '')?.[1] ?? '')

describe('a dataset that is asked for by the rows of another', () => {
  test('lands in the order of the parents, whatever the order of the answers, with their key', async () => {
    const open = new Map<string, () => void>()
    const { service, server } = await given((request, response) => {
      if (isUsers(request.url)) {
        response.end(users(['a/b', 2, 'ü', 2, null, 4, 5]))
        return
      }
      const id = idIn(request.url)
      open.set(
        id,
        () => void response.end(JSON.stringify({ data: id === '4' ? [] : [{ device: `d-${id}`, tags: [id] }] })),
      )
    })
    await service.ingest()

    const landing = service.ingest(devices)
    // Three at once: the last of them is answered first.
    for (const ids of [
      ['a/b', '2', 'ü'],
      ['4', '5'],
    ]) {
      await until(`${ids.join()} are asked for`, () => ids.every((id) => open.has(id)))
      for (const id of ids.toReversed()) open.get(id)?.()
    }
    const outcome = await landing

    expect(service.csv(DEVICES)).toBe(
      'users.id,device,tags\na/b,d-a/b,"[""a/b""]"\n2,d-2,"[""2""]"\nü,d-ü,"[""ü""]"\n5,d-5,"[""5""]"\n',
    )
    expect(outcome.balance).toMatchObject({ in: 4, out: 4 })
    expect(server.requests.filter((url) => url.includes('devices')).sort()).toEqual([
      '/v1/users/%C3%BC/devices',
      '/v1/users/2/devices',
      '/v1/users/4/devices',
      '/v1/users/5/devices',
      '/v1/users/a%2Fb/devices',
    ])
  })

  test('asks about no more parents at once than it is said to', async () => {
    let running = 0
    let most = 0
    const { service } = await given((request, response) => {
      if (isUsers(request.url)) {
        response.end(users(Array.from({ length: 20 }, (_, id) => id + 1)))
        return
      }
      most = Math.max(most, (running += 1))
      setImmediate(() => {
        running -= 1
        response.end('{"data":[]}')
      })
    })
    await service.ingest()

    await service.ingest(devices)

    expect(most).toBeLessThanOrEqual(3)
  })

  test('where one parent is refused, does not wait for the answers about the others', async () => {
    const silent: string[] = []
    const { service } = await given((request, response) => {
      if (isUsers(request.url)) response.end(users([1, 2, 3, 4]))
      else if (idIn(request.url) !== '1') silent.push(idIn(request.url))
      else void until('the others are asked about', () => silent.length === 2).then(() => response.writeHead(404).end())
    })
    await service.ingest()

    const error: unknown = await service.ingest(devices).catch((thrown: unknown) => thrown)

    expect(reportError(error).code).toBe('REST_REFUSED')
    expect(silent).toEqual(['2', '3'])
  })

  test('uses no answer that is older than a day, whatever it asks about other parents meanwhile', async () => {
    let isDown = true
    let now = '2026-03-02T03:00:00Z'
    const { server, service } = await given(
      (request, response) => {
        if (isUsers(request.url)) response.end(users([1, 2, 3]))
        else if (idIn(request.url) === '3' && isDown) response.writeHead(503).end()
        else response.end(`{"data":[{"device":"${idIn(request.url)}"}]}`)
      },
      {},
      {},
      { clock: () => new Date(now) },
    )
    await service.ingest()
    await expect(service.ingest(devices)).rejects.toThrow('does not give the page')
    const before = server.requests.length
    now = '2026-03-03T03:00:01Z'
    isDown = false

    await service.ingest({ ...devices, attempt: 2 })

    expect(new Set(server.requests.slice(before).map(idIn))).toEqual(new Set(['1', '2', '3']))
    expect(service.csv(DEVICES).split('\n')).toHaveLength(1 + 3 + 1)
  })

  test('goes on with the parent, and the page of it, where the attempt before stopped', async () => {
    let isDown = true
    const { service, server } = await given(
      (request, response) => {
        if (isUsers(request.url)) {
          response.end(users([1, 2, 3, 4]))
          return
        }
        const url = new URL(request.url ?? '', 'http://x')
        const page = Number(url.searchParams.get('page'))
        const id = idIn(url.pathname)
        if (isDown && id === '2' && page === 2) {
          response.writeHead(503).end()
          return
        }
        response.end(JSON.stringify({ data: page > 2 ? [] : [{ d: `${id}-${page}` }] }))
      },
      {
        pagination: {
          type: 'page',
          parameter: 'page',
          first: 1,
          end: { emptyPage: true, shortPage: false },
          atMaxPages: 'fail',
          samePage: 'allow',
        },
        parent: { dataset: 'users', fields: ['id'], concurrency: 1 },
      },
    )
    await service.ingest()
    await expect(service.ingest(devices)).rejects.toThrow('does not give the page')
    const before = server.requests.length

    isDown = false
    await service.ingest({ ...devices, attempt: 2 })

    expect(server.requests[before]).toBe('/v1/users/2/devices?page=2')
    expect(service.csv(DEVICES)).toBe('users.id,d\n1,1-1\n1,1-2\n2,2-1\n2,2-2\n3,3-1\n3,3-2\n4,4-1\n4,4-2\n')
  })

  test('a parent that has none is ignored where the text says so, and else fails the task', async () => {
    const listener: RequestListener = (request, response) => {
      if (isUsers(request.url)) {
        response.end(users([1, 2, 3]))
        return
      }
      if (idIn(request.url) === '2') {
        response.writeHead(404).end()
        return
      }
      response.end('{"data":[{"d":1}]}')
    }
    const strict = await given(listener)
    const lenient = await given(listener, { statuses: { 404: 'ignore' } })
    await strict.service.ingest()
    await lenient.service.ingest()

    const error: unknown = await strict.service.ingest(devices).catch((thrown: unknown) => thrown)
    await lenient.service.ingest(devices)

    expect(reportError(error).code).toBe('REST_REFUSED')
    expect(lenient.service.csv(DEVICES)).toBe('users.id,d\n1,1\n3,1\n')
  })

  test('without a landing of the parent, without the column, or with a value that leads elsewhere, is refused', async () => {
    const { service } = await given((_, response) => void response.end(users(['..'])))
    await expect(service.ingest(devices)).rejects.toThrow('no landing in this window')
    await service.ingest()
    await expect(service.ingest(devices)).rejects.toThrow('no part of a path')

    const other = await given((_, response) => void response.end(users([1])), {
      parent: { dataset: 'users', fields: ['uid'], concurrency: 1 },
    })
    await other.service.ingest()
    await expect(other.service.ingest(devices)).rejects.toThrow('no column uid among id, name')
  })

  test('whose parent has no rows has none either', async () => {
    const { service } = await given((_, response) => void response.end('{"data":[]}'))
    await service.ingest()

    expect(await service.ingest(devices)).toMatchObject({ output: { fileCount: 0, rowCount: 0 } })
  })
})

test('a list becomes rows of their own, exact, with the key of the record that they were in, without a request', async () => {
  const records =
    '[{"id":1,"devices":[{"n":9007199254740993,"at":{"x":1.10}},{"n":2}]},{"id":2,"devices":[]},{"id":3},{"id":4,"devices":["a",7,null]},{"id":5,"devices":{"n":3}}]'
  const { service, server } = await given(
    (_, response) => void response.end(`{"data":${records}}`),
    { path: '', parent: undefined, explodedFrom: { dataset: 'users', field: 'devices', key: ['id'] } },
    { key: ['id'], flatten: { devices: 'json' } },
  )
  await service.ingest()

  const outcome = await service.ingest(devices)

  expect(service.csv(DEVICES)).toBe(
    'users.id,_position,n,at.x,value\n1,1,9007199254740993,1.10,\n1,2,2,,\n4,1,,,a\n4,2,,,7\n4,3,,,\n5,1,3,,\n',
  )
  expect(outcome.balance).toMatchObject({ in: 6, out: 6 })
  expect(server.requests).toHaveLength(1)
})
