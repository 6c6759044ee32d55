import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Manifest } from '@cinelake/contracts'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { aColumn, aDataset, aRefinery, type Landing, type Refinery } from './refinery.fixture.ts'

let refinery: Refinery

beforeEach(async () => {
  refinery = await aRefinery()
})
afterEach(() => refinery[Symbol.asyncDispose]())

const exploded = { dataset: 'titles', field: 'cast', key: [aColumn('id', { type: 'BIGINT', required: true })] }

/** The items of `cast` in the rows of `titles`. */
const items = (columns: readonly ReturnType<typeof aColumn>[]) =>
  aDataset({
    columns: [
      aColumn('title_id', { type: 'BIGINT', required: true, reading: { from: ['titles.id'] } }),
      aColumn('place', { type: 'BIGINT', required: true, reading: { from: ['_position'] } }),
      ...columns,
    ],
    contract: { primaryKey: ['title_id', 'place'] },
    explodedFrom: exploded,
  })
const people = items([aColumn('name'), aColumn('fee', { type: 'DECIMAL(20,2)', reading: { from: ['deal.fee'] } })])
const values = items([aColumn('value')])

const csv = (lists: readonly string[], header = 'id,cast') =>
  `${header}\n${lists.map((list, index) => `${index + 1},"${list.replaceAll('"', '""')}"\n`).join('')}`

async function parquet(query: string): Promise<Uint8Array> {
  const file = join(refinery.directory, 'given.parquet')
  await using session = await refinery.engine.session()
  await session.run(`COPY (${query}) TO '${file}' (FORMAT parquet)`)
  return await readFile(file)
}

const LISTS = [
  '[{"name":"Ada","deal":{"fee":12345678901234567.10}},{"name":" Bo "}]',
  '[]',
  '[{"name":"Cy","deal":{"fee":"x"}},{"name":"Di"}]',
  '',
]
const records = (lists: readonly string[]) =>
  lists.map((list, index) => `{"id":${index + 1}${list === '' ? '' : `,"cast":${list}`}}`)
const table = `SELECT * FROM (VALUES ${LISTS.map((list, index) => `(${index + 1}, nullif('${list}', ''))`).join(', ')}) AS given(id, "cast")`

const OBJECTS: readonly (readonly [string, () => Promise<Landing> | Landing])[] = [
  ['a CSV column of JSON', () => ({ files: { 'a.csv': csv(LISTS) } })],
  [
    'a CSV column of what Python prints',
    () => ({ files: { 'a.csv': csv(LISTS.map((list) => list.replaceAll('"', "'"))) } }),
  ],
  ['a JSON file', () => ({ files: { 'a.json': `[${records(LISTS).join(',')}]` } })],
  ['NDJSON', () => ({ files: { 'a.ndjson': `${records(LISTS).join('\n')}\n` } })],
  ['a Parquet file with JSON', async () => ({ files: { 'a.parquet': await parquet(table) } })],
  [
    'a landed table with JSON',
    async () => ({
      files: { 'a.parquet': await parquet(table) },
      manifest: { format: 'parquet' } satisfies Partial<Manifest>,
    }),
  ],
]

test.each(OBJECTS)('objects in a list are rows with their parent and their place: %s', async (_, landing) => {
  const { balance } = await refinery.refineFiles(people, await landing())

  expect(balance).toMatchObject({ in: 4, out: 3, rejected: 1 })
  expect(await refinery.rowsOf('orders', 'title_id, place', 'title_id, place, name, fee')).toEqual([
    { title_id: 1, place: 1, name: 'Ada', fee: '12345678901234567.10' },
    { title_id: 1, place: 2, name: ' Bo ', fee: null },
    { title_id: 3, place: 2, name: 'Di', fee: null },
  ])
  const [reject] = await refinery.rowsOf('_rejects/orders', 'ALL', 'rule, file, raw')
  expect(reject).toMatchObject({ rule: 'type(fee)', raw: '{"name":"Cy","deal":{"fee":"x"}}' })
  expect(reject?.['file']).toMatch(/(row 3|\[2\]|ndjson )\.cast\[0\]$/)
})

