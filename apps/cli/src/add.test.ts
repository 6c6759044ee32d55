import { temporaryDirectory } from '@cinelake/testkit'
import { existsSync } from 'node:fs'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { cinelake } from './testing.fixture.ts'

const PIPELINE = `# Made by hand.
pipeline: mine
schedule: { every: day, timeZone: UTC, start: 2026-03-01 } # from March on

# What there is.
sources:
  shop:
    type: files
    path: /srv/shop # the share
    datasets: {}

serve: []
`

async function givenPipeline(text = PIPELINE) {
  const directory = await temporaryDirectory()
  const file = join(directory.path, 'pipeline.yaml')
  await writeFile(file, text)
  return {
    folder: directory.path,
    text: async () => await readFile(file, 'utf8'),
    [Symbol.asyncDispose]: () => directory[Symbol.asyncDispose](),
  }
}

/** Every line of the text before, in order, but for those that had to be changed. */
function expectKept(after: string, except: readonly string[] = []): void {
  const lines = PIPELINE.split('\n').filter((line) => line !== '' && !except.includes(line))
  const rest = after.split('\n')
  const kept = lines.filter((line) => rest.splice(0, rest.indexOf(line) + 1).includes(line))
  expect(kept).toEqual(lines)
}

const ADDED: readonly (readonly [kind: string, flags: string[], expected: string])[] = [
  [
    'files',
    [
      '--source',
      'erp',
      '--path',
      '/srv/erp',
      '--dataset',
      'orders',
      '--files',
      'o_{yyyy}-{MM}-{dd}.csv',
      '--mode',
      'merge',
    ],
    '  erp:\n    type: files\n    path: /srv/erp\n    datasets:\n      orders:\n        files: o_{yyyy}-{MM}-{dd}.csv\n        mode: merge\n',
  ],
  [
    'rest',
    [
      '--source',
      'crm',
      '--base-url',
      'https://crm.example.org',
      '--auth',
      'bearer',
      '--secret',
      'CRM',
      '--dataset',
      'users',
      '--path',
      '/users',
    ],
    '  crm:\n    type: rest\n    baseUrl: https://crm.example.org\n    auth:\n      type: bearer\n      token: ${secret:CRM}\n    datasets:\n      users:\n        path: /users\n        pagination:\n          type: auto\n',
  ],
  [
    'database',
    [
      '--source',
      'db',
      '--url',
      'postgres://reader@db:5432/erp',
      '--secret',
      'DB',
      '--dataset',
      'customers',
      '--table',
      'public.customers',
    ],
    '  db:\n    type: database\n    url: postgres://reader:${secret:DB}@db:5432/erp\n    datasets:\n      customers:\n        table: public.customers\n',
  ],
  [
    'push',
    ['--source', 'web', '--secret', 'WEB', '--dataset', 'clicks'],
    '  web:\n    type: push\n    auth:\n      keys:\n        - ${secret:WEB}\n    datasets:\n      clicks:\n        mode: append\n',
  ],
]

/** What another source would say, what the one that was added says, and what is noted when that is said again. */
const OTHER: Readonly<Record<string, readonly [flag: string, other: string, has: string, warned: RegExp]>> = {
  files: ['--path', 'drop/customers', '/srv/erp', /there is no folder \/srv\/erp here/],
  rest: ['--auth', 'basic', 'bearer', /^$/],
  database: ['--url', 'postgres://reader@db:5432/crm', 'postgres://reader@db:5432/erp', /^$/],
  push: ['--secret', 'OTHER', 'WEB', /^$/],
}

test.each(ADDED)(
  'a source of type %s is written behind the others, and all else stays',
  async (kind, flags, expected) => {
    await using pipeline = await givenPipeline()

    const { exitCode, out } = await cinelake(['add', kind, pipeline.folder, ...flags])

    expect([exitCode, out]).toEqual([0, expect.stringContaining('cinelake try')])
    const text = await pipeline.text()
    expect(text).toContain(expected)
    expectKept(text)
  },
)

