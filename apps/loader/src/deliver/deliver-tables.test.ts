// @module-tag slow: starts servers
import { runTaskWorker } from '@cinelake/bus'
import { createMemoryBus } from '@cinelake/bus/memory'
import { type Event, LATEST_WINDOW } from '@cinelake/contracts'
import { silentLog, systemClock } from '@cinelake/core'
import { readRecords } from '@cinelake/csv'
import { type SqlEngine, wholeText } from '@cinelake/engine'
import { createDuckDbEngine } from '@cinelake/engine/duckdb'
import { openPlace, type PlaceAccess } from '@cinelake/file-places'
import type { Lake } from '@cinelake/lake'
import { createDirectoryLake } from '@cinelake/lake/directory'
import type { CheckedDelivery, DeliveredTable } from '@cinelake/pipeline'
import { temporaryDirectory, until } from '@cinelake/testkit'
import { startAdlsEndpoint } from '@cinelake/testkit/adls'
import { startSftpServer, withoutSftpServer } from '@cinelake/testkit/sftp'
import * as fc from 'fast-check'
import { createHash } from 'node:crypto'
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { PlaceSettings } from './deliver-tables.ts'
import { aDelivery, commandFor, CSV, deliverer, refine, TITLES, withSteps, WORK } from './given.fixture.ts'
import type { Manifest } from './manifest.ts'
import { onServer } from './server-place.ts'
import { readWorkbook } from './workbook.fixture.ts'

const stack = new AsyncDisposableStack()
let engine: SqlEngine
let lake: Lake
let out: string

beforeAll(async () => {
  const scratchDirectory = stack.use(await temporaryDirectory()).path
  engine = stack.use(
    await createDuckDbEngine({ memoryBytes: 256e6, threads: 2, scratchDirectory, directories: [tmpdir()] }),
  )
})
afterAll(async () => await stack.disposeAsync())

beforeEach(async (context) => {
  const directory = await temporaryDirectory()
  lake = await createDirectoryLake(join(directory.path, 'lake'))
  out = join(directory.path, 'out')
  context.onTestFinished(async () => {
    await lake[Symbol.asyncDispose]()
    await directory[Symbol.asyncDispose]()
  })
})

const numbered = (count: number, name = "'title ' || id") =>
  `SELECT id::BIGINT AS id, ${name} AS name FROM range(${count}) AS r(id)`
const read = async (name: string) => await readFile(join(out, name), 'utf8')
const manifestOf = async (name = 'partner_2026-03-01.csv.manifest.json') => JSON.parse(await read(name)) as Manifest
const files = async () => (await readdir(out)).filter((name) => name !== '.scratch').sort()

/** Delivers one table of a query. */
async function deliverQuery(query: string, columns: DeliveredTable['columns'], fields: Partial<CheckedDelivery> = {}) {
  const version = await refine(lake, engine, 'titles', query)
  const [first = ''] = columns.map(({ name }) => name)
  const tables = [{ ...TITLES, columns, primaryKey: [first] }]
  return await deliverer(lake, engine)(
    await commandFor(lake, aDelivery(out, { tables, ...fields }), { titles: version }),
    WORK,
  )
}

