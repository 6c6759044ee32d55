import type { RequestListener } from 'node:http'
import { reportError } from '@cinelake/core'
import type { CheckedColumn, TargetDataset } from '@cinelake/source-kind'
import { startHttp, temporaryDirectory } from '@cinelake/testkit'
import fc from 'fast-check'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { OWN_DIALECT, readRecords } from '@cinelake/csv'
import { parseJson, type JsonObject } from '@cinelake/json-rows'
import { aRestSource, givenService } from '../source-rest.fixture.ts'
import { openCsvSpool, PLAIN_ROWS } from '@cinelake/json-rows'
import { withoutFormulas } from './land-files.ts'

let stack: AsyncDisposableStack
beforeEach(() => void (stack = new AsyncDisposableStack()))
afterEach(() => stack.disposeAsync())

const byPage = { pagination: { type: 'page', parameter: 'page', first: 1 } } as const
const pageOf = (url: string | undefined) => Number(new URL(url ?? '', 'http://x').searchParams.get('page') ?? 1)
/** Pages as text, so that numbers are as they stand here. */
const paged =
  (...pages: readonly string[]): RequestListener =>
  (request, response) =>
    void response.end(`{"data":${pages[pageOf(request.url) - 1] ?? '[]'}}`)

const column = (name: string, type: string, required = false): CheckedColumn => ({
  name,
  type,
  required,
  reading: { from: [name] },
})
const contractOf = (columns: CheckedColumn[]): TargetDataset => ({
  source: 'crm',
  sourceDataset: 'users',
  mode: 'snapshot',
  contract: { columns },
})

async function given(listener: RequestListener, fields: Parameters<typeof aRestSource>[0], columns?: CheckedColumn[]) {
  const server = stack.use(await startHttp(listener))
  const source = aRestSource({ baseUrl: server.url, ...byPage, ...fields })
  return stack.use(await givenService({ source, datasets: columns === undefined ? [] : [contractOf(columns)] }))
}

describe('a key', () => {
  test('that comes again, because the data moved between pages, lands once, as it was read last', async () => {
    const pages = ['[{"id":1,"v":"a"},{"id":2,"v":"b"}]', '[{"id":2,"v":"c"},{"id":3,"w":1}]', '[{"id":1,"v":"d"}]']
    const service = await given(paged(...pages), { key: ['id'] })

    const outcome = await service.ingest()

    expect(service.csv()).toBe('id,v,w\n2,c,\n3,,1\n1,d,\n')
    expect(outcome.balance).toEqual({ unit: 'rows', in: 5, out: 3, rejected: 0, duplicates: 2 })
    expect(outcome.output).toMatchObject({ rowCount: 3 })
  })

  test('of several fields, nested ones among them, and one that is missing is no key', async () => {
    const pages = ['[{"a":1,"b":{"c":1}},{"a":1,"b":{"c":2}},{"a":1}]', '[{"a":1,"b":{"c":2}},{"a":1}]']
    const service = await given(paged(...pages), { key: ['a', 'b.c'] })

    await service.ingest()

    expect(service.csv()).toBe('a,b.c\n1,1\n1,\n1,2\n1,\n')
  })
})