test('at a terminal what no flag says is asked, and asked again when it cannot be', async () => {
  await using pipeline = await givenPipeline()
  const asked: string[] = []
  const answers = [
    'crm',
    'https://crm.example.org',
    'magic',
    'apiKey',
    'CRM_KEY',
    '',
    'users',
    '/users',
    '$.data',
    '',
    '',
  ]
  const ask = async (question: string) => {
    asked.push(question)
    return answers.shift() ?? ''
  }

  const { exitCode, notes } = await cinelake(['add', 'rest', pipeline.folder], {}, ask)

  expect([exitCode, answers]).toEqual([0, []])
  expect(notes).toContain('expected one of none, bearer, basic, apiKey')
  expect(asked[0]).toBe('What is the source called?')
  expect(await pipeline.text()).toContain('    auth:\n      type: apiKey\n      key: ${secret:CRM_KEY}\n')
})

/** The answers about each kind of authentication of a REST API, and the fields that they become. */
const AUTHS: Readonly<Record<string, readonly [answers: Record<string, string>, written: string[]]>> = {
  none: [{}, []],
  bearer: [{ secret: 'S' }, ['token: ${secret:S}']],
  basic: [{ username: 'me', secret: 'S' }, ['username: me', 'password: ${secret:S}']],
  apiKey: [{ secret: 'S', header: 'X-Key' }, ['key: ${secret:S}', 'header: X-Key']],
  oauth2: [
    { 'token-url': 'https://login.example.org/token', 'client-id': 'me', secret: 'S', scope: 'read' },
    ['tokenUrl: https://login.example.org/token', 'clientId: me', 'clientSecret: ${secret:S}', 'scope: read'],
  ],
  'oauth2 with a refresh token': [
    { grant: 'refreshToken', 'token-url': 'https://login.example.org/token', secret: 'S' },
    ['grant: refreshToken', 'tokenUrl: https://login.example.org/token', 'refreshToken: ${secret:S}'],
  ],
  jwt: [
    { algorithm: 'ES256', secret: 'S', issuer: 'me', 'token-url': 'https://login.example.org/token', audience: 'api' },
    [
      'algorithm: ES256',
      'key: ${secret:S}',
      'issuer: me',
      'tokenUrl: https://login.example.org/token',
      'audience: api',
    ],
  ],
  'jwt as the token itself': [
    { as: 'token', secret: 'S', issuer: 'me' },
    ['as: token', 'key: ${secret:S}', 'issuer: me'],
  ],
  azure: [{ scope: 'api://app/.default' }, ['scope: api://app/.default']],
  awsSigV4: [
    { 'access-key-id': 'AKID', secret: 'S', region: 'eu-central-1', service: 'execute-api' },
    ['accessKeyId: AKID', 'secretAccessKey: ${secret:S}', 'region: eu-central-1', 'service: execute-api'],
  ],
}

test.each(Object.entries(AUTHS))(
  'a REST API with %s is written as it is answered, and a second dataset fits the same answers',
  async (name, [answers, written]) => {
    await using pipeline = await givenPipeline()
    const [type = ''] = name.split(' ')
    const flags = Object.entries(answers).flatMap(([flag, answer]) => [`--${flag}`, answer])
    const source = ['--source', 'crm', '--base-url', 'https://crm.example.org', '--auth', type, ...flags]
    const add = (dataset: string) =>
      cinelake(['add', 'rest', pipeline.folder, ...source, '--dataset', dataset, '--path', `/${dataset}`])

    expect([await add('users'), await add('plans')]).toMatchObject([{ exitCode: 0 }, { exitCode: 0 }])

    const auth = type === 'none' ? [] : ['    auth:', `      type: ${type}`, ...written.map((line) => `      ${line}`)]
    expect(await pipeline.text()).toContain(
      ['    baseUrl: https://crm.example.org', ...auth, '    datasets:', '      users:'].join('\n'),
    )
  },
)

test('every kind of authentication of a REST API can be added', async () => {
  const { out } = await cinelake(['add', 'rest', '--help'])
  const kinds = ['none', 'bearer', 'basic', 'apiKey', 'oauth2', 'jwt', 'azure', 'awsSigV4']

  expect(new Set(Object.keys(AUTHS).map((name) => name.split(' ')[0]))).toEqual(new Set(kinds))
  expect(out.replaceAll(/\s+/g, ' ')).toContain(`(${kinds.join(', ')}; usually none)`)
})