test('a delivery has the rows of its tables, and a manifest that says what they are', async () => {
  const titles = await refine(lake, engine, 'titles', numbered(3))
  const genres = await refine(lake, engine, 'genres', `SELECT 'Drama' AS genre, 1.50::DECIMAL(5,2) AS share`)
  const shares: DeliveredTable = {
    table: 'genres',
    as: 'shares',
    columns: [
      { name: 'share', type: 'DECIMAL(5,2)' },
      { name: 'genre', type: 'VARCHAR' },
    ],
    primaryKey: [],
  }
  const delivery = aDelivery(out, { tables: [TITLES, shares] })

  const done = await deliverer(lake, engine)(await commandFor(lake, delivery, { titles, genres }), WORK)

  expect(done).toEqual({
    balance: { unit: 'rows', in: 4, out: 4, rejected: 0, duplicates: 0 },
    output: {
      kind: 'delivered',
      delivery: 'partner',
      manifest: `file:${out}/partner_2026-03-01.csv.manifest.json`,
      fileCount: 2,
      sizeBytes: 61,
      outcome: 'delivered',
    },
  })
  expect(await files()).toEqual([
    'partner_2026-03-01.csv.manifest.json',
    'shares_2026-03-01.csv',
    'titles_2026-03-01.csv',
  ])
  const text = await read('titles_2026-03-01.csv')
  expect(text).toBe('id,name\n0,title 0\n1,title 1\n2,title 2\n')
  expect(await read('shares_2026-03-01.csv')).toBe('share,genre\n1.50,Drama\n')
  expect(await manifestOf()).toMatchObject({
    pipeline: 'shop',
    delivery: 'partner',
    run: 'shop@2026-03-01',
    window: { label: '2026-03-01' },
    files: [
      {
        file: 'titles_2026-03-01.csv',
        table: 'titles',
        version: titles,
        rows: 3,
        bytes: text.length,
        sha256: createHash('sha256').update(text).digest('hex'),
        format: 'csv',
        encoding: 'utf-8',
        columns: TITLES.columns,
      },
      { file: 'shares_2026-03-01.csv', table: 'genres', version: genres, rows: 1, bytes: 23 },
    ],
  })
})

describe('a delivery that is asked for again', () => {
  test('changes nothing where it is there already', async () => {
    const command = await commandFor(lake, aDelivery(out), {
      titles: await refine(lake, engine, 'titles', numbered(3)),
    })
    const steps: string[] = []
    const deliver = deliverer(lake, engine, (place) => withSteps(place, (step) => steps.push(step)))
    await deliver(command, WORK)
    steps.length = 0

    expect(await deliver(command, WORK)).toMatchObject({
      balance: { in: 3, out: 3 },
      output: { outcome: 'already-delivered' },
    })
    expect(steps).toEqual([])
  })

  test.each(['csv', 'parquet', 'xlsx'] as const)(
    'of rows in another order and files of others, has the same bytes in %s, and only the manifest is written',
    async (format) => {
      const delivery = aDelivery(out, { format, file: `{table}.${format}` })
      const many = numbered(format === 'xlsx' ? 20_000 : 300_000)
      const first = await refine(lake, engine, 'titles', many)
      await deliverer(lake, engine)(await commandFor(lake, delivery, { titles: first }), WORK)
      const before = await readFile(join(out, `titles.${format}`))
      const second = await refine(lake, engine, 'titles', `FROM (${many}) ORDER BY hash(id)`)
      const steps: string[] = []
      const deliver = deliverer(lake, engine, (place) => withSteps(place, (step) => steps.push(step)))

      expect(await deliver(await commandFor(lake, delivery, { titles: second }), WORK)).toMatchObject({
        output: { outcome: 'delivered' },
      })
      expect(steps).toEqual([`put partner.${format}.manifest.json`, `delete partner.${format}.manifest.json.part`])
      expect((await readFile(join(out, `titles.${format}`))).equals(before)).toBe(true)
      expect((await manifestOf(`partner.${format}.manifest.json`)).files[0]?.version).toBe(second)
    },
  )

  test('puts back a file that is gone or cut', async () => {
    const command = await commandFor(lake, aDelivery(out), {
      titles: await refine(lake, engine, 'titles', numbered(3)),
    })
    const deliver = deliverer(lake, engine)
    await deliver(command, WORK)
    const whole = await read('titles_2026-03-01.csv')

    for (const damage of [
      () => rm(join(out, 'titles_2026-03-01.csv')),
      () => writeFile(join(out, 'titles_2026-03-01.csv'), 'id'),
    ]) {
      await damage()
      await deliver(command, WORK)
      expect(await read('titles_2026-03-01.csv')).toBe(whole)
    }
  })

  test('after a change of the text, leaves no file of before that it no longer has', async () => {
    const titles = await refine(lake, engine, 'titles', numbered(3))
    const deliver = deliverer(lake, engine)
    const both = aDelivery(out, { tables: [TITLES, { ...TITLES, as: 'extra' }] })
    await deliver(await commandFor(lake, both, { titles }), WORK)

    await deliver(await commandFor(lake, aDelivery(out), { titles }), WORK)

    expect(await files()).toEqual(['partner_2026-03-01.csv.manifest.json', 'titles_2026-03-01.csv'])
  })

  test('by two workers at once, is made once', async () => {
    await using bus = createMemoryBus()
    const titles = await refine(lake, engine, 'titles', numbered(20_000))
    const events: Event[] = []
    await bus.subscribe('test', async (event) => void events.push(event))
    const handlers = { deliver: deliverer(lake, engine) }
    const worker = { bus, queue: 'loader' as const, worker: 'test', handlers, clock: systemClock, log: silentLog }
    await using _worker = await runTaskWorker({ ...worker, options: { concurrency: 2 } })

    bus.faults.duplicateNext('loader')
    await bus.send('loader', await commandFor(lake, aDelivery(out), { titles }))
    await until('both are done', () => events.filter(({ kind }) => kind === 'task.succeeded').length === 2)

    const outputs = events.flatMap((event) => (event.kind === 'task.succeeded' ? [event.output] : []))
    expect(outputs.map((output) => ('outcome' in output ? output.outcome : '')).sort()).toEqual([
      'already-delivered',
      'delivered',
    ])
  })
})

