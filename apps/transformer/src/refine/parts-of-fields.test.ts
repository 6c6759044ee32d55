import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { aColumn, aDataset, aRefinery, type Landing, type Refinery } from './refinery.fixture.ts'

let refinery: Refinery

beforeEach(async () => {
  refinery = await aRefinery()
})
afterEach(() => refinery[Symbol.asyncDispose]())

const from = (name: string) => ({ reading: { from: [name] } })
const columns = [
  aColumn('id', { type: 'BIGINT' }),
  aColumn('city', from('profile.address.city')),
  aColumn('zip', { type: 'BIGINT', ...from('Pro file.address.zip') }),
]

const csv = (profiles: readonly string[]) =>
  `id,profile\n${profiles.map((profile, index) => `${index + 1},"${profile.replaceAll('"', '""')}"\n`).join('')}`

const RECORDS = [
  { id: 1, profile: { address: { city: ' Ulm', zip: 89 } } },
  { id: 2, profile: { address: { city: 'Bonn', zip: 'x' } } },
  { id: 3, profile: {} },
]

/** The query's rows as a Parquet file. */
async function parquet(query: string): Promise<Uint8Array> {
  const file = join(refinery.directory, 'given.parquet')
  await using session = await refinery.engine.session()
  await session.run(`COPY (${query}) TO '${file}' (FORMAT parquet)`)
  return await readFile(file)
}

const texts = RECORDS.map(({ profile }) => JSON.stringify(profile))
const LANDINGS: readonly (readonly [string, () => Promise<Landing['files']> | Landing['files']])[] = [
  ['a CSV column of JSON', () => ({ 'a.csv': csv(texts) })],
  ['several small CSV files', () => ({ 'a.csv': csv(texts), 'b.csv': 'id,profile\n' })],
  ['a CSV column of what Python prints', () => ({ 'a.csv': csv(texts.map((text) => text.replaceAll('"', "'"))) })],
  ['a JSON file', () => ({ 'a.json': JSON.stringify(RECORDS) })],
  [
    'a Parquet file with structs',
    async () => ({
      'a.parquet': await parquet(
        `SELECT id, {'address': CASE WHEN id < 3 THEN {'city': city, 'zip': zip} END} AS profile FROM (VALUES (1, ' Ulm', '89'), (2, 'Bonn', 'x'), (3, NULL, NULL)) AS given(id, city, zip)`,
      ),
    }),
  ],
  [
    'a Parquet file with JSON',
    async () => ({
      'a.parquet': await parquet(
        `SELECT id, profile::JSON AS profile FROM (VALUES ${texts.map((text, index) => `(${index + 1}, '${text}')`).join(', ')}) AS given(id, profile)`,
      ),
    }),
  ],
]

test.each(LANDINGS)('the fields of an object are columns by their dotted names: %s', async (_, files) => {
  const { balance, quality } = await refinery.refineFiles(aDataset({ columns }), { files: await files() })

  expect(balance).toMatchObject({ in: 3, out: 2, rejected: 1 })
  expect(await refinery.rowsOf('orders', 'id', 'id, city, zip')).toEqual([
    { id: 1, city: ' Ulm', zip: 89 },
    { id: 3, city: null, zip: null },
  ])
  expect(quality?.map(({ rule }) => rule)).not.toContain('unknown_columns')
})

test('a field of the whole dotted name goes before a part of another', async () => {
  const files = { 'a.csv': 'id,profile.address.city,profile\n1,Köln,"{""address"":{""city"":""Ulm""}}"\n' }

  await refinery.refineFiles(aDataset({ columns: columns.slice(0, 2) }), { files })

  expect(await refinery.rowsOf('orders', 'id', 'city')).toEqual([{ city: 'Köln' }])
})

test('a text in place of the object rejects its row', async () => {
  const { balance } = await refinery.refineFiles(aDataset({ columns }), { files: { 'a.csv': csv(['Ulm', '']) } })

  expect(balance).toMatchObject({ in: 2, out: 1, rejected: 1 })
})
