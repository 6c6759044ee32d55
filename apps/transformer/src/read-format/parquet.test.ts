import { readFile } from 'node:fs/promises'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { aColumn, aDataset, aRefinery, type Refinery } from '../refine/refinery.fixture.ts'

let refinery: Refinery
beforeEach(async () => {
  refinery = await aRefinery()
})
afterEach(() => refinery[Symbol.asyncDispose]())

async function parquetOf(query: string): Promise<Buffer> {
  await using session = await refinery.engine.session()
  const file = `${refinery.directory}/scratch/made.parquet`
  await session.run(`COPY (${query}) TO '${file}' (FORMAT parquet, COMPRESSION zstd)`)
  return await readFile(file)
}

const dataset = aDataset({
  columns: [
    aColumn('id', { type: 'BIGINT' }),
    aColumn('seen', { type: 'TIMESTAMP WITH TIME ZONE' }),
    aColumn('price', { type: 'DECIMAL(10,2)' }),
    aColumn('who'),
  ],
})

test('a Parquet file is read with its types; what would be cut off is a reject', async () => {
  const rows = `SELECT 1 AS "ID", '2026-03-01 10:00:00.123456'::TIMESTAMP_NS AS seen, 1.50::DECIMAL(30,3) AS price, {'a': [1, NULL]} AS who
UNION ALL SELECT 2, '2026-03-01 10:00:00.123456789'::TIMESTAMP_NS, 1.50, NULL`
  const { balance, rejects } = await refinery.refineFiles(dataset, { files: { 'a.csv': await parquetOf(rows) } })

  expect(balance).toMatchObject({ in: 2, out: 1, rejected: 1 })
  expect(rejects).toMatchObject({ 'type(seen)': 1 })
  expect(await refinery.rowsOf('orders', 'id', 'id, seen, price, who')).toEqual([
    { id: 1, seen: '2026-03-01T10:00:00.123456Z', price: '1.50', who: '{"a":[1,null]}' },
  ])
})

test('bytes without a text type are text where they are UTF-8, and rejected otherwise', async () => {
  const rows = `SELECT 1 AS id, encode('Zoë') AS who UNION ALL SELECT 2, '\\xFF\\xFE'::BLOB`
  const { balance } = await refinery.refineFiles(dataset, { files: { 'a.parquet': await parquetOf(rows) } })

  expect(balance).toMatchObject({ in: 2, out: 1, rejected: 1 })
  expect(await refinery.rowsOf('orders', 'id', 'id, who')).toEqual([{ id: 1, who: 'Zoë' }])
})

test('bytes of a database table have escapes as text', async () => {
  const file = await parquetOf(`SELECT 1 AS id, 'Zo\\xC3\\xAB'::BLOB AS who UNION ALL SELECT 2, '\\xFF'::BLOB`)
  const { balance } = await refinery.refineFiles(dataset, {
    files: { 'a.parquet': file },
    manifest: { format: 'parquet' },
  })

  expect(balance).toMatchObject({ in: 2, out: 2 })
  expect(await refinery.rowsOf('orders', 'id', 'who')).toEqual([
    { who: String.raw`Zo\xC3\xAB` },
    { who: String.raw`\xFF` },
  ])
})

test('a Parquet file that is cut off is refused', async () => {
  const whole = await parquetOf('SELECT range AS id FROM range(1000)')
  await expect(
    refinery.refineFiles(dataset, { files: { 'a.parquet': whole.subarray(0, whole.length - 20) } }),
  ).rejects.toMatchObject({ code: 'REFINE_FILE_UNREADABLE' })
})