describe('files that windows share', () => {
  const shared = () => aDelivery(out, { file: '{table}.csv', perWindow: false })

  test('are those of the latest window, whatever comes late', async () => {
    const first = await refine(lake, engine, 'titles', numbered(1))
    const second = await refine(lake, engine, 'titles', numbered(2))
    const deliver = deliverer(lake, engine)
    await deliver(await commandFor(lake, shared(), { titles: second }, { day: '2026-03-02' }), WORK)

    expect(await deliver(await commandFor(lake, shared(), { titles: first }), WORK)).toMatchObject({
      balance: { in: 2, out: 2 },
      output: { outcome: 'superseded' },
    })
    expect(await read('titles.csv')).toBe('id,name\n0,title 0\n1,title 1\n')
  })

  test('or of an earlier one that has brought a later version since', async () => {
    const deliver = deliverer(lake, engine)
    const first = await refine(lake, engine, 'titles', numbered(1))
    await deliver(await commandFor(lake, shared(), { titles: first }, { day: '2026-03-02' }), WORK)
    expect(await deliver(await commandFor(lake, shared(), { titles: first }), WORK)).toMatchObject({
      output: { outcome: 'superseded' },
    })
    const corrected = await refine(lake, engine, 'titles', numbered(3))

    expect(await deliver(await commandFor(lake, shared(), { titles: corrected }), WORK)).toMatchObject({
      balance: { in: 3, out: 3 },
      output: { outcome: 'delivered' },
    })
  })

  test('and an earlier version of the same window comes late as well', async () => {
    const first = await refine(lake, engine, 'titles', numbered(1))
    const second = await refine(lake, engine, 'titles', numbered(2))
    const deliver = deliverer(lake, engine)
    await deliver(await commandFor(lake, shared(), { titles: second }), WORK)

    expect(await deliver(await commandFor(lake, shared(), { titles: first }), WORK)).toMatchObject({
      output: { outcome: 'superseded' },
    })
  })
})

