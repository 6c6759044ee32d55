// @module-tag slow: runs the platform on many files
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { sharedData } from '@cinelake/testkit'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { givenFolder } from './try.fixture.ts'

const rows = (count: number, of: (row: number) => string) =>
  Array.from({ length: count }, (_, row) => `${of(row)}\n`).join('')

type Case = {
  readonly content: string | Uint8Array
  /** Types of the columns in the contract. */
  readonly types: Readonly<Record<string, string>>
  /** What `read` says. */
  readonly read?: object
  /** What the columns say. */
  readonly columns?: Readonly<Record<string, unknown>>
  /** What the refine tells. */
  readonly refined: string
}

const TEXT = 'string'
const WHOLE = 'integer'

/** Files as they come, each with what its draft says and what a run makes of it. */
const CASES: Readonly<Record<string, Case>> = {
  'grouped.csv': {
    content: 'year,media,total\n1994,359,10414\n1996,"4,142",18739\n1997,6522,22473\n',
    types: { year: WHOLE, media: WHOLE, total: WHOLE },
    refined: '3 rows',
  },
  'indian.csv': {
    content: `id,hours\n${rows(20, (row) => `${row},"${['1,21,00,000', '5,00,000', '81,21,00,000'][row % 3]}"`)}`,
    types: { id: WHOLE, hours: WHOLE },
    columns: { hours: { grouping: 'indian' } },
    refined: '20 rows',
  },
  'nested.csv': {
    content: `id;a;b;c\n${rows(20, (row) => `${row};{"a":${row % 2},"b":[1]};{a,b};[{"id": ${row % 2}, "name": "Action"}]`)}`,
    types: { id: WHOLE, a: TEXT, b: TEXT, c: TEXT },
    refined: '20 rows',
  },
  'headless.csv': {
    content: rows(40, (row) => `${row},user${row}@example.org,2020-01-${10 + (row % 19)},${row / 2}`),
    types: { column_1: WHOLE, column_2: TEXT, column_3: 'date', column_4: 'DECIMAL(18,2)' },
    read: { header: false },
    refined: '40 rows',
  },
  'unnamed.csv': {
    content: `,title,price\n${rows(40, (row) => `${row},Film ${row},${row}.0`)}`,
    types: { column_1: WHOLE, title: TEXT, price: WHOLE },
    columns: { column_1: { position: 1 } },
    refined: '40 rows',
  },
  'misfit.csv': {
    content: `id,d\n${rows(600, (row) => `${row},${10 + (row % 19)}-Aug-19`)}600,October 16. 2019\n`,
    types: { id: WHOLE, d: 'date' },
    columns: { d: { formats: ['%d-%b-%y'] } },
    refined: '600 rows, 1 rejected',
  },
  'trailing.csv': {
    content: `id,title,price\n${rows(40, (row) => `${row},Film,1.5,`)}`,
    types: { id: WHOLE, title: TEXT, price: 'DECIMAL(18,2)' },
    refined: '40 rows',
  },
  'units.csv': {
    content: `money;share;euro;duration;seasons;at;pandas\n${rows(40, (row) => `$1,23${row % 10}.50;${row}.5%;${row},34 €;1${row + 10} min;${1 + (row % 3)} Season${row % 3 > 0 ? 's' : ''};03/${10 + (row % 19)}/2022 01:15 PM;${1990 + (row % 30)}.0`)}`,
    types: {
      money: 'DECIMAL(18,2)',
      share: 'DECIMAL(18,2)',
      euro: 'DECIMAL(18,2)',
      duration: WHOLE,
      seasons: WHOLE,
      at: 'timestamp',
      pandas: WHOLE,
    },
    columns: {
      share: { percentOf: 100 },
      euro: { decimal: ',', suffixes: { '€': 1 } },
      duration: { suffixes: { min: 1 } },
      at: { formats: ['%m/%d/%Y %I:%M %p'] },
    },
    refined: '40 rows',
  },
  'numbers.csv': {
    content: `id,created_at,size,loss,x\n${rows(39, (row) => `${row},${1_600_000_000 + row * 1000},${row}.2${row % 2 ? 'K' : 'M'},(${row}.50),1.0E+3`)}`,
    types: { id: WHOLE, created_at: 'timestamp', size: 'DECIMAL(18,2)', loss: 'DECIMAL(18,2)', x: WHOLE },
    columns: {
      created_at: { formats: ['epoch'] },
      size: { suffixes: { K: 1000, M: 1_000_000 } },
      loss: { negatives: ['parentheses'] },
    },
    refined: '39 rows',
  },
  'preamble.csv': {
    content: 'Report of 2026\n\na;b\n1;2\n3;4\n5;6\n',
    types: { a: WHOLE, b: WHOLE },
    read: { skip: 2 },
    refined: '3 rows',
  },
  'comments.csv': {
    content: '# of 2026\n# more\na;b\n1;2\n# in between\n3;4\n',
    types: { a: WHOLE, b: WHOLE },
    read: { comment: '#' },
    refined: '2 rows',
  },
  'footer.csv': {
    content: 'name;n\nA;1\nB;2\nC;3\nTotal;6\n',
    types: { name: TEXT, n: WHOLE },
    read: { footer: ['Total'] },
    refined: '3 rows',
  },
  'twice.csv': {
    content: 'id;x;x\n1;2;3\n4;5;6\n',
    types: { id: WHOLE, x: WHOLE, x_2: WHOLE },
    columns: { x: { position: 2 }, x_2: { position: 3 } },
    refined: '2 rows',
  },
  'colons.dat': {
    content: '1::Title: Part (1977)::Action\n2::Other (1980)::Drama\n3::Third (1990)::War\n',
    types: { column_1: WHOLE, column_2: TEXT, column_3: TEXT },
    read: { delimiter: '::', header: false },
    refined: '3 rows',
  },
  'quotes.tsv': {
    content: `id\tq\n${rows(20, (row) => `${row}\t"quote ${row} begins`)}`,
    types: { id: WHOLE, q: TEXT },
    read: { quote: 'none' },
    refined: '20 rows',
  },
  'two-lines.csv': {
    content: `,Sales,,Costs,\nid,2025,2026,2025,2026\n${rows(10, (row) => `${row},${row}.5,${row}.5,${row},${row}`)}`,
    types: { id: WHOLE, sales_2025: 'DECIMAL(18,2)', c_2026: 'DECIMAL(18,2)', costs_2025: WHOLE, c_2026_2: WHOLE },
    read: { headerLines: 2 },
    refined: '10 rows',
  },
  'ragged.csv': {
    content: 'a;b;c\n1;x;z\n2;u\n3;v\n4\n5;w;s\n',
    types: { a: WHOLE, b: TEXT, c: TEXT },
    read: { missingCells: 'empty' },
    refined: '5 rows',
  },
  'blank.csv': {
    content: 'a;b\n1;x\n;\n2;u\n;\n',
    types: { a: WHOLE, b: TEXT },
    read: { blankRows: 'skip' },
    refined: '2 rows',
  },
  'cyrillic.csv': {
    content: Uint8Array.from([...Buffer.from('id;v\n1;'), 0xcf, 0xf0, 0xe8, 0xe2, 0xe5, 0xf2, 0x0a]),
    types: { id: WHOLE, v: TEXT },
    read: { encoding: 'windows-1251' },
    refined: '1 row',
  },
  'control.csv': {
    content: 'i\u0001d,na\u0007me\n1,a\u0002b\n2,c\n',
    types: { i_d: WHOLE, na_me: TEXT },
    columns: { i_d: { position: 1 }, na_me: { position: 2 } },
    refined: '2 rows',
  },
  'places.csv': {
    content: `id,place\n${rows(40, (row) => `${row},"${['Paris, France', 'Bonn, Germany', 'Rome, Italy'][row % 3]}"`)}`,
    types: { id: WHOLE, place: TEXT },
    refined: '40 rows',
  },
  'years.csv': {
    content: 'country,2010,2011\nA,1,2\nB,4,5\nC,7,8\n',
    types: { country: TEXT, c_2010: WHOLE, c_2011: WHOLE },
    refined: '3 rows',
  },
  'document.json': {
    content: '{"meta":{"n":2},"data":{"items":[{"id":1,"total":"2,50"},{"id":2,"total":"3,75"}]}}',
    types: { id: WHOLE, total: 'DECIMAL(18,2)' },
    read: { format: 'json', records: '$.data.items' },
    refined: '2 rows',
  },
  'lines.ndjson': {
    content: rows(40, (row) =>
      JSON.stringify({
        id: row,
        profile: { city: 'Bonn' },
        tags: ['a', 'b'],
        at: '2026-03-01T10:00:00Z',
        lines: [{ n: 1 }],
        ok: true,
      }),
    ),
    types: { id: WHOLE, profile_city: TEXT, tags: 'array', at: 'timestamp', lines: TEXT, ok: 'boolean' },
    columns: { profile_city: 'profile.city' },
    refined: '40 rows',
  },
}

