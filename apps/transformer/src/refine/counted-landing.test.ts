import { afterEach, beforeEach, expect, test } from 'vitest'
import type { LandedFile, Manifest, Refine } from '@cinelake/contracts'
import { aColumn, aDataset, aRefinery, type Landing, type Refinery } from './refinery.fixture.ts'

let refinery: Refinery

beforeEach(async () => {
  refinery = await aRefinery()
})
afterEach(() => refinery[Symbol.asyncDispose]())

/** Lands files whose records were counted by the ingest, as those of APIs and pushes are. */
async function landCounted(dataset: Parameters<Refinery['land']>[0], landing: Landing): Promise<Refine> {
  const command = await refinery.land(dataset, landing)
  const manifest = JSON.parse((await refinery.lake.readText(command.manifest)) ?? '') as Manifest
  const files = manifest.files.map((file: LandedFile) => ({ ...file, rowCount: 1, delimiter: ',' }))
  await refinery.lake.put(command.manifest, JSON.stringify({ ...manifest, files }))
  return command
}

test.each([
  ['one file', { 'a.csv': 'id,t\n1,a,\n' }],
  ['several files', { 'a.csv': 'id,t\n1,a,\n', 'b.csv': 'id,t\n2,b,\n' }],
])('a cell too many in every record of %s is no habit of its writer: the records are rejected', async (_, files) => {
  const dataset = aDataset({ columns: [aColumn('id'), aColumn('t')] })
  const good = await landCounted(dataset, { files: { 'z.csv': 'id,t\n0,z\n' } })
  await refinery.refine(good)
  const count = Object.keys(files).length

  const { balance } = await refinery.refine(await landCounted(dataset, { files, day: 2 }))

  expect(balance).toMatchObject({ in: count, out: 0, rejected: count })
})

test('is CSV, whatever its first bytes look like', async () => {
  const dataset = aDataset({ columns: [aColumn('id', { reading: { from: ['{"id":1}'] } })] })
  const { balance } = await refinery.refine(await landCounted(dataset, { files: { 'a.csv': '"{""id"":1}"\n7\n' } }))
  expect(balance).toMatchObject({ in: 1, out: 1 })
})

test.each([
  [true, [' a ', '', 'null']],
  [undefined, ['a', null, 'null']],
])('texts of typed sources stay as they are (isTyped: %s)', async (isTyped, texts) => {
  const dataset = aDataset({ columns: [aColumn('id', { type: 'BIGINT' }), aColumn('t')] })
  const manifest: Partial<Manifest> = isTyped === true ? { isTyped } : {}
  const files = { 'a.csv': 'id,t\n1," a "\n2,""\n3,null\n4,\n' }

  await refinery.refine(await landCounted(dataset, { files, manifest }))

  expect((await refinery.rowsOf('orders', 'id', 'id, t')).map(({ t }) => t)).toEqual([...texts, null])
})

test.each([
  [undefined, 1],
  [[''], 0],
])('an empty text of a typed source is no number, unless it is a word for no value (%j)', async (nulls, rejected) => {
  const dataset = aDataset({
    columns: [aColumn('id', { type: 'BIGINT' }), aColumn('n', { type: 'BIGINT', reading: { from: ['n'], nulls } })],
  })
  const files = { 'a.csv': 'id,n\n1,5\n2,""\n3,\n' }

  const { balance } = await refinery.refine(await landCounted(dataset, { files, manifest: { isTyped: true } }))

  expect(balance).toMatchObject({ in: 3, out: 3 - rejected, rejected })
})

test('no value of a single column is written as an empty text, and is none', async () => {
  const dataset = aDataset({ columns: [aColumn('t')] })
  const files = { 'a.csv': 't\n""\nx\n' }

  await refinery.refine(await landCounted(dataset, { files, manifest: { isTyped: true } }))

  expect((await refinery.rowsOf('orders', 't NULLS FIRST', 't')).map(({ t }) => t)).toEqual([null, 'x'])
})