describe('files that are named for a window', () => {
  test('never have the rows of a later one: what is there stays, and what is not is refused', async () => {
    const of = async (day: string, count: number) =>
      await refine(lake, engine, 'titles', numbered(count), { [LATEST_WINDOW]: `${day}T00:00:00Z` })
    const deliver = deliverer(lake, engine)
    const first = await of('2026-03-01', 1)
    await deliver(await commandFor(lake, aDelivery(out), { titles: first }), WORK)
    const later = await of('2026-03-03', 3)

    expect(await deliver(await commandFor(lake, aDelivery(out), { titles: later }), WORK)).toMatchObject({
      balance: { in: 1, out: 1 },
      output: { outcome: 'superseded' },
    })
    expect(await read('titles_2026-03-01.csv')).toBe('id,name\n0,title 0\n')
    const never = await commandFor(lake, aDelivery(out), { titles: later }, { day: '2026-03-02' })
    await expect(deliver(never, WORK)).rejects.toMatchObject({
      code: 'DELIVERY_WINDOW_PASSED',
      context: { tables: 'titles', window: '2026-03-02' },
    })
    const now = await commandFor(lake, aDelivery(out), { titles: later }, { day: '2026-03-03' })
    expect(await deliver(now, WORK)).toMatchObject({ output: { outcome: 'delivered' } })
  })
})

describe('what belongs to others', () => {
  test('is never written over: a file', async () => {
    await mkdir(out)
    await writeFile(join(out, 'titles_2026-03-01.csv'), 'mine')
    const command = await commandFor(lake, aDelivery(out), {
      titles: await refine(lake, engine, 'titles', numbered(3)),
    })

    await expect(deliverer(lake, engine)(command, WORK)).rejects.toMatchObject({ code: 'DELIVERY_FILE_TAKEN' })
    expect(await read('titles_2026-03-01.csv')).toBe('mine')
    expect(await files()).toEqual(['titles_2026-03-01.csv'])
  })

  test('is never written over: a delivery of another pipeline', async () => {
    const titles = await refine(lake, engine, 'titles', numbered(3))
    const command = await commandFor(lake, aDelivery(out), { titles })
    await deliverer(lake, engine)(command, WORK)
    const manifest = await manifestOf()
    await writeFile(
      join(out, 'partner_2026-03-01.csv.manifest.json'),
      JSON.stringify({ ...manifest, pipeline: 'other' }),
    )

    await expect(deliverer(lake, engine)(command, WORK)).rejects.toThrow('got one of other, partner')
  })

  test('is read by nobody else: a table that is pinned of another life is not delivered', async () => {
    const titles = await refine(lake, engine, 'titles', numbered(3))
    const command = await commandFor(lake, aDelivery(out), { titles })
    const late = { ...command, inputs: [{ table: 'titles', version: titles, id: 'of another' }] }

    await expect(deliverer(lake, engine)(late, WORK)).rejects.toMatchObject({ code: 'TABLE_REPLACED' })
  })
})

test('a failure at any step leaves what the next attempt ends', async () => {
  const before = await refine(lake, engine, 'titles', numbered(2))
  const after = await refine(lake, engine, 'titles', numbered(4))
  for (let at = 1; at <= 5; at += 1) {
    const path = `${out}-${at}`
    const [old, next] = [
      await commandFor(lake, aDelivery(path), { titles: before }),
      await commandFor(lake, aDelivery(path), { titles: after }),
    ]
    await deliverer(lake, engine)(old, WORK)
    let count = 0
    const failing = deliverer(lake, engine, (place) =>
      withSteps(place, () => {
        count += 1
        if (count === at) throw new Error('the line is cut')
      }),
    )

    await expect(failing(next, WORK)).rejects.toThrow('the line is cut')
    await deliverer(lake, engine)(next, WORK)
    expect((await readdir(path)).filter((name) => name !== '.scratch').sort()).toEqual([
      'partner_2026-03-01.csv.manifest.json',
      'titles_2026-03-01.csv',
    ])
    expect(await readFile(join(path, 'titles_2026-03-01.csv'), 'utf8')).toContain('3,title 3')
  }
})

