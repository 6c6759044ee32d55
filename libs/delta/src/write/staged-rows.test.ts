import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { once, openWorkbench, type Workbench } from '../delta.fixture.ts'

let bench: Workbench
let count = 0
beforeAll(async () => {
  bench = await openWorkbench()
})
afterAll(async () => await bench[Symbol.asyncDispose]())

const aTable = () => bench.table(`refined/staged_${(count += 1)}`)
const values = (rows: readonly (readonly [number, string | null])[]) =>
  rows.length === 0
    ? `SELECT 0 AS id, '' AS part WHERE false`
    : `SELECT * FROM (VALUES ${rows.map(([id, part]) => `(${id}, ${part === null ? 'NULL' : `'${part}'`})`).join(', ')}) AS v(id, part)`

describe('rows that were staged', () => {
  test('can be looked at before they are published, and are published as the files that they are in', async () => {
    const table = aTable()
    await using staged = await table.stage(
      bench.session,
      values([
        [1, 'a'],
        [2, 'b'],
        [3, null],
      ]),
      { partitionBy: ['part'] },
    )

    expect(staged).toMatchObject({ rowCount: 3, asideRowCount: 0 })
    expect(await bench.session.rows(`SELECT sum(id)::INTEGER AS n FROM ${staged.relation}`)).toEqual([{ n: 6 }])
    expect(await table.snapshot()).toBeUndefined()

    await table.overwrite(bench.session, staged, { ...once(), partitionBy: ['part'] })
    expect((await table.snapshot())?.files.map((file) => file.partitionValues['part'])).toEqual(
      expect.arrayContaining(['a', 'b', null]),
    )
    expect(await bench.rows(table, { order: 'id', columns: 'id, part' })).toEqual([
      { id: 1, part: 'a' },
      { id: 2, part: 'b' },
      { id: 3, part: null },
    ])
  })

  test('can leave some aside, with columns that the table does not have', async () => {
    const table = aTable()
    const query = `SELECT *, CASE WHEN id > 1 THEN ['too large', 'odd'] END AS why FROM (${values([
      [1, 'a'],
      [2, 'a'],
      [3, ''],
    ])})`
    const aside = { when: 'why IS NOT NULL', columns: ['why'] }
    await using staged = await table.stage(bench.session, query, { partitionBy: ['part'], aside })

    expect(staged).toMatchObject({ rowCount: 1, asideRowCount: 2 })
    expect(await bench.session.rows(`SELECT id, why[1] AS why FROM ${staged.aside} ORDER BY id`)).toEqual([
      { id: 2, why: 'too large' },
      { id: 3, why: 'too large' },
    ])
    await table.overwrite(bench.session, staged, { ...once(), partitionBy: ['part'] })
    expect(await bench.rows(table)).toEqual([{ id: 1, part: 'a' }])
    expect((await table.snapshot())?.columns.map(({ name }) => name)).toEqual(['id', 'part'])
  })

  test('tell the partitions whose rows are all aside', async () => {
    const rows =
      "VALUES (1, DATE '2026-03-01'), (2, DATE '2026-03-01'), (3, DATE '2026-03-02'), (4, NULL), (5, DATE '2026-03-03')"
    await using staged = await aTable().stage(bench.session, `SELECT id, day FROM (${rows}) AS t(id, day)`, {
      partitionBy: ['day'],
      aside: { when: 'id IN (2, 3, 4)', columns: [] },
    })

    expect(staged.emptiedPartitions).toEqual([{ day: '2026-03-02' }, { day: null }])
  })

  test('can all be aside, or none at all', async () => {
    const table = aTable()
    const aside = { when: 'id > 0', columns: [] }
    await using all = await table.stage(bench.session, values([[1, 'a']]), { aside })
    await using none = await table.stage(bench.session, values([]), { aside })

    expect([all.rowCount, all.asideRowCount, none.rowCount, none.asideRowCount]).toEqual([0, 1, 0, 0])
    await table.overwrite(bench.session, all, once())
    expect(await bench.rows(table)).toEqual([])
  })

  test('of many partitions come out as few files each', async () => {
    const table = aTable()
    const query =
      "SELECT i::INTEGER AS id, 'p' || ((i * 7919) % 300) AS part, i % 10 = 0 AS out FROM range(400000) t(i)"
    await using staged = await table.stage(bench.session, query, {
      partitionBy: ['part'],
      aside: { when: 'out', columns: ['out'] },
    })
    await table.overwrite(bench.session, staged, { ...once(), partitionBy: ['part'] })

    expect((await table.snapshot())?.files.length).toBeLessThan(600)
    expect((await table.snapshot())?.rowCount).toBe(360_000)
  })

  test('get the types of a table that is there: what does not fit as it is is written anew', async () => {
    const table = aTable()
    await table.append(bench.session, "SELECT 1::BIGINT AS id, 'a' AS part", { ...once(), partitionBy: ['part'] })
    await using staged = await table.stage(bench.session, values([[2, 'b']]), { partitionBy: ['part'] })

    await table.overwritePartitions(bench.session, staged, once())

    expect((await table.snapshot())?.columns[0]?.type).toBe('BIGINT')
    expect(await bench.rows(table, { columns: 'id', order: 'id' })).toEqual([{ id: 1 }, { id: 2 }])
  })

  test('by texts that read like null keep them', async () => {
    const table = aTable()
    const rows = [
      { id: 1, part: 'NULL' },
      { id: 2, part: 'null' },
      { id: 3, part: null },
    ]
    await using staged = await table.stage(bench.session, values(rows.map(({ id, part }) => [id, part])), {
      partitionBy: ['part'],
    })
    const query = `SELECT id, part FROM ${staged.relation} ORDER BY id`

    expect(await bench.session.rows(query)).toEqual(rows)
    await table.overwrite(bench.session, staged, { ...once(), partitionBy: ['part'] })
    expect(await bench.rows(table, { columns: 'id, part', order: 'id' })).toEqual(rows)
  })

  test('with an empty text to partition by are refused, unless they are kept aside', async () => {
    const staged = aTable().stage(bench.session, values([[1, '']]), { partitionBy: ['part'] })

    await expect(staged).rejects.toMatchObject({ code: 'DELTA_PARTITION_INVALID' })
  })

  test('are not taken twice', async () => {
    const table = aTable()
    await using staged = await table.stage(bench.session, values([[1, 'a']]))
    await table.overwrite(bench.session, staged, once())

    await expect(table.overwrite(bench.session, staged, once())).rejects.toMatchObject({ code: 'DELTA_CONFLICT' })
  })
})