test('an assertion without an address for tokens is known as the token itself', async () => {
  const crm =
    'crm: { type: rest, baseUrl: https://crm.example.org, auth: { type: jwt, key: "${secret:S}", issuer: me } }'
  await using pipeline = await givenPipeline(
    PIPELINE.replace('sources:', `sources:\n  ${crm.replace(' } }', ' }, datasets: {} }')}`),
  )
  const add = (as: string) =>
    cinelake(['add', 'rest', pipeline.folder, '--source', 'crm', '--as', as, '--dataset', 'users', '--path', '/users'])

  expect((await add('grant')).notes).toContain('--as is grant: source crm in pipeline.yaml has token')
  expect(await add('token')).toMatchObject({ exitCode: 0 })
})

test('an answer that a kind of authentication needs is told when it is missing, and nothing is written', async () => {
  await using pipeline = await givenPipeline()
  const source = ['--source', 'crm', '--base-url', 'https://crm.example.org', '--auth', 'oauth2']

  const { exitCode, notes } = await cinelake([
    'add',
    'rest',
    pipeline.folder,
    ...source,
    '--dataset',
    'a',
    '--path',
    '/a',
  ])

  expect(exitCode).toBe(2)
  expect(notes).toMatch(/--token-url: [\s\S]*--client-id: [\s\S]*--secret: /)
  expect(await pipeline.text()).toBe(PIPELINE)
})

test('a source that is there gets one more dataset', async () => {
  await using pipeline = await givenPipeline()

  const flags = ['--source', 'shop', '--dataset', 'orders', '--files', '*.csv']
  const first = await cinelake(['add', 'files', pipeline.folder, ...flags])
  const again = await cinelake(['add', 'files', pipeline.folder, ...flags])
  const other = await cinelake(['add', 'push', pipeline.folder, '--source', 'shop', '--secret', 'S', '--dataset', 'x'])

  expect([first.exitCode, again.exitCode, other.exitCode]).toEqual([0, 2, 2])
  expect(again.notes).toContain('the dataset is there already')
  expectKept(await pipeline.text(), ['    datasets: {}'])
})

test.each(ADDED)('a source of type %s that is there is not said to be another one', async (kind, flags) => {
  await using pipeline = await givenPipeline()
  const add = async (...more: string[]) =>
    await cinelake(['add', kind, pipeline.folder, ...flags, '--dataset', 'more', ...more])
  await cinelake(['add', kind, pipeline.folder, ...flags])
  const before = await pipeline.text()
  const [flag = '', other = '', has = '', warned = ''] = OTHER[kind] ?? []

  const refused = await add(flag, other)
  const unchanged = await pipeline.text()
  const same = await add()

  expect(refused).toMatchObject({
    exitCode: 2,
    notes: expect.stringContaining(
      `${flag} is ${other}: source ${flags[1]} in pipeline.yaml has ${has}; leave ${flag} out`,
    ),
  })
  expect(unchanged).toBe(before)
  expect(same.exitCode).toBe(0)
  expect(same.notes).toMatch(warned)
})

test('without a terminal, all answers that are missing are told, and nothing is written', async () => {
  await using pipeline = await givenPipeline()

  const { exitCode, notes } = await cinelake(['add', 'database', pipeline.folder])

  expect(exitCode).toBe(2)
  for (const flag of ['--source', '--url', '--dataset', '--table']) expect(notes).toContain(flag)
  expect(notes).not.toContain('--site')
  expect(await pipeline.text()).toBe(PIPELINE)
})

test('what the pipeline cannot use is not written', async () => {
  await using pipeline = await givenPipeline()

  const { exitCode, notes } = await cinelake([
    'add',
    'database',
    pipeline.folder,
    '--source',
    'db',
    '--dataset',
    'x',
    '--url',
    'oracle://h/db',
    '--table',
    'customers',
  ])

  expect(exitCode).toBe(2)
  expect(notes).toContain('unknown scheme `oracle:`')
  expect(notes).toContain("the table 'customers' has no schema")
  expect(await pipeline.text()).toBe(PIPELINE)
})

