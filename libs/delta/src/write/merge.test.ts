import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { DeltaTable, StagedFiles, WrittenFile } from '../delta-table.ts'
import { once, openWorkbench, type Workbench } from '../delta.fixture.ts'

let bench: Workbench
let table: DeltaTable
beforeEach(async () => {
  bench = await openWorkbench()
  table = bench.table()
})
afterEach(async () => await bench[Symbol.asyncDispose]())

const rowsOf = (...rows: readonly (readonly [id: number, name: string])[]) =>
  rows.length === 0
    ? "SELECT 0 AS id, '' AS name WHERE false"
    : `SELECT * FROM (VALUES ${rows.map(([id, name]) => `(${id}, '${name}')`).join(', ')}) AS rows(id, name)`
const keysOf = (...ids: readonly number[]) => `SELECT unnest([${ids.join(', ')}]) AS id`

const append = async (query: string) => await table.append(bench.session, query, once())
const filesOf = async () => (await table.snapshot())?.files.map(({ path }) => path) ?? []

test('a merge takes rows out and puts others in with one commit, and rewrites only the files that have one of the keys', async () => {
  await append(rowsOf([1, 'a'], [2, 'b']))
  await append(rowsOf([11, 'k'], [12, 'l']))
  await append(rowsOf([21, 'u'], [22, 'v']))
  const [first = '', second = '', third = ''] = await filesOf()
  const before = (await table.snapshot())?.version ?? 0

  const done = await table.merge(bench.session, rowsOf([2, 'B'], [3, 'c']), {
    ...once(),
    key: ['id'],
    deletions: keysOf(11, 99),
  })

  expect(done).toMatchObject({ version: before + 1, outcome: 'committed' })
  expect(await bench.rows(table)).toEqual([
    { id: 1, name: 'a' },
    { id: 2, name: 'B' },
    { id: 3, name: 'c' },
    { id: 12, name: 'l' },
    { id: 21, name: 'u' },
    { id: 22, name: 'v' },
  ])
  const after = await filesOf()
  expect(after).toContain(third)
  expect(after).not.toContain(first)
  expect(after).not.toContain(second)
})

test('a key that goes and comes in one merge comes as if it had not been there', async () => {
  await append(rowsOf([1, 'a'], [2, 'b']))

  await table.merge(bench.session, rowsOf([1, 'older'], [2, 'older']), {
    ...once(),
    key: ['id'],
    deletions: keysOf(1),
    resolve: { when: 'false' },
  })

  expect(await bench.rows(table)).toEqual([
    { id: 1, name: 'older' },
    { id: 2, name: 'b' },
  ])
})

test('a merge that only takes rows out leaves a table that may be empty, and its delivery again changes nothing', async () => {
  await append(rowsOf([1, 'a'], [2, 'b']))
  const options = { ...once('delete'), key: ['id'], deletions: keysOf(1, 2) }

  await table.merge(bench.session, rowsOf(), options)
  await append(rowsOf([1, 'again']))

  expect(await table.merge(bench.session, rowsOf(), options)).toMatchObject({ outcome: 'already-committed' })
  expect(await bench.rows(table)).toEqual([{ id: 1, name: 'again' }])
})

test('rows that were staged are merged from their files, and become the table as they are where no key meets one', async () => {
  await append(rowsOf([1, 'a']))
  const [before = ''] = await filesOf()

  await using fresh = await table.stage(bench.session, rowsOf([11, 'k']))
  await table.merge(bench.session, fresh, { ...once(), key: ['id'] })
  await using known = await table.stage(bench.session, rowsOf([11, 'K'], [12, 'l']))
  await table.merge(bench.session, known, { ...once(), key: ['id'] })

  expect(await filesOf()).toContain(before)
  expect(await bench.rows(table)).toEqual([
    { id: 1, name: 'a' },
    { id: 11, name: 'K' },
    { id: 12, name: 'l' },
  ])
})

test('staged rows that met no key meet those that another writer committed in between', async () => {
  await append(rowsOf([1, 'a']))
  let isDisturbed = false
  const disturbed = new Proxy(bench.lake, {
    get(lake, name) {
      const value: unknown = Reflect.get(lake, name)
      if (name !== 'putIfAbsent') return typeof value === 'function' ? value.bind(lake) : value
      return async (...[path, ...rest]: Parameters<typeof lake.putIfAbsent>) => {
        if (!isDisturbed && path.includes('_delta_log')) {
          isDisturbed = true
          await using other = await bench.newSession()
          await table.append(other, rowsOf([11, 'theirs']), once())
        }
        return await lake.putIfAbsent(path, ...rest)
      }
    },
  })
  const ours = bench.table(table.path, disturbed)
  await using staged = await ours.stage(bench.session, rowsOf([11, 'ours'], [12, 'ours']))

  await ours.merge(bench.session, staged, { ...once(), key: ['id'] })

  expect(isDisturbed).toBe(true)
  expect(await bench.rows(table)).toEqual([
    { id: 1, name: 'a' },
    { id: 11, name: 'ours' },
    { id: 12, name: 'ours' },
  ])
})

