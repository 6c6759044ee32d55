// @module-tag slow: takes long
import { createServer } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { servePush } from '@cinelake/source-push'
import { createDirectoryLake } from '@cinelake/lake/directory'
import { currentSources, publishPipeline, readPipeline } from '@cinelake/pipeline'
import { createFill } from '@cinelake/secrets'
import { recordingLog } from '@cinelake/testkit'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { givenFolder } from './try.fixture.ts'

test('an API is asked for its first pages, and its pagination is found out', async () => {
  const users = Array.from({ length: 250 }, (_, id) => ({
    id,
    firstName: `A${id}`,
    address: { city: 'Łódź' },
    born: '1990-01-01',
  }))
  const asked: string[] = []
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? '', 'http://x')
    asked.push(url.search)
    const page = Number(url.searchParams.get('page') ?? 1)
    const body = { data: users.slice((page - 1) * 50, page * 50), page, total_pages: 5 }
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  await using given = await givenFolder(
    `  crm:\n    type: rest\n    baseUrl: ${url}\n    allowPrivate: [127.0.0.1]\n    datasets:\n      users: { path: /users, records: $.data }\n`,
  )

  const written = await given.try('crm/users', '--write')
  const askedToTry = asked.length
  const validated = await given.validate()
  const run = await given.run()
  server.close()

  expect([written.exitCode, askedToTry]).toEqual([0, 2])
  expect(written.out).toContain('page, recognised')
  expect([validated.exitCode, run.exitCode]).toEqual([0, 0])
  expect(run.notes).toContain('250 rows')
  const text = await given.text('pipeline.yaml')
  expect(parse(text)).toMatchObject({
    sources: {
      crm: { datasets: { users: { pagination: { type: 'auto' }, columns: { address_city: 'address.city' } } } },
    },
  })
  const { properties } = (await given.contract('users')).schema[0] ?? { properties: [] }
  expect(properties.map(({ name, classification }) => [name, classification])).toEqual([
    ['id', undefined],
    ['first_name', 'personal'],
    ['address_city', undefined],
    ['born', undefined],
  ])
})