describe('fields that the contract does not know', () => {
  const columns = [
    column('id', 'BIGINT', true),
    column('Full Name', 'VARCHAR'),
    column('gone', 'VARCHAR'),
    column('on', 'DATE'),
  ]
  const pages = [
    '[{"id":1,"full_name":"Ada","on":"2026-01-01"}]',
    '[{"id":2,"extra":{"n":9007199254740993,"z":1.10},"on":true,"also":null}]',
  ]
  const quality = (policy: string) => [
    {
      rule: 'schema_new_fields',
      severity: 'warn',
      checked: 2,
      failed: 1,
      detail: `fields that the contract does not know (${policy}): extra.n, extra.z, also`,
    },
    { rule: 'schema_missing_fields', severity: 'warn', checked: 1, failed: 1, detail: 'no record has: gone' },
    {
      rule: 'schema_retyped_fields',
      severity: 'warn',
      checked: 2,
      failed: 2,
      detail: 'fields of another kind: on (expected DATE, got boolean)',
    },
  ]

  test.each([
    ['evolve', 'id,full_name,on,extra.n,extra.z,also\n1,Ada,2026-01-01,,,\n2,,true,9007199254740993,1.10,\n'],
    ['ignore', 'id,full_name,on\n1,Ada,2026-01-01\n2,,true\n'],
    [
      'rescue',
      'id,full_name,on,_rescued\n1,Ada,2026-01-01,\n2,,true,"{""extra.n"":9007199254740993,""extra.z"":1.10}"\n',
    ],
  ] as const)('%s: and what is missing or of another kind is told as well', async (drift, csv) => {
    const service = await given(paged(...pages), { drift }, columns)

    const outcome = await service.ingest()

    expect(service.csv()).toBe(csv)
    expect(outcome.quality).toEqual(quality(drift))
    expect(await service.ingest({ attempt: 2 })).toEqual(outcome)
  })

  test('fail: the task fails at the first page that has one, and names it', async () => {
    const service = await given(paged(...pages, '[{"id":3}]'), { drift: 'fail' }, columns)

    const error: unknown = await service.ingest().catch((thrown: unknown) => thrown)

    expect(reportError(error)).toMatchObject({ code: 'REST_SCHEMA_DRIFT', retryable: false })
    expect(String(error)).toContain('extra.n')
    expect(error).toMatchObject({
      quality: [{ rule: 'schema_new_fields', severity: 'fail' }, { rule: 'schema_retyped_fields' }],
    })
  })

  test('fail: a required field that no record has fails as well, an optional one does not', async () => {
    const required = await given(paged('[{"id":1}]'), { drift: 'fail' }, [
      column('id', 'BIGINT'),
      column('mail', 'VARCHAR', true),
    ])
    const optional = await given(paged('[{"id":1}]'), { drift: 'fail' }, [
      column('id', 'BIGINT'),
      column('mail', 'VARCHAR'),
    ])

    await expect(required.ingest()).rejects.toThrow('no record has: mail')
    expect((await optional.ingest()).quality).toMatchObject([{ rule: 'schema_missing_fields', severity: 'warn' }])
  })
})

test('a page that is not wanted any more is not waited for', async () => {
  let asked = 0
  const silent: RequestListener = (_, response) =>
    (asked += 1) === 1 ? void response.end('{"data":[{"id":1,"extra":1}]}') : undefined
  const service = await given(silent, { drift: 'fail', timeoutMs: 3_600_000 }, [column('id', 'BIGINT')])

  await expect(service.ingest()).rejects.toThrow('extra')

  expect(asked).toBeLessThanOrEqual(2)
})

test('rows without a key are told', async () => {
  const service = await given(paged('[{"id":1},{"id":null},{"no":2}]'), { key: ['id'] })

  const { quality } = await service.ingest()

  expect(quality).toEqual([
    { rule: 'key_missing', severity: 'warn', checked: 3, failed: 2, detail: 'rows without a value of id' },
  ])
})

test.each([
  [{ '*': 'json' } as const, 'id,home\n1,"{""geo"":{""lat"":50.90}}"\n'],
  [{ home: 'json' } as const, 'id,home\n1,"{""geo"":{""lat"":50.90}}"\n'],
  [{ 'home.geo': 'json' } as const, 'id,home.geo\n1,"{""lat"":50.90}"\n'],
  [{ '*': 'json', home: 'dots' } as const, 'id,home.geo\n1,"{""lat"":50.90}"\n'],
])('objects flattened by the rule %j', async (flatten, csv) => {
  const service = await given(paged('[{"id":1,"home":{"geo":{"lat":50.90}}}]'), { flatten })

  await service.ingest()

  expect(service.csv()).toBe(csv)
})

test('a file for spreadsheets is beside the exact one where it is asked for, and the manifest names the exact one', async () => {
  const service = await given(paged('[{"id":-5,"t":"=1+1","u":"@x","v":"-1.5e3","w":"+ü\\n\\"q\\""}]'), {
    guardFormulas: true,
  })

  await service.ingest()

  expect(service.csv()).toBe('id,t,u,v,w\n-5,=1+1,@x,-1.5e3,"+ü\n""q"""\n')
  expect(service.csv('raw/shop/api/crm/users/2026-03-01.guarded.csv')).toBe(
    `id,t,u,v,w\n-5,'=1+1,'@x,-1.5e3,"'+ü\n""q"""\n`,
  )
  expect((await service.manifest())?.files.map(({ path }) => path)).toEqual(['raw/shop/api/crm/users/2026-03-01.csv'])
})

async function* inBlocks(text: string, size: number): AsyncGenerator<Uint8Array> {
  const bytes = Buffer.from(text)
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}

async function rowsIn(content: AsyncIterable<Uint8Array>) {
  const rows: (readonly (string | null)[])[] = []
  for await (const { cells } of readRecords(content, { dialect: OWN_DIALECT })) rows.push(cells)
  return rows
}

