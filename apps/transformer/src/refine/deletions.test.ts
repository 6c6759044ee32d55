import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Lake } from '@cinelake/lake'
import { expect, test } from 'vitest'
import { aColumn, aDataset, aRefinery } from './refinery.fixture.ts'

const dataset = aDataset({
  mode: 'merge',
  columns: [aColumn('id', { type: 'INTEGER', required: true }), aColumn('v', { required: true })],
  contract: { primaryKey: ['id'] },
})
type Refinery = Awaited<ReturnType<typeof aRefinery>>
type Change = readonly [id: number, v: string | null, isGone?: boolean]

async function refine(
  refinery: Refinery,
  day: number,
  since: string | null,
  changes: readonly Change[],
  generation = 1,
  contract = dataset,
) {
  await using session = await refinery.engine.session()
  const file = join(refinery.directory, `landed-${day}-${generation}.parquet`)
  const rows = changes.map(([id, v, isGone = false]) => `(${id}, ${v === null ? 'NULL' : `'${v}'`}, ${isGone})`)
  const select = since === null ? 'id, v' : 'id, v, _deleted'
  const values = rows.length === 0 ? "(0, '', false)" : rows.join(', ')
  await session.run(
    `COPY (SELECT ${select} FROM (VALUES ${values}) t(id, v, _deleted) WHERE ${rows.length > 0}) TO '${file}' (FORMAT parquet)`,
  )
  const command = await refinery.land(contract, {
    files: { [`part-${day}.parquet`]: await readFile(file) },
    day,
    generation,
    manifest: { format: 'parquet', rowCount: rows.length, cursor: { kind: 'changes', since, until: String(day) } },
  })
  return await refinery.refine(command)
}
const rowsOf = async (refinery: Refinery) => await refinery.rowsOf('orders', 'id', 'id, v')

test('rows that are gone are taken out, those that were written are merged, and all are accounted for', async () => {
  await using refinery = await aRefinery()
  await refine(refinery, 1, null, [
    [1, 'a'],
    [2, 'b'],
    [3, 'c'],
  ])

  const outcome = await refine(refinery, 2, '1', [
    [2, 'B'],
    [4, 'd'],
    [1, null, true],
    [9, null, true],
  ])

  expect(outcome.balance).toEqual({ unit: 'rows', in: 4, out: 4, rejected: 0, duplicates: 0 })
  expect(outcome.quality?.filter(({ failed }) => failed > 0)).toEqual([])
  expect(await rowsOf(refinery)).toEqual([
    { id: 2, v: 'B' },
    { id: 3, v: 'c' },
    { id: 4, v: 'd' },
  ])
})

test('a window with rows that are gone is one commit, and files without a row of it keep their names', async () => {
  await using refinery = await aRefinery()
  await refine(refinery, 1, '0', [
    [1, 'a'],
    [2, 'b'],
  ])
  await refine(refinery, 2, '1', [
    [11, 'k'],
    [12, 'l'],
  ])
  await refine(refinery, 3, '2', [[21, 'u']])
  const table = refinery.table('orders')
  const before = await table.snapshot()

  await refine(refinery, 4, '3', [
    [2, 'B'],
    [3, 'c'],
    [21, null, true],
  ])

  const [commit] = await table.history({ limit: 1 })
  expect(commit).toMatchObject({ version: (before?.version ?? 0) + 1, operation: 'MERGE', removedFileCount: 2 })
  const kept = (await table.snapshot())?.files.map(({ path }) => path)
  expect(before?.files.map(({ path }) => kept?.includes(path))).toEqual([false, true, false])
  expect(await rowsOf(refinery)).toEqual([
    { id: 1, v: 'a' },
    { id: 2, v: 'B' },
    { id: 3, v: 'c' },
    { id: 11, v: 'k' },
    { id: 12, v: 'l' },
  ])
})