describe('on a server files are delivered as in a folder', () => {
  type Server = AsyncDisposable & {
    readonly path: string
    readonly access: PlaceAccess
  }
  const servers: readonly {
    readonly name: string
    readonly without?: string | undefined
    readonly start: () => Promise<Server>
  }[] = [
    {
      name: 'Azure',
      start: async () => {
        const directory = await temporaryDirectory()
        const endpoint = await startAdlsEndpoint({ directory: directory.path, containers: ['handed'] })
        return {
          path: `abfs://handed@${endpoint.account.name}.127.0.0.1:${endpoint.port}/to/partner`,
          access: { auth: { accountKey: endpoint.account.key } },
          async [Symbol.asyncDispose]() {
            await endpoint[Symbol.asyncDispose]()
            await directory[Symbol.asyncDispose]()
          },
        }
      },
    },
    {
      name: 'SFTP',
      without: withoutSftpServer,
      start: async () => {
        const server = await startSftpServer()
        return {
          path: `sftp://${server.user}@127.0.0.1:${server.port}${server.directory}/to/partner`,
          access: { auth: { privateKey: server.privateKey }, hostKeys: [server.hostKeys[0]] },
          [Symbol.asyncDispose]: async () => await server[Symbol.asyncDispose](),
        }
      },
    },
  ]

  describe.each(servers)('$name', ({ without, start }) => {
    test.skipIf(without !== undefined)(
      `replaced, repeated, and ended by the next attempt (${without ?? 'here'})`,
      async () => {
        await using server = await start()
        const { path: at, access } = server
        const open = async (settings: PlaceSettings) => onServer(await openPlace(settings.path, settings.access, {}))
        const { auth = {}, hostKeys = [] } = access
        const delivery = aDelivery(at, { auth: { ...auth }, hostKeys: [...hostKeys], file: '{yyyy}/{table}.csv' })
        const first = await commandFor(lake, delivery, { titles: await refine(lake, engine, 'titles', numbered(2)) })
        const second = await commandFor(lake, delivery, {
          titles: await refine(lake, engine, 'titles', numbered(50_000)),
        })
        const deliver = deliverer(lake, engine, undefined, open)
        const everything = { prefix: '', opens: () => true, takes: () => true, names: () => undefined }
        const files = async () => {
          await using place = await openPlace(at, access, {})
          const names: string[] = []
          for await (const { name } of place.list(everything)) names.push(name)
          return names.sort()
        }

        await deliver(first, WORK)
        // The second is cut off before each of its steps in turn.
        for (let step = 1; step <= 4; step += 1) {
          let count = 0
          const cut = deliverer(
            lake,
            engine,
            (place) =>
              withSteps(place, () => {
                count += 1
                if (count === step) throw new Error('the line is cut')
              }),
            open,
          )
          await expect(cut(second, WORK)).rejects.toThrow('the line is cut')
        }
        const done = await deliver(second, WORK)

        expect(done).toMatchObject({
          balance: { in: 50_000, out: 50_000 },
          output: {
            manifest: expect.stringMatching(/to\/partner\/2026\/partner\.csv\.manifest\.json$/),
            outcome: 'delivered',
          },
        })
        expect(await deliver(second, WORK)).toMatchObject({ output: { outcome: 'already-delivered' } })
        expect(await files()).toEqual(['2026/partner.csv.manifest.json', '2026/titles.csv'])
        await using place = await open({ path: at, access })
        expect((await place.readText('2026/titles.csv'))?.split('\n')).toHaveLength(50_002)
      },
    )
  })
})