test('any records become CSV from which the same values are read, however the bytes are cut', async () => {
  const { path } = stack.use(await temporaryDirectory())
  let files = 0
  const text = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.constantFrom('"', '""', ',', '\n', '\r\n', ' ', '', '=1', '\u0000'),
  )
  const number = fc.oneof(
    fc.bigInt().map(String),
    fc.tuple(fc.integer(), fc.nat()).map(([a, b]) => `${a}.${b}`),
    fc.constant('1e400'),
  )
  const value = fc.oneof(
    text.map((t) => JSON.stringify(t)),
    number,
    fc.constantFrom('null', 'true', '[]', '[1.10,{"a":[]}]'),
  )
  const record = fc.array(fc.tuple(fc.constantFrom('a', 'b, c', '"', 'ü', '__proto__'), value), { maxLength: 5 })
  await fc.assert(
    fc.asyncProperty(
      fc.array(record, { minLength: 1, maxLength: 6 }),
      fc.integer({ min: 1, max: 50 }),
      async (given, size) => {
        const records = given.map((fields) => {
          const unique = new Map([['id', '1'], ...fields])
          return parseJson(
            `{${[...unique].map(([name, json]) => `${JSON.stringify(name)}:${json}`).join(',')}}`,
          ) as JsonObject
        })
        await using spool = await openCsvSpool(join(path, `s${(files += 1)}`), PLAIN_ROWS)
        await spool.add(records, (error) => {
          throw error
        })
        const blocks: Uint8Array[] = []
        for await (const block of spool.content()) blocks.push(block)

        const [header = [], ...rows] = await rowsIn(inBlocks(Buffer.concat(blocks).toString(), size))

        const textOf = (one: unknown) =>
          typeof one === 'string' ? one.toWellFormed() : JSON.stringify(one).toWellFormed()
        expect(header).toEqual(spool.columns.names)
        expect(rows).toEqual(
          records.map((one) =>
            header.map((name) => {
              const found = Object.getOwnPropertyDescriptor(one, name ?? '')?.value as unknown
              return found === undefined || found === null ? null : textOf(found)
            }),
          ),
        )
      },
    ),
    { numRuns: 150 },
  )
})

test('a guarded file has the same cells but for the apostrophe', async () => {
  const rows = [
    ['a', 'b'],
    ['=x', null],
    ["'", ''],
    ['\t1', '＝1'],
    ['-1', '+1e5'],
  ]
  const text = rows.map((row) => row.map((cell) => (cell === null ? '' : `"${cell}"`)).join(',')).join('\n')

  expect(await rowsIn(withoutFormulas(inBlocks(text, 3)))).toEqual([
    ['a', 'b'],
    ["'=x", null],
    ["'", ''],
    ["'\t1", "'＝1"],
    ['-1', '+1e5'],
  ])
})

describe('names that records spell differently', () => {
  const columns = [column('user_id', 'BIGINT'), { ...column('city', 'VARCHAR'), reading: { from: ['city', 'town'] } }]

  test('share the column of the contract that they are expected for, from whatever record on', async () => {
    const pages = [
      '[{"userId":1},{"user_id":2,"town":"a"}]',
      '[{"UserID":3,"city":"b"},{"user-id":4,"town":null,"city":"c"},{"userid":5,"town":"d","city":"d"}]',
    ]
    const service = await given(paged(...pages), {}, columns)

    const { quality } = await service.ingest()

    expect(service.csv()).toBe('userId,town\n1,\n2,a\n3,b\n4,c\n5,d\n')
    expect(quality).toBeUndefined()
  })

  test('and that one record has twice, with two values, make it a broken one', async () => {
    const pages = [
      '[{"user_id":1,"city":"a"},{"user_id":2,"USER_ID":3,"city":"b"},{"user_id":4,"town":"x","city":"y"}]',
    ]
    const service = await given(paged(...pages), {}, columns)

    const { quality, balance } = await service.ingest()

    expect(service.csv()).toBe(
      'user_id,city\n1,a\n"{""user_id"":2,""USER_ID"":3,""city"":""b""}"\n"{""user_id"":4,""town"":""x"",""city"":""y""}"\n',
    )
    expect(balance).toMatchObject({ in: 3, out: 3 })
    expect(quality).toMatchObject([
      {
        rule: 'record_broken',
        severity: 'warn',
        checked: 3,
        failed: 2,
        detail:
          '1 of them: expected each field once, got two spellings of user_id with different values; 1 of them: expected each field once, got two spellings of city with different values',
      },
    ])
  })

  test('are columns of their own where no contract says that they are one', async () => {
    const service = await given(paged('[{"userId":1,"user_id":2}]'), {})

    await service.ingest()

    expect(service.csv()).toBe('userId,user_id\n1,2\n')
  })
})

