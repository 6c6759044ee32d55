import { cp, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { once, openWorkbench, type Workbench } from '../delta.fixture.ts'
import type { DeltaTable } from '../delta-table.ts'
import { isBegunBy, requireKnown } from './table-life.ts'

let bench: Workbench
let count = 0
beforeAll(async () => {
  bench = await openWorkbench()
})
afterAll(async () => await bench[Symbol.asyncDispose]())

const local = (path: string) => join(bench.directory, 'lake', path)
const logOf = (table: DeltaTable) => local(`${table.path}/_delta_log`)

async function aTable(versions: number) {
  const table = bench.table(`refined/life_${(count += 1)}`)
  for (let i = 0; i < versions; i += 1) await table.append(bench.session, `SELECT ${i} AS id`, once())
  return table
}

const snapshotOf = async (table: DeltaTable) => (await table.snapshot()) ?? expect.unreachable('there is no table')

describe('a table’s identity', () => {
  test('is told by every commit and snapshot, and stays', async () => {
    const table = await aTable(1)
    const { id } = await snapshotOf(table)

    const appended = await table.append(bench.session, 'SELECT 2 AS id', once('task'))
    const overwritten = await table.overwrite(bench.session, `SELECT 'x' AS name`, once())
    const repeated = await table.append(bench.session, 'SELECT 2 AS id', once('task'))

    expect(id).toMatch(/^[0-9a-f-]{36}$/)
    expect([appended.id, overwritten.id, repeated.id, (await snapshotOf(table)).id]).toEqual([id, id, id, id])
  })

  test('goes with a version that is asked for: that of another table is refused', async () => {
    const [table, other] = [await aTable(3), await aTable(3)]
    const { id } = await snapshotOf(table)
    expect((await table.snapshot({ version: 1, id }))?.version).toBe(1)

    await expect(other.snapshot({ version: 1, id })).rejects.toMatchObject({ code: 'TABLE_REPLACED' })
    await expect(other.view(bench.session, { version: 1, id })).rejects.toMatchObject({ code: 'TABLE_REPLACED' })
    await expect(table.snapshot({ version: 3, id })).rejects.toMatchObject({
      code: 'TABLE_LOST',
      message: expect.stringContaining('cinelake rebuild DIR life_'),
    })
  })
})

describe('what is known of a table', () => {
  test('is kept where the table has reached it', async () => {
    const snapshot = await snapshotOf(await aTable(3))
    for (const version of [0, 1, 2]) {
      expect(() => requireKnown('refined/x', snapshot, { version })).not.toThrow()
      expect(() => requireKnown('refined/x', snapshot, { version, id: snapshot.id })).not.toThrow()
    }
    expect(() => requireKnown('refined/x', undefined, undefined)).not.toThrow()
  })

  test('is not met by no table, an older state or another table', async () => {
    const snapshot = await snapshotOf(await aTable(3))
    const check = (at: typeof snapshot | undefined, known: { version: number; id?: string }) => () =>
      requireKnown('refined/x', at, known)

    expect(check(undefined, { version: 0 })).toThrow(/TABLE|lost/)
    expect(check(snapshot, { version: 3 })).toThrow(/expected version 3 .* got version 2 as the latest/)
    expect(check(snapshot, { version: 3, id: snapshot.id })).toThrow(/cinelake rebuild DIR x/)
    expect(check(snapshot, { version: 0, id: 'other' })).toThrow(/got a table with id/)
  })
})

describe('beginning a new life', () => {
  const restart = {}

  test('replaces all rows and columns, under another id, and forgets what was committed before', async () => {
    const table = await aTable(2)
    await table.append(bench.session, 'SELECT 7 AS id', once('a window', 1))
    const before = await snapshotOf(table)

    const result = await table.overwrite(bench.session, `SELECT 'a' AS name`, { ...once('rebuild', 2), restart })

    const after = await snapshotOf(table)
    expect(result).toMatchObject({ version: 3, id: after.id, outcome: 'committed' })
    expect(after.id).not.toBe(before.id)
    expect(await bench.rows(table)).toEqual([{ name: 'a' }])
    expect(after.txns).toEqual(new Map([['rebuild', 2]]))
    expect(isBegunBy(after, { appId: 'rebuild', version: 2 })).toBe(true)
    // What is pinned of the life before is still what it was.
    expect((await table.snapshot({ version: 2, id: before.id }))?.rowCount).toBe(3)
    await expect(table.snapshot({ version: 2, id: after.id })).rejects.toMatchObject({ code: 'TABLE_REPLACED' })
  })

  test('happens once, whatever the number of deliveries', async () => {
    const table = await aTable(2)
    const options = { ...once('rebuild', 2), restart }
    const first = await table.overwrite(bench.session, 'SELECT 1 AS id', options)
    await table.append(bench.session, 'SELECT 2 AS id', once('next window', 2))

    expect(await table.overwrite(bench.session, 'SELECT 9 AS id', options)).toEqual({
      ...first,
      outcome: 'already-committed',
    })
    expect(await bench.rows(table)).toEqual([{ id: 1 }, { id: 2 }])
  })

  test('happens also where the life before has a commit of that task and generation', async () => {
    const table = await aTable(1)
    await table.append(bench.session, 'SELECT 5 AS id', once('a window', 1))

    await table.overwrite(bench.session, 'SELECT 6 AS id', { ...once('a window', 1), restart })

    expect(await bench.rows(table)).toEqual([{ id: 6 }])
  })

  test('is known by the life that follows: it is not taken for another table', async () => {
    const table = await aTable(2)
    const first = await snapshotOf(table)
    await table.overwrite(bench.session, 'SELECT 1 AS id', { ...once(), restart })
    const second = await snapshotOf(table)
    await table.overwrite(bench.session, 'SELECT 2 AS id', {
      ...once(),
      restart: { formerId: 'of a log that is gone' },
    })
    const third = await snapshotOf(table)

    for (const id of [first.id, second.id, 'of a log that is gone', third.id])
      requireKnown(table.path, third, { version: 0, id })
    expect(() => requireKnown(table.path, second, { version: 0, id: third.id })).toThrow(/got a table with id/)
  })

  test.each([
    ['a gap', async (table: DeltaTable) => await rm(join(logOf(table), `${'1'.padStart(20, '0')}.json`))],
    [
      'a garbled commit',
      async (table: DeltaTable) => await writeFile(join(logOf(table), `${'1'.padStart(20, '0')}.json`), '{'),
    ],
    ['no log', async (table: DeltaTable) => await rm(logOf(table), { recursive: true })],
    ['nothing', async (table: DeltaTable) => await rm(local(table.path), { recursive: true })],
  ])('comes from a table with %s as well', async (_, damage) => {
    const table = await aTable(12)
    await damage(table)
    // A pointer and a checkpoint must not save it.
    await rm(join(logOf(table), '_last_checkpoint'), { force: true })
    await rm(join(logOf(table), `${'10'.padStart(20, '0')}.checkpoint.parquet`), { force: true })
    const told = await table.snapshot().catch(({ code }: { code: unknown }) => code)
    expect(told).toBe(_ === 'nothing' ? undefined : 'DELTA_LOG_CORRUPT')

    const options = { ...once('rebuild', 2), restart: { formerId: 'known' } }
    const result = await table.append(bench.session, 'SELECT 42 AS id', options)

    expect(result).toMatchObject({ version: 0, outcome: 'committed' })
    expect(await bench.rows(table)).toEqual([{ id: 42 }])
    requireKnown(table.path, await snapshotOf(table), { version: 7, id: 'known' })
    expect(await table.append(bench.session, 'SELECT 42 AS id', options)).toMatchObject({
      outcome: 'already-committed',
    })
  })

  test('survives a checkpoint: what the life before committed stays forgotten', async () => {
    const table = await aTable(3)
    await table.overwrite(bench.session, 'SELECT 0 AS id', { ...once('rebuild', 2), restart })
    for (let i = 1; i < 12; i += 1) await table.append(bench.session, `SELECT ${i} AS id`, once(`after ${i}`))

    expect((await snapshotOf(bench.table(table.path))).txns.size).toBe(12)
    expect(await bench.rows(table)).toHaveLength(12)
  })

  test('is a conflict for a commit that was decided on the life before', async () => {
    const table = await aTable(2)
    const { id } = await snapshotOf(table)
    await table.overwrite(bench.session, 'SELECT 1 AS id', { ...once(), restart })

    await expect(table.append(bench.session, 'SELECT 2 AS id', { ...once(), basedOnId: id })).rejects.toMatchObject({
      code: 'DELTA_CONFLICT',
      retryable: true,
    })
  })

  test('an older copy put in place of the table is told', async () => {
    const table = await aTable(2)
    await cp(local(table.path), local(`${table.path}_copy`), { recursive: true })
    await table.append(bench.session, 'SELECT 9 AS id', once())
    const { version, id } = await snapshotOf(table)
    await rm(local(table.path), { recursive: true })
    await cp(local(`${table.path}_copy`), local(table.path), { recursive: true })

    const restored = await snapshotOf(table)
    expect(() => requireKnown(table.path, restored, { version, id })).toThrow(/TABLE_LOST|lost/)
  })
})