describe('values that a format cannot hold exactly are refused with their row, and nothing is delivered', () => {
  const big = (type: string) => [
    { name: 'id', type: 'BIGINT' },
    { name: 'v', type },
  ]
  const rows = (value: string) =>
    `SELECT id::BIGINT AS id, CASE WHEN id = 2 THEN ${value} END AS v FROM range(4) AS r(id)`

  test.each([
    ['csv', 'DATE', `'infinity'::DATE`, 'expected a time from 0001 to 9999'],
    ['csv', 'DATE', `DATE '0044-03-15 (BC)'`, 'expected a time from 0001 to 9999'],
    ['csv', 'TIMESTAMP WITH TIME ZONE', `TIMESTAMPTZ '12026-03-15 00:00:00Z'`, 'expected a time from 0001 to 9999'],
    ['parquet', 'DATE', `'-infinity'::DATE`, 'expected a finite time'],
    ['parquet', 'TIMESTAMP WITH TIME ZONE', `'infinity'::TIMESTAMPTZ`, 'expected a finite time'],
    ['xlsx', 'VARCHAR', `repeat('x', 32768)`, 'at most 32767 characters'],
    ['xlsx', 'VARCHAR', `repeat('🎬', 16384)`, 'at most 32767 characters'],
    ['xlsx', 'VARCHAR[]', `[repeat('x', 32768)]`, 'at most 32767 characters'],
    ['xlsx', 'DATE', `'infinity'::DATE`, 'expected a time from 0001 to 9999'],
  ] as const)('%s %s %s', async (format, type, value, problem) => {
    const delivering = deliverQuery(rows(value), big(type), { format })

    await expect(delivering).rejects.toMatchObject({ code: 'DELIVERY_VALUE_REFUSED' })
    await expect(delivering).rejects.toThrow('row=3, id=2]: column v: ')
    await expect(delivering).rejects.toThrow(problem)
    expect(await files()).toEqual([])
  })

  test.each([
    [`'=1+1'`, { formulas: 'refuse' }, 'VARCHAR'],
    [`' @SUM(A1)'`, { formulas: 'refuse' }, 'VARCHAR'],
    [`DATE '1926-03-01'`, { dates: '%d.%m.%y' }, 'DATE'],
    [`TIMESTAMPTZ '2026-03-01 05:06:07Z'`, { times: '%d.%m.%Y %H:%M' }, 'TIMESTAMP WITH TIME ZONE'],
  ] as const)('csv %s %j', async (value, csv, type) => {
    await expect(deliverQuery(rows(value), big(type), { csv: { ...CSV, ...csv } })).rejects.toThrow('row=3, id=2]')
  })

  test('csv: a NULL that would be a blank line', async () => {
    const query = `SELECT CASE WHEN id <> 1 THEN id END AS id FROM range(3) AS r(id)`
    const columns = [{ name: 'id', type: 'BIGINT' }]
    await expect(deliverQuery(query, columns)).rejects.toThrow('would be a blank line')
    expect(await deliverQuery(query, columns, { csv: { ...CSV, null: 'NULL' } })).toMatchObject({ balance: { out: 3 } })
    expect(await read('titles_2026-03-01.csv')).toBe('id\n0\n2\nNULL\n')
  })

  test('a key that is personal is not shown', async () => {
    const version = await refine(lake, engine, 'titles', rows(`'infinity'::DATE`))
    const { keyMayBeShown: _shown, ...secret } = TITLES
    const delivery = aDelivery(out, { tables: [{ ...secret, columns: big('DATE') }] })
    await expect(deliverer(lake, engine)(await commandFor(lake, delivery, { titles: version }), WORK)).rejects.toThrow(
      'row=3]',
    )
  })

  test('xlsx: more rows than a sheet', async () => {
    await expect(
      deliverQuery(`SELECT id::BIGINT AS id FROM range(1048576) AS r(id)`, [{ name: 'id', type: 'BIGINT' }], {
        format: 'xlsx',
      }),
    ).rejects.toThrow('row=1048576]: expected at most 1048575 rows')
  })
})