describe('broken records', () => {
  test('have a number of cells that no row has, however many columns come later, and are no duplicates of each other', async () => {
    const broken = String.raw`{"id":1,"v":"\ud800"}`
    const pages = [`[${broken},{"id":2}]`, `[{"id":3,"v":"x"},${broken}]`, `[{"id":4},${broken},{"id":2,"v":"y"}]`]
    const service = await given(paged(...pages), { key: ['id'] })

    const outcome = await service.ingest()

    const text = String.raw`"{""id"":1,""v"":""\ud800""}"`
    expect(service.csv()).toBe(`id,v\n${text}\n3,x\n${text}\n4,\n${text}\n2,y\n`)
    expect(outcome.balance).toMatchObject({ in: 7, out: 6, duplicates: 1 })
    expect(outcome.quality).toMatchObject([{ rule: 'record_broken', failed: 3 }])
  })

  test('of one cell get a second one in a file of one column, and of two a third one in a file of two', async () => {
    const one = await given(paged(String.raw`[{"a":"x"},{"a":"\udc00"}]`), {})
    const two = await given((_, response) => void response.end('a,b\n1,2\n3\n4,5,6\n'), {
      format: 'csv',
      records: '$',
      pagination: { type: 'none' },
    })
    await Promise.all([one.ingest(), two.ingest()])

    expect(one.csv()).toBe(`a\nx\n${String.raw`"{""a"":""\udc00""}",`}\n`)
    expect(two.csv()).toBe('a,b\n1,2\n3\n4,5,6\n')
  })

  test('alone land under the names of their body', async () => {
    const service = await given((_, response) => void response.end('a,b\n3\n'), {
      format: 'csv',
      records: '$',
      pagination: { type: 'none' },
    })

    await service.ingest()

    expect(service.csv()).toBe('a,b\n3\n')
  })

  test('do not tell the fields that are ignored', async () => {
    const pages = [String.raw`[{"id":1},{"id":"\ud800","secret":"s3cret"}]`]
    const service = await given(paged(...pages), { drift: 'ignore' }, [column('id', 'BIGINT')])

    await service.ingest()

    expect(service.csv()).toBe('id\n1\n"text left out, since fields of this dataset are ignored",\n')
  })

  test('are not kept with drift: fail', async () => {
    const service = await given(paged('[{"id":1},{"id":2,"id":3}]'), { drift: 'fail' }, [column('id', 'BIGINT')])

    const { quality } = await service.ingest()

    expect(service.csv()).toBe('id\n1\n"{""id"":2,""id"":3}",\n')
    expect(quality).toMatchObject([{ rule: 'record_broken' }])
  })
})

test('every value lands as it was written, whatever no double and no text holds', async () => {
  const values = ['1e400', '12345678901234567890', '0.1000000000000000055', '-0', '1.50']
  const texts = ['null', ' a ', '', 'NaN', '1e400', 'a\u0000b', '😀']
  const record = `{${[
    ...values.map((value, index) => `"n${index}":${value}`),
    `"list":[${values.join(',')}]`,
    `"in":{"list":[{"x":${values.join('},{"x":')}}]}`,
    ...texts.map((value, index) => `"t${index}":${JSON.stringify(value)}`),
    '"none":null',
  ].join(',')}}`
  const service = await given(paged(`[${record},{}]`), {})

  await service.ingest()

  const rows: (readonly (string | null)[])[] = []
  const blocks = [Buffer.from(service.csv())]
  for await (const { cells } of readRecords(blocks, { dialect: OWN_DIALECT })) rows.push(cells)
  expect(rows[1]).toEqual([...values, `[${values.join(',')}]`, `[{"x":${values.join('},{"x":')}}]`, ...texts, null])
  expect(rows[2]).toEqual(rows[1]?.map(() => null))
  expect(await service.manifest()).toMatchObject({ isTyped: true })
})

test('texts of CSV and XML are not said to be typed', async () => {
  const csv = await given((_, response) => void response.end('a\n1\n'), {
    format: 'csv',
    records: '$',
    pagination: { type: 'none' },
  })
  const xml = await given((_, response) => void response.end('<r><a>1</a></r>'), {
    format: 'xml',
    records: '$.r',
    pagination: { type: 'none' },
  })
  await Promise.all([csv.ingest(), xml.ingest()])

  expect(await csv.manifest()).not.toHaveProperty('isTyped')
  expect(await xml.manifest()).not.toHaveProperty('isTyped')
})