/** One pipeline with a dataset for each file. */
async function givenFiles(files: Readonly<Record<string, string | Uint8Array>>) {
  const datasets = Object.keys(files).map((file, index) => `      d${index}: { files: '${file}' }\n`)
  return await givenFolder(`  shop:\n    type: files\n    path: DROP\n    datasets:\n${datasets.join('')}`, files)
}

type DatasetText = { readonly read?: object; readonly columns?: Readonly<Record<string, unknown>> }

async function datasetsIn(text: string): Promise<Readonly<Record<string, DatasetText>>> {
  return (parse(text) as { sources: { shop: { datasets: Record<string, DatasetText> } } }).sources.shop.datasets
}

describe('a draft of an odd file', () => {
  test('says how it is written, and runs', { timeout: 300_000 }, async () => {
    const files = Object.fromEntries(Object.entries(CASES).map(([name, { content }]) => [name, content]))
    await using given = await givenFiles(files)

    const tried: (readonly [string, number])[] = []
    for (const [index, name] of Object.keys(CASES).entries())
      tried.push([name, (await given.try(`shop/d${index}`, '--write')).exitCode])
    const run = await given.run()

    expect(tried).toEqual(Object.keys(CASES).map((name) => [name, 0]))
    expect([run.exitCode, run.notes]).toEqual([0, expect.any(String)])
    const datasets = await datasetsIn(await given.text('pipeline.yaml'))
    for (const [index, [name, { types, read = {}, columns = {}, refined }]] of Object.entries(CASES).entries()) {
      const { properties } = (await given.contract(`d${index}`)).schema[0] ?? { properties: [] }
      const found = Object.fromEntries(
        properties.map(({ name: column, logicalType, physicalType }) => [column, physicalType ?? logicalType]),
      )
      expect({ name, types: found }).toEqual({ name, types })
      expect({ name, read: datasets[`d${index}`]?.read ?? {} }).toEqual({ name, read })
      expect({ name, columns: datasets[`d${index}`]?.columns ?? {} }).toMatchObject({ name, columns })
      const line = run.notes.split('\n').find((each) => new RegExp(`refine d${index} `).test(each))
      expect({ name, line }).toEqual({ name, line: expect.stringMatching(new RegExp(`${refined}$`)) })
    }
  })

  test('has no value of the file in its text', async () => {
    const secret = (row: number) => `secret${row % 3}`
    await using given = await givenFiles({
      'a.csv': `id;v\n${rows(40, (row) => `${row};${secret(row)}`)}`,
      'b.csv': rows(40, (row) => `${row};${secret(row)}`),
    })

    for (const name of ['d0', 'd1']) expect((await given.try(`shop/${name}`, '--write')).exitCode).toBe(0)

    const texts = [
      await given.text('pipeline.yaml'),
      await given.text('contracts/d0.yaml'),
      await given.text('contracts/d1.yaml'),
    ]
    expect(texts.join('')).not.toContain('secret')
  })

  test('is not made of a file of which hardly any record is a row', async () => {
    await using given = await givenFiles({ 'a.csv': `a,b\n${rows(20, (row) => '1,2,'.repeat(2 + (row % 7)) + row)}` })

    const { exitCode, out, notes } = await given.try('shop/d0', '--write')

    const isTold = exitCode === 0 ? (await given.run()).exitCode === 0 : notes.includes('cannot be read as a table')
    expect([isTold, out.includes('rows 0')]).toEqual([true, false])
  })
})

