import { readdir, rm, truncate } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { once, openWorkbench, type Workbench } from '../delta.fixture.ts'
import { requireFiles } from './require-files.ts'

let bench: Workbench
let count = 0
beforeAll(async () => {
  bench = await openWorkbench()
})
afterAll(async () => await bench[Symbol.asyncDispose]())

/** A table of one data file a commit. */
async function aTable(commits: number) {
  const table = bench.table(`refined/whole_${(count += 1)}`)
  for (let i = 0; i < commits; i += 1)
    await table.append(bench.session, `SELECT ${i} AS id, 'x y' AS day`, { ...once(), partitionBy: ['day'] })
  const snapshot = await table.snapshot()
  if (snapshot === undefined) throw new Error('there is no table')
  const local = (file: string) => join(bench.directory, 'lake', table.path, file)
  return { table, snapshot, local, check: async () => await requireFiles(bench.lake, table.path, snapshot) }
}

describe('the data files of a version', () => {
  test('are there: nothing is said, whatever else is in the folder', async () => {
    const { table, check } = await aTable(3)
    await table.overwrite(bench.session, `SELECT 1 AS id, 'x y' AS day`, once())

    await expect(check()).resolves.toBeUndefined()
  })

  test('are gone: told with their number, three of them, and the way back', async () => {
    const { snapshot, local, check } = await aTable(6)
    const lost = snapshot.files.slice(0, 5).map(({ path }) => path)
    for (const path of lost) await rm(local(path))

    const error = await check().catch((thrown: unknown) => thrown)

    expect(error).toMatchObject({ code: 'TABLE_FILES_LOST', retryable: false })
    const { message } = error as Error
    expect(message).toMatch(/expected the 6 that its log names, got 1 of them, without .* and 2 more;/)
    expect(message).toMatch(/cinelake rebuild DIR whole_/)
    expect(lost.filter((path) => message.includes(path))).toHaveLength(3)
  })

  test('are cut off: told with the size', async () => {
    const { snapshot, local, check } = await aTable(2)
    await truncate(local(snapshot.files[0]?.path ?? ''), 7)

    await expect(check()).rejects.toThrow(/got 1 of them, without day=x.*\.parquet \(7 bytes\);/)
  })

  test('are looked for in one listing', async () => {
    const { table, snapshot } = await aTable(2)
    const listed: string[] = []
    const list = (folder: string) => {
      listed.push(folder)
      return bench.lake.list(folder)
    }

    await requireFiles({ list }, table.path, snapshot)

    expect(listed).toEqual([table.path])
    expect(await readdir(join(bench.directory, 'lake', table.path))).toContain('_delta_log')
  })
})