test('no reader sees a state of the table with rows taken out and those that came with them missing', async () => {
  const seen: unknown[] = []
  let look: (() => Promise<void>) | undefined
  const putIfAbsent =
    (lake: Lake): Lake['putIfAbsent'] =>
    async (...given) => {
      const result = await lake.putIfAbsent(...given)
      await look?.()
      return result
    }
  const wrapLake = (lake: Lake): Lake =>
    new Proxy(lake, {
      get(target, name) {
        const value: unknown = Reflect.get(target, name)
        if (name === 'putIfAbsent') return putIfAbsent(target)
        return typeof value === 'function' ? value.bind(target) : value
      },
    })
  await using refinery = await aRefinery({ wrapLake })
  await refine(refinery, 1, '0', [
    [1, 'a'],
    [2, 'b'],
  ])
  look = async () => {
    seen.push(await rowsOf(refinery))
  }
  await refine(refinery, 2, '1', [
    [1, null, true],
    [3, 'c'],
  ])

  const [before, after] = [
    [
      { id: 1, v: 'a' },
      { id: 2, v: 'b' },
    ],
    [
      { id: 2, v: 'b' },
      { id: 3, v: 'c' },
    ],
  ]
  expect(seen).toContainEqual(after)
  for (const state of seen) expect([before, after]).toContainEqual(state)
})

test('rows that are gone are found by a key that has another name and type since', async () => {
  await using refinery = await aRefinery()
  await refine(refinery, 1, null, [
    [1, 'a'],
    [2, 'b'],
    [3, 'c'],
  ])
  const key = aColumn('number', {
    type: 'BIGINT',
    required: true,
    renamedFrom: ['id'],
    reading: { from: ['number', 'id'] },
  })
  const renamed = aDataset({
    mode: 'merge',
    columns: [key, aColumn('v', { required: true })],
    contract: { primaryKey: ['number'] },
  })

  const changes: readonly Change[] = [
    [2, 'B'],
    [4, 'd'],
    [1, null, true],
  ]
  await refine(refinery, 2, '1', changes, 1, renamed)
  await refine(refinery, 2, '1', changes, 1, renamed)

  expect(await refinery.rowsOf('orders', 'ALL', 'number, v, typeof(number) AS type')).toEqual([
    { number: 2, v: 'B', type: 'BIGINT' },
    { number: 3, v: 'c', type: 'BIGINT' },
    { number: 4, v: 'd', type: 'BIGINT' },
  ])
})

test('a row that breaks a rule is rejected as it landed, though rows that are gone come with it', async () => {
  await using refinery = await aRefinery()
  await refine(refinery, 1, null, [
    [1, 'a'],
    [2, 'b'],
  ])

  const outcome = await refine(refinery, 2, '1', [
    [3, null],
    [4, 'd'],
    [1, null, true],
  ])

  expect(outcome.balance).toMatchObject({ in: 3, out: 2, rejected: 1 })
  expect(await rowsOf(refinery)).toEqual([
    { id: 2, v: 'b' },
    { id: 4, v: 'd' },
  ])
})

test('a window whose rows are all gone, and one done twice', async () => {
  await using refinery = await aRefinery()
  await refine(refinery, 1, null, [
    [1, 'a'],
    [2, 'b'],
  ])
  await refine(refinery, 2, '1', [[1, null, true]])
  await refine(refinery, 2, '1', [[1, null, true]])

  expect(await rowsOf(refinery)).toEqual([{ id: 2, v: 'b' }])
})

test('where the whole table landed again, what is not in it is gone: also when nothing is in it', async () => {
  await using refinery = await aRefinery()
  await refine(refinery, 1, null, [
    [1, 'a'],
    [2, 'b'],
  ])
  await refine(refinery, 2, null, [[2, 'b']])
  expect(await rowsOf(refinery)).toEqual([{ id: 2, v: 'b' }])

  await refine(refinery, 3, null, [])
  expect(await rowsOf(refinery)).toEqual([])
})

test('changes of a window before one that is in the table are refused: a row that is gone would come back', async () => {
  await using refinery = await aRefinery()
  await refine(refinery, 1, null, [[1, 'a']])
  await refine(refinery, 3, '2', [[1, null, true]])

  await expect(refine(refinery, 2, '1', [[1, 'b']])).rejects.toMatchObject({
    code: 'REFINE_CHANGES_LATE',
    retryable: false,
  })
  expect(await refine(refinery, 2, null, [[1, 'b']], 2)).toMatchObject({ output: { outcome: 'superseded' } })
  expect(await rowsOf(refinery)).toEqual([])
})