test('what XLSX has no number for is a text, and a text is never a formula, a number or an escape', async () => {
  const columns = [
    ['id', 'BIGINT', `1`],
    ['long', 'BIGINT', `1234567890123456`],
    ['money', 'DECIMAL(38,2)', `123456789012345678.90`],
    ['price', 'DECIMAL(5,2)', `1.50`],
    ['ratio', 'DOUBLE', `0.1::DOUBLE + 0.2::DOUBLE`],
    ['none', 'DOUBLE', `'nan'::DOUBLE`],
    ['huge', 'DOUBLE', `1.7976931348623157e308::DOUBLE`],
    ['born', 'DATE', `DATE '1899-12-31'`],
    ['day', 'DATE', `DATE '2026-03-01'`],
    ['at', 'TIMESTAMP WITH TIME ZONE', `TIMESTAMPTZ '2026-03-01 12:00:00.5Z'`],
    ['fine', 'TIMESTAMP WITH TIME ZONE', `TIMESTAMPTZ '2026-03-01 12:00:00.000001Z'`],
    ['formula', 'VARCHAR', `'=HYPERLINK("x")'`],
    ['digits', 'VARCHAR', `'007'`],
    ['escape', 'VARCHAR', `'_x0041_ _x00'`],
    ['control', 'VARCHAR', `'a' || chr(1) || 'b' || chr(13) || chr(10)`],
    ['empty', 'VARCHAR', `''`],
    ['nothing', 'VARCHAR', `NULL::VARCHAR`],
    ['yes', 'BOOLEAN', `true`],
    ['list', 'DOUBLE[]', `['nan'::DOUBLE, 0.5, NULL]`],
    ['bytes', 'BLOB', `'\\xAA\\x01'::BLOB`],
  ] as const
  const query = `SELECT ${columns.map(([name, type, value]) => `(${value})::${type} AS ${name}`).join(', ')}`

  await deliverQuery(
    query,
    columns.map(([name, type]) => ({ name, type })),
    { format: 'xlsx', file: 'titles.xlsx' },
  )

  const [header = {}, row = {}] = await readWorkbook(join(out, 'titles.xlsx'))
  const byName = Object.fromEntries(
    Object.entries(header).map(([letters, { text }]) => [
      text,
      row[letters] && `${row[letters].type} ${row[letters].text}`,
    ]),
  )
  expect(byName).toEqual({
    id: 'n 1',
    long: 'inlineStr 1234567890123456',
    money: 'inlineStr 123456789012345678.90',
    price: 'n 1.50',
    ratio: 'n 0.30000000000000004',
    none: 'inlineStr NaN',
    huge: 'inlineStr 1.7976931348623157e+308',
    born: 'inlineStr 1899-12-31',
    day: 'n 46082',
    at: 'n 46082.500005787035',
    fine: 'inlineStr 2026-03-01T12:00:00.000001Z',
    formula: 'inlineStr =HYPERLINK("x")',
    digits: 'inlineStr 007',
    escape: 'inlineStr _x0041_ _x00',
    control: 'inlineStr a\u0001b\r\n',
    empty: 'inlineStr ',
    nothing: undefined,
    yes: 'b 1',
    list: 'inlineStr ["NaN",0.5,null]',
    bytes: 'inlineStr aa01',
  })
})

test('CSV is written in the form that its text asks for', async () => {
  const query = `SELECT * FROM (VALUES
    (1, 'a;b', 1.5::DOUBLE, DATE '2026-03-01', TIMESTAMPTZ '2026-03-01 05:00:00Z'),
    (2, 'NULL', NULL, NULL, NULL),
    (3, '', 'inf'::DOUBLE, DATE '0099-01-01', TIMESTAMPTZ '2026-03-01 05:00:00.25Z')) AS t(id, name, n, day, "at")`
  const columns = [
    { name: 'id', type: 'BIGINT' },
    { name: 'name', type: 'VARCHAR' },
    { name: 'n', type: 'DOUBLE' },
    { name: 'day', type: 'DATE' },
    { name: 'at', type: 'TIMESTAMP WITH TIME ZONE' },
  ]
  const form = {
    delimiter: ';',
    quote: 'always',
    bom: true,
    null: 'NULL',
    lineEnd: 'crlf',
    decimal: ',',
    dates: '%d.%m.%Y',
  } as const

  await deliverQuery(query, columns, { csv: { ...CSV, ...form } })

  expect(await read('titles_2026-03-01.csv')).toBe(
    '\uFEFF"id";"name";"n";"day";"at"\r\n' +
      '"1";"a;b";"1,5";"01.03.2026";"2026-03-01T05:00:00Z"\r\n' +
      '"2";"NULL";NULL;NULL;NULL\r\n' +
      '"3";"";"Infinity";"01.01.0099";"2026-03-01T05:00:00.250000Z"\r\n',
  )
})

