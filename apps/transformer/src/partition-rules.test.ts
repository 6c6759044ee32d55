// @module-tag slow: tables with many partitions
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { type Refinery, aColumn, aDataset, aRefinery } from './refine/refinery.fixture.ts'

const id = aColumn('id', { type: 'BIGINT', required: true })

/** Refines rows that a database landed: `id`, and `p`, which the table is partitioned by. */
async function refineLanded(refinery: Refinery, type: string, values: readonly string[]) {
  await using session = await refinery.engine.session()
  const file = join(refinery.directory, 'rows.parquet')
  const rows = values.map((value, index) => `(${index}, ${value})`).join(', ')
  await session.run(`COPY (SELECT * FROM (VALUES ${rows}) AS rows(id, p)) TO '${file}' (FORMAT parquet)`)
  const dataset = aDataset({ columns: [id, aColumn('p', { type })], partitionBy: ['p'] })
  const manifest = { format: 'parquet' as const, rowCount: values.length }
  return await refinery.refineFiles(dataset, { files: { 'part-0.parquet': await readFile(file) }, manifest })
}

describe('a row is a reject, and the others go on, whose partition', () => {
  test.each([
    ['is infinity', 'DATE', "DATE 'infinity'", 'the years 1 to 9999'],
    ['is minus infinity', 'DATE', "DATE '-infinity'", 'the years 1 to 9999'],
    ['is before the year 1', 'DATE', "DATE '0001-12-31 (BC)'", 'the years 1 to 9999'],
    ['is after the year 9999', 'DATE', "DATE '10000-01-01'", 'the years 1 to 9999'],
    ['is an empty text', 'VARCHAR', "''", 'a text that is not empty'],
    ['is a long text', 'VARCHAR', "repeat('x', 254)", "at most 253 bytes in a folder's name"],
    ['is long once it is escaped', 'VARCHAR', "repeat('ü', 43)", "at most 253 bytes in a folder's name"],
  ])('%s', async (_, type, value, asked) => {
    await using refinery = await aRefinery()
    const fine = type === 'DATE' ? "DATE '2026-03-01'" : "repeat('ü', 42)"
    const outcome = await refineLanded(refinery, type, [fine, value, 'NULL'])
    expect(outcome.balance).toMatchObject({ in: 3, out: 2, rejected: 1 })
    expect(outcome.rejects).toEqual({ [`partition(p): ${asked}`]: 1 })
    expect(await refinery.rowsOf('orders', 'id', 'id')).toEqual([{ id: 0 }, { id: 2 }])
  })
})

test('texts of any other form are partitions, in columns of any name', async () => {
  const values = [
    'NULL',
    'null',
    '__HIVE_DEFAULT_PARTITION__',
    'a/b',
    'a%2Fb',
    '%',
    '..',
    '.',
    '~',
    'a=b',
    'käse',
    '😀',
  ]
  values.push("a'b", 'a"b', String.raw`a\b`, '#', '?', '*', '[x]', 'a b', 'a\nb', 'a\tb', 'x'.repeat(200), '01', '1')
  const quoted = (text: string) => `"${text.replaceAll('"', '""')}"`
  for (const name of ['käse', 'a%b', 'a/b', "a'b", 'filename', '..']) {
    await using refinery = await aRefinery()
    const dataset = aDataset({ columns: [id, aColumn(name)], partitionBy: [name] })
    const rows = values.map((value, index) => `${index},${quoted(value)}\n`)
    const { balance } = await refinery.refineFiles(dataset, { files: { 'a.csv': `id,${name}\n${rows.join('')}` } })
    expect(balance).toMatchObject({ in: values.length, out: values.length })
    expect((await refinery.rowsOf('orders', 'id')).map((row) => row[name])).toEqual(values)
  }
})
