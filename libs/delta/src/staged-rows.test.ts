import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { once, openWorkbench, type Workbench } from './delta.fixture.ts'
import { DeltaConflictError, DeltaPartitionError } from './errors.ts'

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

  test('with an empty text to partition by are refused, unless they are kept aside', async () => {
    const staged = aTable().stage(bench.session, values([[1, '']]), { partitionBy: ['part'] })

    await expect(staged).rejects.toBeInstanceOf(DeltaPartitionError)
  })

  test('are not taken twice', async () => {
    const table = aTable()
    await using staged = await table.stage(bench.session, values([[1, 'a']]))
    await table.overwrite(bench.session, staged, once())

    await expect(table.overwrite(bench.session, staged, once())).rejects.toBeInstanceOf(DeltaConflictError)
  })
})

describe('rows that are there already', () => {
  test('need no commit, whatever their order', async () => {
    const table = aTable()
    await table.overwrite(
      bench.session,
      values([
        [1, 'a'],
        [2, 'b'],
        [2, 'b'],
      ]),
      once(),
    )
    await using staged = await table.stage(
      bench.session,
      values([
        [2, 'b'],
        [1, 'a'],
        [2, 'b'],
      ]),
    )

    const done = await table.overwrite(bench.session, staged, { ...once(), unlessSame: true })

    expect(done).toEqual({ version: 0, outcome: 'unchanged', addedRowCount: 0, removedRowCount: 0 })
  })

  test.each([
    [
      'one more',
      values([
        [1, 'a'],
        [2, 'b'],
        [3, 'c'],
      ]),
    ],
    [
      'another value',
      values([
        [1, 'a'],
        [2, 'c'],
      ]),
    ],
    ['none', values([])],
    [
      'another type',
      `SELECT id::BIGINT AS id, part FROM (${values([
        [1, 'a'],
        [2, 'b'],
      ])})`,
    ],
    [
      'the same twice',
      values([
        [1, 'a'],
        [1, 'a'],
      ]),
    ],
  ])('but for %s are written', async (_what, query) => {
    const table = aTable()
    await table.overwrite(
      bench.session,
      values([
        [1, 'a'],
        [2, 'b'],
      ]),
      once(),
    )
    await using staged = await table.stage(bench.session, query)

    expect(await table.overwrite(bench.session, staged, { ...once(), unlessSame: true })).toMatchObject({
      outcome: 'committed',
    })
  })

  test('of no rows at all stay as they are', async () => {
    const table = aTable()
    await table.overwrite(bench.session, values([]), once())
    await using staged = await table.stage(bench.session, values([]))

    expect(await table.overwrite(bench.session, staged, { ...once(), unlessSame: true })).toMatchObject({
      outcome: 'unchanged',
    })
  })

  test('are left alone partition by partition', async () => {
    const table = aTable()
    await table.append(
      bench.session,
      values([
        [1, 'a'],
        [2, 'b'],
        [3, null],
      ]),
      { ...once(), partitionBy: ['part'] },
    )
    const before = (await table.snapshot())?.files.find((file) => file.partitionValues['part'] === null)?.path
    await using staged = await table.stage(
      bench.session,
      values([
        [3, null],
        [5, 'b'],
      ]),
      { partitionBy: ['part'] },
    )

    const done = await table.overwritePartitions(bench.session, staged, { ...once(), unlessSame: true })

    expect(done).toMatchObject({ outcome: 'committed', addedRowCount: 1, removedRowCount: 1 })
    expect((await table.snapshot())?.files.map(({ path }) => path)).toContain(before)
    expect(await bench.rows(table, { columns: 'id', order: 'id' })).toEqual([{ id: 1 }, { id: 3 }, { id: 5 }])
  })

  test('need a commit where a named partition is emptied', async () => {
    const table = aTable()
    await table.append(
      bench.session,
      values([
        [1, 'a'],
        [2, 'b'],
      ]),
      { ...once(), partitionBy: ['part'] },
    )
    await using staged = await table.stage(bench.session, values([[1, 'a']]), { partitionBy: ['part'] })
    const options = { ...once(), unlessSame: true, partitions: [{ part: 'b' }] }

    expect(await table.overwritePartitions(bench.session, staged, options)).toMatchObject({ outcome: 'committed' })
    expect(await bench.rows(table)).toEqual([{ id: 1, part: 'a' }])
  })

  test('are compared with what another writer brought in between', async () => {
    const path = `refined/staged_${(count += 1)}`
    const table = bench.table(path)
    await table.append(
      bench.session,
      values([
        [1, 'a'],
        [2, 'b'],
      ]),
      { ...once(), partitionBy: ['part'] },
    )
    let rivals = 1
    await using other = await bench.newSession()
    const lake = new Proxy(bench.lake, {
      get(target, name) {
        const method = Reflect.get(target, name) as unknown
        if (name !== 'putIfAbsent') return method
        return async (...args: Parameters<typeof bench.lake.putIfAbsent>) => {
          if (rivals-- > 0) await table.overwritePartitions(other, values([[9, 'a']]), once())
          return await bench.lake.putIfAbsent(...args)
        }
      },
    })
    // `a` is the same when it is looked at, and not any more when the commit is tried again.
    await using staged = await table.stage(
      bench.session,
      values([
        [1, 'a'],
        [5, 'b'],
      ]),
      { partitionBy: ['part'] },
    )
    const writing = bench.table(path, lake).overwritePartitions(bench.session, staged, { ...once(), unlessSame: true })

    await expect(writing).rejects.toBeInstanceOf(DeltaConflictError)
    expect(await bench.rows(table, { columns: 'id', order: 'id' })).toEqual([{ id: 2 }, { id: 9 }])
  })

  test('are the same exactly when the multisets are', async () => {
    const rows = fc.array(fc.tuple(fc.integer({ min: 0, max: 2 }), fc.constantFrom('a', 'b', null)), { maxLength: 5 })
    const asText = (given: readonly (readonly [number, string | null])[]) =>
      given.map((row) => JSON.stringify(row)).sort()
    await fc.assert(
      fc.asyncProperty(rows, rows, async (one, other) => {
        const table = aTable()
        await table.overwrite(bench.session, values(one), once())
        await using staged = await table.stage(bench.session, values(other))
        const { outcome } = await table.overwrite(bench.session, staged, { ...once(), unlessSame: true })
        expect(outcome === 'unchanged').toBe(JSON.stringify(asText(one)) === JSON.stringify(asText(other)))
      }),
      { numRuns: 40 },
    )
  })
})
