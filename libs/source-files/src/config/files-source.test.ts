import { describe, expect, test } from 'vitest'
import type { z } from 'zod'
import { filesConfig } from './files-source.ts'

type FilesDatasetText = z.infer<typeof filesConfig.text>['datasets'][string]

function messagesOf(fields: Partial<FilesDatasetText>): string[] {
  const found: string[] = []
  const problems = { error: (_at: unknown, message: string) => void found.push(message) } as never
  const text = { at: () => ({}) } as never
  const datasets = { orders: { files: '*.csv', ...fields } }
  filesConfig.read('shop', { type: 'files', path: 'in', datasets }, { text, path: [], problems })
  return found
}

test.each([
  [{ format: 'json', records: '$.items' }, []],
  [{ format: 'ndjson', encoding: 'utf-16le' }, []],
  [{ delimiter: ';' }, []],
  [{ records: '$.items' }, ['`records` does not go with a format that is found out']],
  [{ format: 'csv', records: '$.items' }, ['`records` does not go with `format: csv`']],
  [{ format: 'json', delimiter: ';' }, ['`delimiter` does not go with `format: json`']],
  [{ format: 'xml', records: '$.r.o', encoding: 'utf-8' }, []],
  [{ format: 'xlsx', sheet: 2, range: 'B3:F', skip: 1, headerLines: 2, footer: 1, mergedCells: 'fill' }, []],
  [{ format: 'xlsx', delimiter: ';' }, ['`delimiter` does not go with `format: xlsx`']],
  [{ sheet: 'A' }, ['`sheet` does not go with a format that is found out']],
  [{ format: 'fixed-width', widths: [1, 2], header: false, comment: '*' }, []],
  [{ format: 'fixed-width', fields: [{ name: 'a', start: 1, width: 2 }], skip: 1 }, []],
  [{ format: 'fixed-width' }, ['`format: fixed-width` has no fields']],
  [
    { format: 'fixed-width', widths: [1], fields: [{ name: 'a', start: 1, width: 1 }] },
    ['`widths` and `fields` say the same'],
  ],
  [
    { format: 'fixed-width', header: true, fields: [{ name: 'a', start: 1, width: 1 }] },
    ['`header` does not go with `fields`, which names the columns'],
  ],
  [{ format: 'parquet', encoding: 'utf-8' }, ['`encoding` does not go with `format: parquet`']],
] as const)('options of how files are read go with their format: %j', (read, problems) => {
  expect(messagesOf({ read } as unknown as Partial<FilesDatasetText>)).toEqual(problems)
})

test('fields without a start follow the one before', () => {
  const fields = [
    { name: 'a', width: 4 },
    { name: 'b', start: 7, width: 2 },
    { name: 'c', width: 3 },
  ]
  const datasets = { orders: { files: '*.txt', read: { format: 'fixed-width', fields } } }
  const found = filesConfig.text.safeParse({ type: 'files', path: 'in', datasets })
  expect(found.data?.datasets['orders']?.read?.fields?.map(({ start }) => start)).toEqual([1, 7, 9])
})

test.each([
  ['B3:F200', true],
  ['B3:F', true],
  ['B:F', true],
  ['B3', true],
  ['3:200', true],
  ['B', false],
  ['Sheet1!B3', false],
  ['b3:f4', false],
])('the cells %s are a range: %s', (range, isRange) => {
  const datasets = { orders: { files: '*.xlsx', read: { format: 'xlsx', range } } }
  expect(filesConfig.text.safeParse({ type: 'files', path: 'in', datasets }).success).toBe(isRange)
})

type PlaceText = Omit<Parameters<typeof filesConfig.read>[1], 'type' | 'datasets'>

function placeProblems(source: PlaceText, dataset: Partial<FilesDatasetText> = {}): string[] {
  const found: string[] = []
  const problems = { error: (_at: unknown, message: string) => void found.push(message) } as never
  const text = { at: () => ({}) } as never
  const datasets = { orders: { files: '*.csv', ...dataset } }
  filesConfig.read('shop', { type: 'files', datasets, ...source }, { text, path: [], problems })
  return found
}