test('whatever texts and numbers a table has, the files have them', async () => {
  const text = fc.oneof(
    fc.string({ unit: 'grapheme', maxLength: 12 }),
    fc.constantFrom(
      '',
      'NULL',
      '"',
      ',',
      ';',
      '\n',
      '\r',
      '\r\n',
      '\t',
      ' a ',
      "'",
      '=1',
      '\\',
      '\\N',
      '\uFEFF',
      '#x',
      '_x000D_',
      '&lt;',
    ),
  )
  const row = fc.record({
    name: fc.option(text),
    n: fc.option(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })),
    d: fc.option(fc.double()),
  })
  const quoted = (value: string) => `'${value.replaceAll("'", "''")}'`
  const columns = [
    { name: 'id', type: 'BIGINT' },
    { name: 'name', type: 'VARCHAR' },
    { name: 'n', type: 'BIGINT' },
    { name: 'd', type: 'DOUBLE' },
  ]
  let count = 0

  await fc.assert(
    fc.asyncProperty(
      fc.array(row, { minLength: 1, maxLength: 8 }),
      fc.constantFrom(',', ';', '\t', '|'),
      fc.constantFrom('needed', 'always'),
      fc.constantFrom('', 'NULL', '\\N'),
      async (rows, delimiter, quote, nullText) => {
        count += 1
        const values = rows.map(({ name, n, d }, id) => {
          return `(${id}, ${name === null ? 'NULL' : quoted(name)}, ${n === null ? 'NULL' : `'${n}'::BIGINT`}, ${d === null ? 'NULL' : `'${String(d)}'::DOUBLE`})`
        })
        const query = `SELECT id::BIGINT AS id, name::VARCHAR AS name, n::BIGINT AS n, d::DOUBLE AS d FROM (VALUES ${values.join(', ')}) AS t(id, name, n, d)`
        const csv = { ...CSV, delimiter, quote, null: nullText } as const
        await deliverQuery(query, columns, { csv, file: `${count}.csv` })
        await deliverQuery(query, columns, { format: 'parquet', file: `${count}.parquet` })
        await deliverQuery(query, columns, { format: 'xlsx', file: `${count}.xlsx` })

        const expected = rows.map(({ name, n, d }, id) => ({
          id: String(id),
          name,
          n: n === null ? null : String(n),
          d,
        }))
        const number = (text: string | null | undefined) => (text === null || text === undefined ? null : Number(text))
        const records = readRecords([await readFile(join(out, `${count}.csv`))], { dialect: { delimiter, quote: '"' } })
        const found: (string | null)[][] = []
        // The reader has null for a cell without anything, and knows no other text for NULL.
        const ofNothing = nullText === '' ? null : ''
        for await (const { cells } of records) found.push(cells.map((cell) => cell ?? ofNothing))
        const ofNull = nullText === '' ? null : nullText
        expect(found.slice(1).map(([id, name, n, d]) => ({ id, name, n, d: d === ofNull ? null : number(d) }))).toEqual(
          expected.map(({ id, name, n, d }) => ({ id, name: name ?? ofNull, n: n ?? ofNull, d })),
        )

        await using session = await engine.session()
        expect(
          await session.rows(
            `SELECT id::VARCHAR AS id, ${wholeText('name')} AS name, n::VARCHAR AS n, d FROM read_parquet(${quoted(join(out, `${count}.parquet`))})`,
          ),
        ).toEqual(expected)

        const [, ...sheet] = await readWorkbook(join(out, `${count}.xlsx`))
        expect(
          sheet.map(({ A, B, C, D }) => ({
            id: A?.text,
            name: B?.text ?? null,
            n: C?.text ?? null,
            d: number(D?.text),
          })),
        ).toEqual(expected)
      },
    ),
    { numRuns: 25 },
  )
}, 120_000)
