import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { SqlFailedError } from '@cinelake/engine'
import { temporaryDirectory } from '@cinelake/testkit'
import { describe, expect, test } from 'vitest'
import type { ForeseenCsv } from '../read-csv/readable.ts'
import { stageRecords, type StagedCounts } from './stage.ts'
import { aColumn, aDataset, aRefinery } from './refinery.fixture.ts'

/** Stages a file of two rows with an engine that finds what is given, one after the other. */
async function staged(found: readonly (number | Error)[]) {
  await using directory = await temporaryDirectory()
  const file = join(directory.path, 'file.csv')
  await writeFile(file, 'a,b\n1,2\n3,4\n')
  const source = {
    name: 'file.csv',
    file,
    columns: [aColumn('a'), aColumn('b')],
    reading: { header: true, nulls: [] },
    copyTo: join(directory.path, 'copy.csv'),
  }
  const asked: ForeseenCsv[] = []
  const stage = async (csv: ForeseenCsv): Promise<StagedCounts> => {
    const next = found[asked.push(csv) - 1] ?? 0
    if (next instanceof Error) throw next
    return { rowCount: next, rejectedCount: 0, warnedCount: 0 }
  }
  const { csv } = await stageRecords(source, stage)
  return { csv, copies: asked.map(({ isCopy }) => isCopy) }
}

describe('an engine that finds other records than were counted', () => {
  test('is asked no more where it finds the same', async () => {
    expect(await staged([2])).toMatchObject({ csv: { recordCount: 2, isCopy: false }, copies: [false] })
  })

  test.each([[0], [3], [new SqlFailedError('Invalid Input', 'CSV Error', undefined)]])(
    'gets the file in another form: %s',
    async (first) => {
      expect(await staged([first, 2])).toMatchObject({ csv: { isCopy: true }, copies: [false, true] })
    },
  )

  test('fails the task where that does not help', async () => {
    await expect(staged([1, 1])).rejects.toMatchObject({ code: 'REFINE_RECORDS_LOST' })
  })

  test('is not asked again where the file is not to blame', async () => {
    await expect(staged([new Error('out of memory'), 2])).rejects.toThrow('out of memory')
  })
})

test('a large file is read while it is checked; a fault near its end costs its line, and nothing counts twice', async () => {
  await using refinery = await aRefinery()
  const filler = 'x'.repeat(1000)
  const rows = Array.from({ length: 35_000 }, (_, row) => `${row},${filler}`)
  const dataset = aDataset({
    columns: [aColumn('id', { type: 'BIGINT', required: true }), aColumn('text')],
    contract: { primaryKey: ['id'] },
  })
  const clean = `id,text\n${rows.join('\n')}\n`
  const one = await refinery.refineFiles(dataset, { files: { 'a.csv': clean } })
  const other = await refinery.refineFiles(dataset, { files: { 'a.csv': `${clean}7,"stray\n35000,last\n` }, day: 2 })
  expect(one.balance).toEqual({ unit: 'rows', in: 35_000, out: 35_000, rejected: 0, duplicates: 0 })
  expect(other.balance).toEqual({ unit: 'rows', in: 35_002, out: 35_001, rejected: 1, duplicates: 0 })
  expect(await refinery.rowsOf('_rejects/orders', 'ALL', 'rule, line, raw')).toEqual([
    { rule: 'row_shape', line: 35_002, raw: '7,"stray' },
  ])
})
