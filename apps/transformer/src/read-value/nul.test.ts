import { afterEach, beforeEach, expect, test } from 'vitest'
import { join } from 'node:path'
import { readFile } from 'node:fs/promises'
import { aColumn, aDataset, aRefinery, type Refinery } from '../refine/refinery.fixture.ts'

const dataset = aDataset({
  columns: [aColumn('id', { type: 'INTEGER' }), aColumn('note'), aColumn('tags', { type: 'VARCHAR[]' })],
})

let refinery: Refinery
beforeEach(async () => {
  refinery = await aRefinery()
})
afterEach(() => refinery[Symbol.asyncDispose]())

const ROWS = ['1,"good",a', '2,"C\0X",b', '3,good,"[""x\0""]"', '4,"\0",c'].join('\n')
const REJECTS = [
  { line: 3, rule: 'type(note)', raw: '2,"C␀X",b' },
  { line: 4, rule: 'type(tags)', raw: '3,good,"[""x␀""]"' },
  { line: 5, rule: 'type(note)', raw: '4,"␀",c' },
]

test.each([
  ['a file that is read where it is', { 'a.csv': `id,note,tags\n${ROWS}\n` }],
  ['one in another encoding', { 'a.csv': Buffer.from(`\u{feff}id,note,tags\n${ROWS}\n`, 'utf16le') }],
  ['one of many small files', { 'a.csv': `id,note,tags\n${ROWS}\n`, 'b.csv': 'id,note,tags\n' }],
])('NUL in a quoted value rejects its row alone: %s', async (_, files) => {
  const { balance } = await refinery.refineFiles(dataset, { files })

  expect(balance).toMatchObject({ in: 4, out: 1, rejected: 3 })
  expect(await refinery.rowsOf('orders', 'id', 'id, note')).toEqual([{ id: 1, note: 'good' }])
  expect(await refinery.rowsOf('_rejects/orders', 'line', 'line, rule, raw')).toEqual(REJECTS)
})

test('NUL near the end of a large file, which is staged while it is checked, rejects its row', async () => {
  const filler = 'x'.repeat(1000)
  const rows = Array.from({ length: 35_000 }, (_, row) => `${row},${filler},t`)
  rows[34_990] = '34990,"a\0b",t'

  const { balance } = await refinery.refineFiles(dataset, { files: { 'a.csv': `id,note,tags\n${rows.join('\n')}\n` } })

  expect(balance).toMatchObject({ in: 35_000, out: 34_999, rejected: 1 })
  expect(await refinery.rowsOf('_rejects/orders', 'line', 'line, rule')).toEqual([{ line: 34_992, rule: 'type(note)' }])
})

test('NUL in a column of a landed table rejects its row', async () => {
  const file = join(refinery.directory, 'landed.parquet')
  await using session = await refinery.engine.session()
  await session.run(
    `COPY (SELECT * FROM (VALUES (1, 'good', ['a']), (2, 'C' || chr(0), ['b']), (3, 'good', ['x' || chr(0)])) AS t(id, note, tags)) TO '${file}' (FORMAT parquet)`,
  )

  const { balance } = await refinery.refineFiles(dataset, {
    files: { 'part-00000.parquet': await readFile(file) },
    manifest: { format: 'parquet' },
  })

  expect(balance).toMatchObject({ in: 3, out: 1, rejected: 2 })
  expect(await refinery.rowsOf('_rejects/orders', 'rule', 'rule')).toEqual([
    { rule: 'type(note)' },
    { rule: 'type(tags)' },
  ])
})
