import { createServer } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { readFile, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { servePush } from '@cinelake/ingest-api'
import { createDirectoryLake } from '@cinelake/lake/directory'
import { publishPipeline, readPipeline } from '@cinelake/pipeline'
import { createFill } from '@cinelake/secrets'
import { recordingLog, sharedData, temporaryDirectory } from '@cinelake/testkit'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { cinelake } from './testing.fixture.ts'

type Files = Readonly<Record<string, string | Uint8Array>>

async function givenFolder(sources: string, files: Files = {}, rest = '') {
  const directory = await temporaryDirectory()
  const folder = join(directory.path, 'pipeline')
  await mkdir(join(directory.path, 'drop'), { recursive: true })
  await mkdir(folder)
  const head = '# By hand.\npipeline: mine\nschedule: { every: day, timeZone: UTC, start: 2026-03-01 }\nsources:\n'
  await writeFile(
    join(folder, 'pipeline.yaml'),
    `${head}${sources.replaceAll('DROP', join(directory.path, 'drop'))}${rest}`,
  )
  for (const [name, content] of Object.entries(files)) await writeFile(join(directory.path, 'drop', name), content)
  const state = join(directory.path, 'state')
  return {
    folder,
    state,
    try: async (name: string, ...options: string[]) =>
      await cinelake(['try', name, folder, '--state', state, ...options]),
    validate: async () => await cinelake(['validate', folder]),
    run: async () => await cinelake(['run', folder, '--window', '2026-03-01', '--state', state], { WEB_KEY: 'key' }),
    text: async (file: string) => await readFile(join(folder, file), 'utf8'),
    contract: async (name: string) =>
      parse(await readFile(join(folder, 'contracts', `${name}.yaml`), 'utf8')) as {
        schema: { properties: Record<string, unknown>[] }[]
      },
    [Symbol.asyncDispose]: () => directory[Symbol.asyncDispose](),
  }
}

const FILES =
  "  shop:\n    type: files\n    path: DROP\n    datasets:\n      orders: { files: 'orders*' } # every day\n"

const CUSTOMERS = [
  'Order No;Customer E-Mail;Ordered;Total;Paid;Tags;Code;Placed At;State;Note',
  ...Array.from({ length: 40 }, (_, index) => {
    const day = String((index % 28) + 1).padStart(2, '0')
    const tags = ['red|blue', 'blue|green', 'red'][index % 3]
    const total = index === 7 ? 'n/a' : `${index}.${100 + index},5${index % 10}`
    return `${1000 + index};u${index}@example.org;${day}.03.2026;${total};${index % 2 === 0 ? 'yes' : 'no'};${tags};00${index};2026-03-01T10:00:00Z;${['open', 'done'][index % 2]};${index === 3 ? '' : `text ${index}`}`
  }),
].join('\r\n')

describe('files', () => {
  test('are looked at, drafted, written, and refined without a reject', async () => {
    await using given = await givenFolder(
      FILES,
      { 'orders.csv': Buffer.from(CUSTOMERS.replaceAll('text', 'tëxt'), 'latin1') },
      'serve: [orders]\n',
    )

    const looked = await given.try('shop/orders')
    const written = await given.try('shop/orders', '--write')
    const validated = await given.validate()
    const run = await given.run()

    expect(looked.out).toContain('windows-1252, delimiter ;')
    expect(looked.out).not.toContain('@example.org')
    expect(looked.out).not.toContain('open')
    expect([written.exitCode, validated.exitCode, run.exitCode]).toEqual([0, 0, 0])
    const { properties } = (await given.contract('orders')).schema[0] ?? { properties: [] }
    expect(properties.map(({ name, logicalType, physicalType }) => [name, physicalType ?? logicalType])).toEqual([
      ['order_no', 'integer'],
      ['customer_e_mail', 'string'],
      ['ordered', 'date'],
      ['total', 'DECIMAL(18,2)'],
      ['paid', 'boolean'],
      ['tags', 'array'],
      ['code', 'string'],
      ['placed_at', 'timestamp'],
      ['state', 'string'],
      ['note', 'string'],
    ])
    expect(properties[0]).toMatchObject({ required: true, primaryKey: true })
    expect(properties[1]).toMatchObject({ classification: 'personal', required: true })
    expect(properties[8]).toMatchObject({
      quality: [{ arguments: { validValues: ['done', 'open'] }, severity: 'warn' }],
    })
    expect(properties[9]).not.toHaveProperty('required')
    const text = await given.text('pipeline.yaml')
    expect(text).toContain('# By hand.\n')
    expect(text).toContain('# every day')
    expect(parse(text)).toMatchObject({
      sources: {
        shop: {
          datasets: {
            orders: {
              columns: {
                ordered: { formats: ['%d.%m.%Y'] },
                total: { decimal: ',', nulls: ['n/a'] },
                tags: { separators: ['|'] },
              },
            },
          },
        },
      },
      serve: [{ table: 'orders', exclude: ['customer_e_mail'] }],
    })
    expect(run.notes).toContain('refine orders')
    expect(run.notes).not.toContain('rejected')
  })

  test('that are packed are unpacked, and the newest of several is looked at', async () => {
    await using given = await givenFolder(FILES.replace('orders*', 'orders_{yyyy}-{MM}-{dd}.csv.gz'), {
      'orders_2026-03-01.csv.gz': gzipSync('id\n1\n'),
      'orders_2026-03-02.csv.gz': gzipSync('id,name\n1,x\n2,y\n'),
    })

    const { out } = await given.try('shop/orders', '--show-values')

    expect(out).toContain('2 match')
    expect(out).toContain('orders_2026-03-02.csv.gz')
    expect(out).toContain('x · y')
  })

  test('whose contract is there stay as they are unless that is asked for', async () => {
    await using given = await givenFolder(FILES, { 'orders.csv': 'id\n1\n' })

    await given.try('shop/orders', '--write')
    const before = await given.text('contracts/orders.yaml')
    const refused = await given.try('shop/orders', '--write')
    const forced = await given.try('shop/orders', '--write', '--force')

    expect([refused.exitCode, forced.exitCode]).toEqual([2, 0])
    expect(refused.notes).toContain('--force replaces it')
    expect(await given.text('contracts/orders.yaml')).toBe(before)
  })

  test('that are not there are told, as is a dataset that is not', async () => {
    await using given = await givenFolder(FILES)

    const nothing = await given.try('shop/orders')
    const unknown = await given.try('shop/order')

    expect([nothing.exitCode, nothing.notes]).toEqual([1, expect.stringContaining('no file came')])
    expect([unknown.exitCode, unknown.notes]).toEqual([2, expect.stringContaining('one of shop/orders')])
  })

  test.skipIf(sharedData('netflix_titles_nov_2019') === undefined)(
    'of the world are drafted so that they run',
    async () => {
      const folder = sharedData('netflix_titles_nov_2019') ?? ''
      await using given = await givenFolder(FILES.replace('DROP', folder).replace('orders*', '*.csv'))

      const written = await given.try('shop/orders', '--write', '--rows', '10000')
      const run = await given.run()

      expect([written.exitCode, (await given.validate()).exitCode, run.exitCode]).toEqual([0, 0, 0])
      expect(run.notes).not.toContain('rejected')
    },
  )
})

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
  const deps = { lake, fill: createFill({ settings: {}, secrets }), clock, log: recordingLog() }
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