test.each<[string, string, (string | null)[]]>([
  ['JSON', '["a",null,""]', ['a', null, '']],
  ['Python', "['a', None]", ['a', null]],
  ['a tuple', "('a', 'b')", ['a', 'b']],
  ['PostgreSQL', '{a,"b c",NULL}', ['a', 'b c', null]],
  ['an empty one of PostgreSQL', '{}', []],
  ['a separator', 'a| b||c', ['a', 'b', null, 'c']],
  ['one text', 'a', ['a']],
  ['JSON null', 'null', []],
  ['one object in its place', '{"value":"a"}', ['a']],
])('texts in a list are rows with a value: %s', async (_, list, expected) => {
  const { balance } = await refinery.refineFiles(values, { files: { 'a.csv': csv([list, '']) } })

  expect(balance).toMatchObject({ in: expected.length, out: expected.length })
  expect(await refinery.rowsOf('orders', 'place', 'title_id, place, value')).toEqual(
    expected.map((value, index) => ({ title_id: 1, place: index + 1, value })),
  )
})

test.each([
  ['CSV', { 'a.csv': 'id,cast\nU-1,[a]\nx,[b]\n' }],
  ['JSON', { 'a.json': '[{"id":"U-1","cast":["a"]},{"id":"x","cast":["b"]}]' }],
  ['NDJSON', { 'a.ndjson': '{"id":"U-1","cast":["a"]}\n{"id":"x","cast":["b"]}\n' }],
] as const)('the key of a parent is read as the parent reads it: %s', async (_, files) => {
  const id = aColumn('id', { type: 'BIGINT', required: true, reading: { from: ['id'], extract: 'U-(\\d+)' } })
  const { balance } = await refinery.refineFiles(
    { ...values, explodedFrom: { ...exploded, key: [id] } },
    { files: { ...files } },
  )

  expect(balance).toMatchObject({ in: 2, out: 1, rejected: 1 })
  expect(await refinery.rowsOf('orders', 'place', 'title_id, place, value')).toEqual([
    { title_id: 1, place: 1, value: 'a' },
  ])
  expect(await refinery.rowsOf('_rejects/orders', 'ALL', 'rule')).toEqual([{ rule: 'row_shape' }])
})

test('lists of a database are rows, each with its parent', async () => {
  const query = `SELECT * FROM (VALUES (7, ['a', NULL]), (8, []), (9, NULL), (10, ['x'])) AS given(id, "cast")`
  const files = { 'a.parquet': await parquet(query) }

  const { balance } = await refinery.refineFiles(values, { files, manifest: { format: 'parquet' } })

  expect(balance).toMatchObject({ in: 3, out: 3 })
  expect(await refinery.rowsOf('orders', 'title_id, place', 'title_id, place, value')).toEqual([
    { title_id: 7, place: 1, value: 'a' },
    { title_id: 7, place: 2, value: null },
    { title_id: 10, place: 1, value: 'x' },
  ])
})

test.each([
  ['a text that is no list', '2,"[a"', 'row 2', 'no list'],
  ['NaN in it', '2,"[1, NaN]"', 'row 2', 'no list'],
  ['a key that is not of its type', 'x,"[1]"', 'row 2', 'key'],
  ['no key', ',"[1]"', 'row 2', 'key'],
  ['a field too many', '2,"[1]",3', 'row 2', 'cannot be read'],
  ['an object with a name twice', '2,"[{""a"":1,""a"":2}]"', 'row 2', 'twice'],
  ['an item that names its place itself', '2,"[{""_position"":5}]"', 'row 2.cast[0]', '_position'],
])('%s is a reject that names the parent’s row', async (_, row, place, why) => {
  const { balance } = await refinery.refineFiles(values, { files: { 'a.csv': `id,cast\n1,"[1]"\n${row}\n` } })

  expect(balance).toMatchObject({ in: 2, out: 1, rejected: 1 })
  const [reject] = await refinery.rowsOf('_rejects/orders', 'ALL', 'rule, file, found')
  expect(reject).toMatchObject({ rule: 'row_shape', file: `a.csv ${place}` })
  expect(JSON.stringify(reject?.['found'])).toContain(why)
})

test('a file without the list fails', async () => {
  await expect(refinery.refineFiles(values, { files: { 'a.csv': 'id,other\n1,a\n' } })).rejects.toThrow('cast')
})

test('a list may be in an object', async () => {
  const inObject = { ...values, explodedFrom: { ...exploded, field: 'crew.cast' } }

  await refinery.refineFiles(inObject, { files: { 'a.csv': csv(['{"cast":["a","b"]}'], 'id,crew') } })

  expect(await refinery.rowsOf('orders', 'place', 'value')).toEqual([{ value: 'a' }, { value: 'b' }])
})