describe('a dataset that is made of the rows of another', () => {
  const USERS = [
    { id: 'a/b', orders: [] },
    {
      id: 7,
      orders: [
        { no: 1, at: { day: '2026-03-01' }, sum: 1.5 },
        { no: 2, sum: 12.25 },
      ],
      tags: ['x', 'y'],
    },
    { id: 8, orders: [{ no: 3, sum: 2 }], note: '[called] Jane Doe' },
  ]

  async function given(datasets: string) {
    const stack = new AsyncDisposableStack()
    const asked: string[] = []
    const server = createServer((request, response) => {
      asked.push(request.url ?? '')
      const id = /users\/(.+)\/devices/.exec(request.url ?? '')?.[1]
      const devices = id === '8' ? [{ serial: 'S-1', owner: { email: 'x@example.org' } }, { serial: 'S-2' }] : []
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(id ? devices : USERS))
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    stack.defer(() => void server.close())
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    const source = `  crm:\n    type: rest\n    baseUrl: ${url}\n    datasets:\n${datasets}`
    return { ...stack.use(await givenFolder(source)), asked, [Symbol.asyncDispose]: () => stack.disposeAsync() }
  }

  test('by its path: the first of the parents are asked about', async () => {
    await using pipeline = await given(
      "      users: { path: /users, contract: x.yaml }\n      devices: { path: '/users/{users.id}/devices' }\n      other: {}\n",
    )

    const { exitCode, out } = await pipeline.try('crm/devices', '--write')

    expect([exitCode, pipeline.asked]).toEqual([0, ['/users', '/users/7/devices', '/users/8/devices']])
    expect(out).toContain('2 pages for 2 rows of users')
    const { properties } = (await pipeline.contract('devices')).schema[0] ?? { properties: [] }
    expect(properties.map(({ name, logicalType }) => [name, logicalType])).toEqual([
      ['users_id', 'integer'],
      ['serial', 'string'],
      ['owner_email', 'string'],
    ])
    expect(parse(await pipeline.text('pipeline.yaml'))).toMatchObject({
      sources: { crm: { datasets: { devices: { columns: { users_id: 'users.id', owner_email: 'owner.email' } } } } },
    })
  })

  test('by a list: its items, with the key of the row that they are in; all of it validates and runs', async () => {
    await using pipeline = await given(
      '      users: { path: /users, key: [id], explode: { orders: user_orders, tags: user_tags } }\n      user_orders: {}\n      user_tags: {}\n',
    )

    const written = []
    for (const name of ['users', 'user_orders', 'user_tags']) written.push(await pipeline.try(`crm/${name}`, '--write'))
    const [validated, run] = [await pipeline.validate(), await pipeline.run()]

    expect(written.map(({ exitCode }) => exitCode)).toEqual([0, 0, 0])
    const { properties } = (await pipeline.contract('user_orders')).schema[0] ?? { properties: [] }
    expect(
      properties.map((one) => [one['name'], one['physicalType'] ?? one['logicalType'], one['primaryKey']]),
    ).toEqual([
      ['users_id', 'integer', true],
      ['position', 'integer', true],
      ['no', 'integer', undefined],
      ['at_day', 'date', undefined],
      ['sum', 'DECIMAL(18,2)', undefined],
    ])
    expect([validated.exitCode, run.exitCode]).toEqual([0, 0])
    expect(run.notes).toMatch(/refine user_orders .*3 rows\n/)
    expect(run.notes).not.toContain('rejected')
  })

  test('by a field that is no list: is told, without a word of what is in it', async () => {
    await using pipeline = await given(
      '      users: { path: /users, key: [id], explode: { note: user_notes } }\n      user_notes: {}\n',
    )

    const { exitCode, notes, out } = await pipeline.try('crm/user_notes')

    expect([exitCode, notes]).toEqual([2, expect.stringContaining('lists in the field note of users')])
    expect(notes + out).not.toMatch(/Jane|called/)
  })

  test('is told when there is no row to look at', async () => {
    await using pipeline = await given(
      "      users: { path: /users, key: [id], explode: { gone: user_gone } }\n      user_gone: {}\n      more: { path: '/users/{users.uid}/devices' }\n",
    )

    const list = await pipeline.try('crm/user_gone')
    const path = await pipeline.try('crm/more')

    expect([list.exitCode, list.notes]).toEqual([2, expect.stringContaining('an item in the list gone of users')])
    expect([path.exitCode, path.notes]).toEqual([2, expect.stringContaining('rows of users with uid')])
  })
})

test('what was pushed last is looked at', async () => {
  await using given = await givenFolder(
    '  web:\n    type: push\n    auth: { keys: ["${secret:WEB_KEY}"] }\n    datasets:\n      clicks: { mode: append }\n',
  )
  const none = await given.try('web/clicks')
  await using lake = await createDirectoryLake(join(given.state, 'lake'))
  const contract =
    'apiVersion: v3.1.0\nkind: DataContract\nid: x\nversion: "1"\nstatus: draft\nschema:\n  - { name: clicks, properties: [{ name: id, logicalType: integer }] }\n'
  await mkdir(join(given.folder, 'contracts'))
  await writeFile(join(given.folder, 'contracts', 'clicks.yaml'), contract)
  const { pipeline } = await readPipeline(given.folder)
  if (pipeline === undefined) throw new Error('no pipeline')
  await publishPipeline(lake, pipeline)
  const secrets = { get: async () => 'key', has: async () => true, async [Symbol.asyncDispose]() {} }
  const clock = () => new Date('2026-03-01T10:00:00Z')
  const current = async () => await currentSources(lake, 'push')
  const deps = { lake, current, fill: createFill({ settings: {}, secrets }), clock, log: recordingLog() }
  await using api = await servePush(deps, { host: '127.0.0.1', port: 0 })
  const push = async (body: string) =>
    await fetch(`${api.url}/v1/datasets/web/clicks`, {
      method: 'POST',
      body,
      headers: { 'x-api-key': 'key', 'content-type': 'application/x-ndjson' },
    })

  await push('{"id":1,"at":"2026-03-01T09:00:00Z","ip":"10.0.0.1"}\n')
  const written = await given.try('web/clicks', '--write', '--force')
  const run = await given.run()

  expect([none.exitCode, written.exitCode, (await given.validate()).exitCode, run.exitCode]).toEqual([2, 0, 0, 0])
  const { properties } = (await given.contract('clicks')).schema[0] ?? { properties: [] }
  expect(properties.map(({ name, logicalType, classification }) => [name, logicalType, classification])).toEqual([
    ['id', 'integer', undefined],
    ['at', 'timestamp', undefined],
    ['ip', 'string', 'personal'],
  ])
})