test('what is added to nothing stands on lines of its own', async () => {
  await using pipeline = await givenPipeline(
    PIPELINE.replace(/shop:[^]*?\n\n/, '').replace('sources:\n  ', 'sources: {}\n'),
  )
  const flags = ['--source', 'erp', '--path', '/srv', '--dataset', 'orders', '--files', '*.csv']

  expect(await cinelake(['add', 'files', pipeline.folder, ...flags])).toMatchObject({ exitCode: 0 })

  expect(await pipeline.text()).toContain(
    'sources:\n  erp:\n    type: files\n    path: /srv\n    datasets:\n      orders:\n        files: "*.csv"\n',
  )
})

test('in a folder without a pipeline one is begun, which validates but for the contract', async () => {
  await using directory = await temporaryDirectory()
  const folder = join(directory.path, '2 Über-Mine')
  const flags = ['--source', 'erp', '--path', '/srv', '--dataset', 'orders', '--files', '*.csv']

  const refused = await cinelake(['add', 'files', folder, ...flags.slice(0, -1), '/srv/*.csv'])
  const wasMade = existsSync(folder)
  const { exitCode, out } = await cinelake(['add', 'files', folder, ...flags])
  const { out: found } = await cinelake(['validate', folder])

  expect([refused.exitCode, wasMade, exitCode]).toEqual([2, false, 0])
  expect(out).toContain('in a new pipeline')
  const text = await readFile(join(folder, 'pipeline.yaml'), 'utf8')
  expect(text).toMatch(/^pipeline: u_ber_mine\nschedule: \{ every: day, timeZone: UTC, start: \d{4}-\d{2}-\d{2} \}$/m)
  expect(found).toContain('1 error')
  expect(found).toContain('cinelake try erp/orders DIR --write')
})

describe('an incremental table', () => {
  const flags = ['--source', 'db', '--url', 'postgres://db/erp', '--dataset', 'x', '--table', 'public.x']

  test('is merged unless somebody says otherwise', async () => {
    await using pipeline = await givenPipeline()

    const added = await cinelake(['add', 'database', pipeline.folder, ...flags, '--incremental', 'updated_at'])

    expect(added.exitCode).toBe(0)
    expect(await pipeline.text()).toContain('        incremental: updated_at\n        mode: merge\n')
  })

  test('is no snapshot', async () => {
    await using pipeline = await givenPipeline()

    const all = [...flags, '--incremental', 'updated_at', '--mode', 'snapshot']
    const { exitCode, notes } = await cinelake(['add', 'database', pipeline.folder, ...all])

    expect([exitCode, notes]).toEqual([2, expect.stringContaining('only the last window would be left')])
    expect(await pipeline.text()).toBe(PIPELINE)
  })
})

describe('a folder of files', () => {
  const flags = (place: string) => ['--source', 'shop', '--path', place, '--dataset', 'orders']

  test('begins the schedule of a new pipeline with its oldest file', async () => {
    await using directory = await temporaryDirectory()
    const [drop, folder] = [join(directory.path, 'drop'), join(directory.path, 'mine')]
    await mkdir(drop)
    for (const name of ['orders_20260407.csv', 'orders_20260401.csv', 'orders_20261301.csv', 'older_20200101.csv'])
      await writeFile(join(drop, name), 'id\n1\n')

    const { out } = await cinelake(['add', 'files', folder, ...flags(drop), '--files', 'orders_{yyyy}{MM}{dd}.csv'])

    expect(out).toContain('in a new pipeline mine, which starts with its oldest file, 2026-04-01')
    expect(await readFile(join(folder, 'pipeline.yaml'), 'utf8')).toContain('start: 2026-04-01')
  })

  test('that is not there is warned of, and taken', async () => {
    await using directory = await temporaryDirectory()
    const answers = ['shop', join(directory.path, 'nowhere'), '', 'orders', 'orders.csv', '']

    const { exitCode, notes } = await cinelake(
      ['add', 'files', join(directory.path, 'mine')],
      {},
      async () => answers.shift() ?? '',
    )

    expect({ exitCode, notes }).toMatchObject({
      exitCode: 0,
      notes: expect.stringContaining(`there is no folder ${join(directory.path, 'nowhere')} here`),
    })
  })
})