const CELLS = [
  '',
  '1',
  '-2',
  '007',
  '1,234',
  '1.234,5',
  '2.50',
  '12,5',
  '$3.00',
  '97%',
  '1h 35m',
  'n/a',
  '2026-03-01',
  '31.02.2026',
  '03/04/2026',
  'yes',
  'a|b',
  '[1, 2]',
  '{"a": 1}',
  "['x', 'y']",
  '{a,b}',
  'John "Jack" Doe',
  '"',
  'Total',
  '#',
  'ж',
  '\u200b',
  '\u0001',
  '1e400',
  '99999999999999999999999999999999999999999',
  '1600000000',
  'a'.repeat(300),
]

const oddFile = fc
  .record({
    delimiter: fc.constantFrom(',', ';', '\t', '|', '::'),
    end: fc.constantFrom('\n', '\r\n'),
    header: fc.array(
      fc.constantFrom('', 'id', 'id', 'Name', 'x y', 'x-y', 'Größe (cm)', '1', '_window', 'order', '#'),
      { maxLength: 6 },
    ),
    preamble: fc.constantFrom('', 'Report\n', '# note\n', '\n\n', '\u{feff}'),
    rows: fc.array(fc.array(fc.constantFrom(...CELLS), { minLength: 1, maxLength: 6 }), { maxLength: 30 }),
    width: fc.option(fc.integer({ min: 1, max: 6 })),
    isQuoted: fc.boolean(),
  })
  .map(({ delimiter, end, header, preamble, rows: all, width, isQuoted }) => {
    const cell = (text: string) => (isQuoted && /[",;|\t]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text)
    const wide = (cells: readonly string[]) =>
      width === null ? cells : Array.from({ length: width }, (_, at) => cells[at % Math.max(1, cells.length)] ?? '')
    const lines = [wide(header), ...all.map(wide)].map((cells) => cells.map(cell).join(delimiter))
    return preamble + lines.join(end) + end
  })

describe('a law of drafts', () => {
  test('one that is written runs, whatever the file, and no row is lost', { timeout: 600_000 }, async () => {
    const files = fc.sample(oddFile, { numRuns: 40, seed: 20260301 })
    await using given = await givenFiles(Object.fromEntries(files.map((content, index) => [`f${index}.csv`, content])))
    const drafted: number[] = []
    const broken: string[] = []

    for (const index of files.keys()) {
      const { exitCode, notes } = await given.try(`shop/d${index}`, '--write')
      if (exitCode === 0) drafted.push(index)
      else if (!/cannot be read as a table|nothing to look at/.test(notes)) broken.push(`${index}: ${notes}`)
    }

    expect(broken).toEqual([])
    expect(drafted.length).toBeGreaterThan(20)
    await given.keepOnly(drafted.map((index) => `d${index}`))
    const run = await given.run()
    expect([run.exitCode, run.notes]).toEqual([0, expect.not.stringContaining('✗')])
  })

  test.skipIf(sharedData('netflix_titles_credits') === undefined)(
    'holds for the real sets',
    { timeout: 600_000 },
    async () => {
      const sets = [
        'disney_plus_titles',
        'movielens_latest_small',
        'netflix_titles_credits',
        'telco_churn',
        'json_dummyjson',
      ]
      const files: Record<string, Buffer> = {}
      for (const set of sets) {
        const folder = sharedData(set) ?? ''
        for (const name of await readdir(folder))
          if (/\.(?:csv|json)$/.test(name)) files[`${set}_${name}`] = await readFile(join(folder, name))
      }
      await using given = await givenFiles(files)

      for (const index of Object.keys(files).keys())
        expect((await given.try(`shop/d${index}`, '--write')).exitCode).toBe(0)
      const run = await given.run()

      expect([run.exitCode, run.notes]).toEqual([0, expect.not.stringContaining('✗')])
    },
  )
})