describe('without a record, the manifest says', () => {
  const none = { pagination: { type: 'none' } } as const

  test('that the table is empty where the answer has an empty list', async () => {
    const service = await given((_, response) => void response.end('{"data":[]}'), none)
    await service.ingest()

    expect(await service.manifest()).toMatchObject({ files: [], rowCount: 0 })
    expect(await service.manifest()).not.toHaveProperty('noContent')
  })

  test('with a header, which the contract is compared with, where the answer is CSV', async () => {
    const csv = { format: 'csv', records: '$', ...none } as const
    const header = await given((_, response) => void response.end('Internal Server Error'), csv)
    const nothing = await given((_, response) => void response.end(''), csv)
    await Promise.all([header.ingest(), nothing.ingest()])

    expect(header.csv()).toBe('Internal Server Error\n')
    expect(await header.manifest()).toMatchObject({ files: [{ rowCount: 0 }], rowCount: 0 })
    expect(await nothing.manifest()).toMatchObject({ files: [], noContent: true })
  })

  test.each([
    [200, '{"data":null}'],
    [204, ''],
    [404, 'x'],
  ])('that nothing is known where it has none: %d %s', async (status, body) => {
    const service = await given((_, response) => void response.writeHead(status).end(body), {
      ...none,
      statuses: { '404': 'ignore' },
    })
    await service.ingest()

    expect(await service.manifest()).toMatchObject({ files: [], rowCount: 0, noContent: true })
  })
})

test('pages of any size land as they came, in memory that is used again', async () => {
  const pages = Array.from({ length: 40 }, (_, page) =>
    Array.from({ length: 1 + ((page * 37) % 90) }, (__, row) => ({
      id: page * 100 + row,
      text: `${'x'.repeat((page * row) % 50)}, page ${page}`,
      ...(page % 7 === 3 ? { more: 'a\nb' } : {}),
    })),
  )
  const service = await given(paged(...pages.map((records) => JSON.stringify(records))), {})

  await service.ingest()

  const lines = pages.flat().map(({ id, text, more }) => `${id},"${text}",${more === undefined ? '' : `"${more}"`}\n`)
  expect(service.csv()).toBe(`id,text,more\n${lines.join('')}`)
  expect(await service.manifest()).toMatchObject({ answers: { count: 41 }, rowCount: lines.length })
})

test('any records over a socket are rows with the very same values, or broken, and nothing third', async () => {
  const scalar = fc.oneof(
    fc
      .string({ unit: 'binary' })
      .map((one) => ({ json: JSON.stringify(one), cell: one.isWellFormed() ? one : undefined })),
    fc.constantFrom('\ud800', 'a\udc00').map((one) => ({ json: JSON.stringify(one), cell: undefined })),
    fc
      .constantFrom('', ' ', 'null', 'a,"b"', 'x\r\ny', '\u0000')
      .map((one) => ({ json: JSON.stringify(one), cell: one })),
    fc
      .constantFrom('1e400', '-0', '12345678901234567890', '0.1000000000000000055', 'true', 'false', '[1.0,null,""]')
      .map((one) => ({ json: one, cell: one })),
    fc.constant({ json: 'null', cell: null }),
  )
  const record = fc.array(fc.tuple(fc.constantFrom<string>('a', 'b', 'c', 'é'), scalar), { maxLength: 4 })
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.array(record, { minLength: 1, maxLength: 4 }), { minLength: 1, maxLength: 3 }),
      async (made) => {
        let id = 0
        // Each record has two fields for certain, so that no row is an empty line.
        const pages = made.map((records) =>
          records.map(
            (fields) =>
              [
                ['id', { json: String((id += 1)), cell: String(id) }],
                ['k', { json: '0', cell: '0' }],
                ...fields,
              ] as typeof fields,
          ),
        )
        const text = (fields: (typeof pages)[number][number]) =>
          `{${fields.map(([key, { json }]) => `${JSON.stringify(key)}:${json}`).join(',')}}`
        const service = await given(paged(...pages.map((records) => `[${records.map(text).join(', ')}]`)), {})
        await service.ingest()

        const rows: (readonly (string | null)[])[] = []
        const whole = { dialect: OWN_DIALECT, maxRecordBytes: Infinity }
        for await (const { cells } of readRecords([Buffer.from(service.csv())], whole)) rows.push(cells)
        const [header = [], ...landed] = rows
        const expected = pages.flat().map((fields) => {
          const byName = new Map(fields.map(([key, { cell }]) => [key, cell]))
          const isBroken = byName.size < fields.length || [...byName.values()].includes(undefined)
          return isBroken ? 'broken' : header.map((key) => byName.get(String(key)) ?? null)
        })
        expect(landed.map((cells) => (cells.length === header.length ? cells : 'broken'))).toEqual(expected)
      },
    ),
    { numRuns: 60 },
  )
})