const ABFSS = 'abfss://drops@acme.dfs.core.windows.net/shop'
const SFTP = { path: 'sftp://me@host/in', hostKey: 'SHA256:x', auth: { password: '${secret:P}' } }

test.each<[PlaceText, Partial<FilesDatasetText>, string[]]>([
  [{ path: ABFSS }, { afterLanding: { archive: 'done' }, windowFrom: 'arrival' }, []],
  [{ path: 'https://acme.blob.core.windows.net/drops', auth: { sas: '${secret:S}' } }, {}, []],
  [{ path: 's3://drops/shop', region: 'eu-central-1' }, { afterLanding: 'delete' }, []],
  [SFTP, { windowFrom: 'modified' }, []],
  [{ path: 'C:\\\\drops' }, { afterLanding: { archive: 'D:\\\\done' } }, []],
  [{ path: '${DROP}' }, {}, []],
  [{ path: 'https://host/in', auth: { token: '${secret:T}' } }, { files: '{a,b}_{yyyy}.csv' }, []],
  [{ path: 'https://host/in' }, {}, ['an HTTP server is not listed: a name cannot have wildcards']],
  [{ path: 'https://host/in' }, { files: 'a.csv', afterLanding: 'delete' }, ['HTTP can neither move nor delete files']],
  [{ path: 'ftp://host/in' }, {}, ['there is no place of files of this kind']],
  [{ path: `${ABFSS}?sv=1&sig=x` }, {}, ['the address has a query']],
  [{ ...SFTP, path: 'sftp://me:secret@host/in' }, {}, ['the address has a password in it']],
  [{ path: 'sftp://me@host/in' }, {}, ['no `hostKey` says which server it is', 'no `auth` says how to sign in']],
  [SFTP, { windowFrom: 'arrival' }, ['SFTP cannot tell when a file came']],
  [SFTP, { afterLanding: { archive: '/done' } }, ["an archive outside the source's `path` cannot be reached"]],
  [
    { path: ABFSS, hostKey: 'SHA256:x', endpoint: 'https://x' },
    {},
    ['`hostKey` does not go with Azure', '`endpoint` does not go with Azure'],
  ],
  [{ path: 's3://drops', auth: { sas: '${secret:S}' } }, {}, ['`sas` does not go with S3']],
  [{ path: 's3://drops', auth: { keyId: 'AKIA1', secretKey: 'abc1' } }, {}, ['the secretKey is not kept as a secret']],
  [{ path: '/drops', auth: { password: '${secret:S}' } }, {}, ['`password` does not go with a folder']],
])('what a place needs and can do is checked: %j %j', (source, dataset, problems) => {
  expect(placeProblems(source, dataset)).toEqual(problems)
})

test.each([
  ['windows-1251', 'windows-1251'],
  ['cp1251', 'windows-1251'],
  ['klingon', undefined],
  // The runtime has other tables for these than the standard.
  ['euc-kr', undefined],
  ['ks_c_5601-1987', undefined],
  ['big5-hkscs', undefined],
])('the encoding %s is %s', (name, expected) => {
  const datasets = { orders: { files: '*.csv', read: { encoding: name } } }
  const found = filesConfig.text.safeParse({ type: 'files', path: 'in', datasets })
  expect(found.data?.datasets['orders']?.read?.encoding).toBe(expected)
})

describe('late files', () => {
  const problemsOf = (fields: Partial<FilesDatasetText>) => messagesOf({ once: true, late: 'include', ...fields })

  test.each([
    [{ mode: 'append' }, []],
    [{ mode: 'merge', newestBy: ['at'] }, []],
    [{ mode: 'merge' }, ['`late: include` needs `newestBy` where rows are merged']],
    [{ mode: 'snapshot' }, ['`late: include` would put an old file in the place of the whole table']],
    [{}, ['`late: include` would put an old file in the place of the whole table']],
  ] as const)('may come with the rows of another window where that does no harm: %j', (fields, problems) => {
    const found = problemsOf(fields as Partial<FilesDatasetText>)

    expect(found.map((message) => message.split(':').slice(0, 2).join(':'))).toEqual(problems)
  })
})
