import { zstdCompressSync } from 'node:zlib'
import fc from 'fast-check'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { aColumn, aDataset, aRefinery, type Refinery } from '../refine/refinery.fixture.ts'

let refinery: Refinery
beforeEach(async () => {
  refinery = await aRefinery()
})
afterEach(() => refinery[Symbol.asyncDispose]())

const dataset = aDataset({
  columns: [
    aColumn('id', { type: 'BIGINT' }),
    aColumn('note'),
    aColumn('price', { type: 'DECIMAL(20,4)', reading: { decimal: ',' } }),
    aColumn('city', { reading: { from: ['profile.address.city'] } }),
    aColumn('tags', { type: 'VARCHAR[]' }),
  ],
})
const columns = 'id, note, price, city, tags'

test('JSON and NDJSON are known by their bytes, and values keep type, blanks and digits', async () => {
  const one =
    '{"id":9007199254740993,"note":" a ","price":1.234,"profile":{"address":{"city":"null"}},"tags":["a",null,""]}'
  for (const files of [
    { 'a.csv': `[${one}]` },
    { 'a.txt': `\ufeff${one}\n\n${one.replace('9007199254740993', '2e3')}\n` },
  ]) {
    await refinery.refineFiles(dataset, { files })
    const [last] = (await refinery.rowsOf('orders', 'id', columns)).slice(-1)
    expect(last).toEqual({ id: 9007199254740993n, note: ' a ', price: '1.2340', city: 'null', tags: ['a', null, ''] })
  }
})

test('what is no row is rejected alone, with its path, and the others stay', async () => {
  const bad = ['{"id":NaN}', '7', '{"id":1,"id":2}', '{"id":"x"}', '{"id":""}', String.raw`{"note":"\ud83d"}`]
  const { balance } = await refinery.refineFiles(
    { ...dataset, reading: { ...dataset.reading, format: 'json', records: '$.data.items' } },
    { files: { 'a.json': `{"n":1,"data":{"x":[1],"items":[{"id":1},${bad.join(',\n')}]}}` } },
  )
  expect(balance).toMatchObject({ in: 7, out: 1, rejected: 6 })
  const rejects = await refinery.rowsOf('_rejects/orders', 'file', 'file, rule, found, raw')
  expect(rejects.map(({ file }) => file)).toEqual([1, 2, 3, 4, 5, 6].map((n) => `a.json $.data.items[${n}]`))
  expect(rejects[3]).toMatchObject({ rule: 'type(id)', found: ['id=x'], raw: '{"id":"x"}' })
  expect(rejects[2]).toMatchObject({ rule: 'row_shape', found: ['an object in which a name is there twice'] })
})

test.each([['[{"id":1},{"id":2'], ['[{"id":1} {"id":2}]'], ['[{"id":1},]'], ['{"id":1}\n{"id":2}\n{"id":']])(
  '%j, which is cut off or broken around its records, is refused as a whole',
  async (text) => {
    await expect(refinery.refineFiles(dataset, { files: { 'a.json': text } })).rejects.toMatchObject({
      code: 'REFINE_FILE_UNREADABLE',
    })
  },
)

test('a file of another format than the stated one is refused with both', async () => {
  const stated = { ...dataset, reading: { ...dataset.reading, format: 'parquet' as const } }
  await expect(refinery.refineFiles(stated, { files: { 'a.parquet': '[{"id":1}]' } })).rejects.toMatchObject({
    code: 'REFINE_FILE_FORMAT',
    message: expect.stringMatching(/expected Parquet, as `read.format` says.*got JSON/),
  })
})

test('a zstd file is read as its content', async () => {
  const command = await refinery.land(dataset, { files: { 'a.zst': zstdCompressSync('{"id":1}\n{"id":2}\n') } })
  const manifest = JSON.parse((await refinery.lake.readText(command.manifest)) ?? '')
  const files = manifest.files.map((file: object) => ({ ...file, compression: 'zstd' }))
  await refinery.lake.put(command.manifest, JSON.stringify({ ...manifest, files }))
  expect(await refinery.refine(command)).toMatchObject({ balance: { in: 2, out: 2 } })
})

test('any texts come out as they are, or their row is rejected', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.option(fc.string({ unit: 'binary' })), { minLength: 1, maxLength: 20 }),
      async (texts) => {
        const rows = texts.map((note, id) => ({ id, note }))
        await using own = await aRefinery()
        const { balance } = await own.refineFiles(dataset, { files: { 'a.json': JSON.stringify(rows) } })
        const kept = rows.filter(({ note }) => !(note?.includes('\0') ?? false))
        expect(await own.rowsOf('orders', 'id', 'id, note')).toEqual(kept)
        expect(balance).toMatchObject({ in: rows.length, out: kept.length, rejected: rows.length - kept.length })
      },
    ),
    { numRuns: 10 },
  )
})