test('merges at once that take rows out and put others in end as one after the other would', async () => {
  await append(`SELECT range::INTEGER AS id, 'before' AS name FROM range(20)`)
  const writers = [0, 1, 2, 3]

  await Promise.all(
    writers.map(async (writer) => {
      await using session = await bench.newSession()
      const ours = bench.table()
      await using staged = await ours.stage(session, rowsOf([writer, 'after'], [100 + writer, 'new']))
      await ours.merge(session, staged, { ...once(), key: ['id'], deletions: keysOf(10 + writer, 100 + writer) })
    }),
  )

  const found = await bench.rows(table)
  const names = (low: number, high: number) =>
    found?.filter(({ id }) => Number(id) >= low && Number(id) < high).map(({ name }) => name)
  expect(names(0, 4)).toEqual(writers.map(() => 'after'))
  expect(names(4, 10)).toEqual(Array.from({ length: 6 }, () => 'before'))
  expect(names(10, 14)).toEqual([])
  expect(names(14, 20)).toEqual(Array.from({ length: 6 }, () => 'before'))
  expect(names(100, 104)).toEqual(writers.map(() => 'new'))
})

test('files that another engine has written into the folder become the table as they are', async () => {
  const rows = await written(['part-a.parquet', rowsOf([1, 'a'], [2, 'b'])], ['part-b.parquet', rowsOf([3, 'c'])])

  await table.overwrite(bench.session, rows, once())

  expect(await filesOf()).toEqual(['part-a.parquet', 'part-b.parquet'])
  expect((await table.snapshot())?.rowCount).toBe(3)
  expect(await bench.rows(table)).toEqual([
    { id: 1, name: 'a' },
    { id: 2, name: 'b' },
    { id: 3, name: 'c' },
  ])
})

test('rows that were staged here are files in the folder as soon as they are asked for, and are then taken as they are', async () => {
  await table.begin()
  await using staged = await table.stage(bench.session, rowsOf([1, 'a'], [2, 'b']))

  const files = await staged.files()
  expect(await isThere(files[0]?.path ?? '')).toBe(true)
  expect(files).toMatchObject([{ rowCount: 2, min: { id: 1 }, max: { id: 2 } }])
  await table.overwrite(bench.session, staged, once())

  expect(await filesOf()).toEqual(files.map(({ path }) => path))
  expect(await bench.rows(table)).toHaveLength(2)
})

test('such files are merged by their keys, and those that no commit names are deleted', async () => {
  await append(rowsOf([1, 'a'], [2, 'b']))
  const options = { ...once(), key: ['id'] }
  await table.merge(bench.session, await written(['new.parquet', rowsOf([2, 'B'], [3, 'c'])]), options)
  expect(await isThere('new.parquet')).toBe(false)

  const again = await table.merge(bench.session, await written(['again.parquet', rowsOf([2, 'no'])]), options)

  expect(again.outcome).toBe('already-committed')
  expect(await isThere('again.parquet')).toBe(false)
  expect(await bench.rows(table)).toEqual([
    { id: 1, name: 'a' },
    { id: 2, name: 'B' },
    { id: 3, name: 'c' },
  ])
})

test('such files that hold what the table has already are left out of it', async () => {
  await append(rowsOf([1, 'a'], [2, 'b']))
  const before = await filesOf()

  const rows = await written(['same.parquet', rowsOf([2, 'b'], [1, 'a'])])
  const done = await table.overwrite(bench.session, rows, { ...once(), unlessSame: true })

  expect(done.outcome).toBe('unchanged')
  expect(await filesOf()).toEqual(before)
  expect(await isThere('same.parquet')).toBe(false)
})

test('such files with other columns than the table has are read and written anew', async () => {
  await append('SELECT 1::BIGINT AS id, CAST(NULL AS VARCHAR) AS name, 5 AS extra')

  const rows = await written(['part.parquet', rowsOf([1, 'a'])])
  await table.merge(bench.session, rows, { ...once(), key: ['id'] }).then(
    () => expect.unreachable(),
    (error: unknown) => expect(error).toMatchObject({ code: 'DELTA_SCHEMA_MISMATCH' }),
  )
  await table.overwrite(bench.session, await written(['part.parquet', rowsOf([1, 'a'])]), once())

  expect(await bench.rows(table)).toEqual([{ id: 1, name: 'a' }])
})

/** Writes Parquet into the table's folder, as another engine would. */
async function written(...files: readonly (readonly [name: string, query: string])[]): Promise<StagedFiles> {
  const found: WrittenFile[] = []
  await table.begin()
  for (const [name, query] of files) {
    const local = join(bench.directory, name)
    await bench.session.run(`COPY (${query}) TO '${local}' (FORMAT parquet)`)
    const [row] = await bench.session.rows<{ n: number }>(`SELECT count(*) AS n FROM (${query})`)
    const { size: sizeBytes } = await stat(local)
    await bench.lake.upload(local, `${table.path}/${name}`)
    found.push({ path: name, partitionValues: {}, sizeBytes, rowCount: row?.n ?? 0 })
  }
  const columns = [
    { name: 'id', type: 'INTEGER' },
    { name: 'name', type: 'VARCHAR' },
  ]
  const rowCount = found.reduce((sum, file) => sum + file.rowCount, 0)
  return { columns, partitionBy: [], rowCount, files: async () => found }
}

async function isThere(name: string): Promise<boolean> {
  return (await bench.lake.stat(`${table.path}/${name}`)) !== undefined
}
