import { describe, expect, test } from 'vitest'
import { planRun } from './plan.ts'
import { readPipeline } from './read-pipeline.ts'
import { textFolder } from './fixtures/text-folder.fixture.ts'

const contract = (name: string) =>
  `apiVersion: v3.1.0\nkind: DataContract\nid: ${name}\nversion: 1.0.0\nstatus: active\nschema:\n  - name: ${name}\n    properties:\n      - { name: id, logicalType: string }\n`

const read = async (source: string, datasets: string) => {
  const names = [...datasets.matchAll(/^ {6}(\w+):/gm)].map(([, name = '']) => name)
  const text = `pipeline: shop\nschedule: { every: day, start: 2026-03-01 }\nsources:\n  crm:\n    type: rest\n    baseUrl: https://x.example\n${source}    datasets:\n${datasets}`
  const contracts = Object.fromEntries(names.map((name) => [`contracts/${name}.yaml`, contract(name)]))
  return await readPipeline(textFolder({ 'pipeline.yaml': text, ...contracts }))
}
const sourceOf = ({ pipeline }: Awaited<ReturnType<typeof read>>) => pipeline?.sources[0]

test('limits of a source are read with their units', async () => {
  const result = await read(
    `    limits: [{ requests: 100, per: 1m }, { requests: 5, per: 1s }]\n    concurrency: 3\n    retryBudget: 9\n    statuses: { 404: ignore, 5xx: retry }\n    timeouts: { connect: 2s, headers: 3s, body: 4s }\n    maxResponse: 10MB\n    allowPrivate: [erp.example.local]\n    tls: { ca: '\${secret:CA}' }\n`,
    '      users: { path: /u, maxResponse: 2MiB, statuses: { 410: ignore } }\n',
  )

  expect(result.problems.filter(({ severity }) => severity === 'error')).toEqual([])
  expect(sourceOf(result)).toMatchObject({
    limits: [
      { requests: 100, periodMs: 60_000 },
      { requests: 5, periodMs: 1000 },
    ],
    concurrency: 3,
    retryBudget: 9,
    statuses: { '404': 'ignore', '5xx': 'retry' },
    connectTimeoutMs: 2000,
    headersTimeoutMs: 3000,
    bodyTimeoutMs: 4000,
    maxResponseBytes: 10_000_000,
    allowPrivate: ['erp.example.local'],
    tls: { ca: '${secret:CA}' },
    datasets: [{ maxResponseBytes: 2 * 1024 * 1024, statuses: { '410': 'ignore' } }],
  })
})

test('parents and exploded lists are read, and their tasks come after the parent’s', async () => {
  const result = await read(
    '',
    `      devices: { path: '/u/{users.id}/d/{users.home.city}', parallel: 8 }
      user_orders: {}
      users: { path: /u, key: [id], explode: { orders: user_orders }, flatten: json, drift: rescue, guardFormulas: true }
`,
  )

  expect(sourceOf(result)).toMatchObject({
    datasets: [
      { name: 'devices', parent: { dataset: 'users', fields: ['id', 'home.city'], concurrency: 8 } },
      { name: 'user_orders', path: '', explodedFrom: { dataset: 'users', field: 'orders', key: ['id'] } },
      { name: 'users', key: ['id'], flatten: { '*': 'json' }, drift: 'rescue', guardFormulas: true },
    ],
  })
  if (result.pipeline === undefined) throw new Error('no pipeline')
  const ingests = planRun(result.pipeline).filter(({ work }) => work.kind === 'ingest')
  expect(ingests.map(({ name, needs }) => [name, needs])).toEqual([
    ['ingest crm/users', []],
    ['ingest crm/devices', ['ingest crm/users']],
    ['ingest crm/user_orders', ['ingest crm/users']],
  ])
})

describe('what is wrong is told', () => {
  test.each([
    ["      a: { path: '/u/{b.id}' }\n", 'the path names the unknown dataset `b`'],
    ["      a: { path: '/u/{b.id}' }\n      b: { path: '/u/{a.id}' }\n", 'wait for each other'],
    ["      a: { path: '/{b.id}/{c.id}' }\n      b: { path: /b }\n      c: { path: /c }\n", 'names several datasets'],
    ['      a: {}\n', '`a` has no `path`'],
    ['      a: { path: /a, key: [id], explode: { x: b } }\n      b: { path: /b }\n', 'asks for nothing'],
    ['      a: { path: /a, key: [id], explode: { x: c } }\n', '`explode` names the unknown dataset `c`'],
    ['      a: { path: /a, explode: { x: b } }\n      b: {}\n', 'could not say whose they are'],
    ['      a: { path: /a, drift: shout }\n', '`sources.crm.datasets.a.drift` is wrong'],
  ])('%s', async (datasets, message) => {
    const { problems } = await read('', datasets)

    expect(problems.map((problem) => problem.message).join('\n')).toContain(message)
  })

  test.each([
    ['    limits: [{ requests: 0, per: 1m }]\n', 'requests'],
    ['    statuses: { 4: ignore }\n', 'statuses'],
    ['    maxResponse: 10\n', 'maxResponse'],
    ['    allowPrivate: [https://x]\n', "'https://x' is no host"],
    ['    tls: { ca: abc }\n', '`ca` is no certificate'],
  ])('%s', async (source, message) => {
    const { problems } = await read(source, '      a: { path: /a }\n')

    expect(problems.map((problem) => problem.message).join('\n')).toContain(message)
  })
})
