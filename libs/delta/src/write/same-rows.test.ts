import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { once, openWorkbench, type Workbench } from '../delta.fixture.ts'
import { DeltaSchemaError } from '../errors.ts'

let bench: Workbench
let count = 0
beforeAll(async () => {
  bench = await openWorkbench()
})
afterAll(async () => await bench[Symbol.asyncDispose]())

const aTable = () => bench.table(`refined/same_${(count += 1)}`)
const values = (rows: readonly (readonly [number, string | null])[]) =>
  rows.length === 0
    ? `SELECT 0 AS id, '' AS part WHERE false`
    : `SELECT * FROM (VALUES ${rows.map(([id, part]) => `(${id}, ${part === null ? 'NULL' : `'${part}'`})`).join(', ')}) AS v(id, part)`

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

    expect(done).toMatchObject({ version: 0, outcome: 'unchanged', addedRowCount: 0, removedRowCount: 0 })
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

  test.each([
    ['no list', 'NULL::INTEGER[]', '[]::INTEGER[]'],
    ['a list of null', '[NULL]::INTEGER[]', '[]::INTEGER[]'],
    ['lists that are cut elsewhere', '[[1], [2]]', '[[1, 2]]'],
    ['a text with a comma', "['a', 'b']", "['a, b']"],
    ['the text of null', "[NULL, 'b']", "['NULL', 'b']"],
    ['no object', 'NULL::STRUCT(a INTEGER)', '{ a: NULL::INTEGER }'],
    ['another key', "MAP { 'a': 1 }", "MAP { 'b': 1 }"],
    ['no map', 'NULL::MAP(VARCHAR, INTEGER)', 'MAP {}::MAP(VARCHAR, INTEGER)'],
    ['a zero below zero', '0.0::DOUBLE', '-0.0::DOUBLE'],
    ['a zero below zero in a list', '[0.0::DOUBLE]', '[-0.0::DOUBLE]'],
    ['null', "''", 'NULL::VARCHAR'],
    ['what is no number', "'nan'::DOUBLE", 'NULL::DOUBLE'],
    ['bytes', "['\\x00'::BLOB]", "['\\x01'::BLOB]"],
  ])('are told from those with %s', async (_what, one, other) => {
    const table = aTable()
    await table.overwrite(bench.session, `SELECT 1 AS id, ${one} AS v`, once())
    const bring = async (value: string) => {
      await using staged = await table.stage(bench.session, `SELECT 1 AS id, ${value} AS v`)
      return (await table.overwrite(bench.session, staged, { ...once(), unlessSame: true })).outcome
    }

    expect([await bring(one), await bring(other), await bring(other), await bring(one)]).toEqual([
      'unchanged',
      'committed',
      'unchanged',
      'committed',
    ])
  })

  test('are told from those in which values moved from one column to the next', async () => {
    const table = aTable()
    await table.overwrite(bench.session, 'SELECT [1] AS a, [2] AS b', once())
    await using staged = await table.stage(bench.session, 'SELECT [1, 2] AS a, []::INTEGER[] AS b')

    expect(await table.overwrite(bench.session, staged, { ...once(), unlessSame: true })).toMatchObject({
      outcome: 'committed',
    })
  })

  test.each([
    ['a day', "DATE '2026-03-01'", "DATE '2026-03-02'"],
    ['true or false', 'true', 'false'],
    ['a large number', '-9007199254740993::BIGINT', '9007199254740993::BIGINT'],
    ['null', 'NULL::DATE', "DATE '2026-03-02'"],
    ['a text that reads like null', "'NULL'", "'null'"],
  ])('are known in partitions by %s', async (_what, one, other) => {
    const table = aTable()
    const query = (n: number) => `SELECT 1 AS id, ${one} AS part UNION ALL SELECT ${n}, ${other}`
    const bring = async (n: number) => {
      await using staged = await table.stage(bench.session, query(n), { partitionBy: ['part'] })
      return await table.overwritePartitions(bench.session, staged, {
        ...once(),
        partitionBy: ['part'],
        unlessSame: true,
      })
    }
    await bring(2)

    expect(await bring(2)).toMatchObject({ outcome: 'unchanged' })
    expect(await bring(3)).toMatchObject({ outcome: 'committed', addedRowCount: 1, removedRowCount: 1 })
  })

  test.each([[[]], [['part']]])('of no rows at all stay as they are, in partitions by %j', async (partitionBy) => {
    const table = aTable()
    await table.overwrite(bench.session, values([]), { ...once(), partitionBy })
    await using staged = await table.stage(bench.session, values([]), { partitionBy })

    expect(await table.overwrite(bench.session, staged, { ...once(), partitionBy, unlessSame: true })).toMatchObject({
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
    const path = `refined/same_${(count += 1)}`
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

    await expect(writing).rejects.toMatchObject({ code: 'DELTA_CONFLICT' })
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

describe('rows beside those of another writer', () => {
  /** A table with a row of partition null, as writers note it that have no null there. */
  async function written(partition: string, type = 'string') {
    const path = `refined/same_${(count += 1)}`
    const table = bench.table(path)
    const name = 'part-0.parquet'
    const file = join(bench.directory, name)
    await bench.session.run(`COPY (SELECT 1 AS id) TO '${file}' (FORMAT parquet)`)
    const { size } = await stat(file)
    await bench.lake.upload(file, `${path}/${name}`)
    const field = (of: string, as: string) => ({ name: of, type: as, nullable: true, metadata: {} })
    const schema = { type: 'struct', fields: [field('id', 'integer'), field('part', type)] }
    const lines = [
      { protocol: { minReaderVersion: 1, minWriterVersion: 2 } },
      {
        metaData: {
          id: 'a',
          format: { provider: 'parquet', options: {} },
          schemaString: JSON.stringify(schema),
          partitionColumns: ['part'],
          configuration: {},
        },
      },
      {
        add: {
          path: name,
          partitionValues: { part: partition },
          size,
          modificationTime: 0,
          dataChange: true,
          stats: '{"numRecords":1}',
        },
      },
    ]
    const text = lines.map((line) => JSON.stringify(line)).join('\n')
    await bench.lake.putIfAbsent(`${path}/_delta_log/${'0'.padStart(20, '0')}.json`, `${text}\n`)
    return table
  }

  test('replace those of the partition null, which the protocol lets others spell as an empty text', async () => {
    const table = await written('')
    const bring = async (id: number) => {
      await using staged = await table.stage(bench.session, `SELECT ${id} AS id, NULL::VARCHAR AS part`, {
        partitionBy: ['part'],
      })
      return (await table.overwritePartitions(bench.session, staged, { ...once(), unlessSame: true })).outcome
    }

    expect(await bring(1)).toBe('unchanged')
    expect(await bring(2)).toBe('committed')
    expect(await bench.rows(table)).toEqual([{ id: 2, part: null }])
  })

  test('are refused where partitions are of a type that has several spellings', async () => {
    const table = await written('2026-03-01 00:00:00', 'timestamp')
    const rows = "SELECT 2 AS id, TIMESTAMPTZ '2026-03-01 00:00:00+00' AS part"

    await expect(table.overwritePartitions(bench.session, rows, once())).rejects.toBeInstanceOf(DeltaSchemaError)
    await expect(table.append(bench.session, rows, once())).rejects.toBeInstanceOf(DeltaSchemaError)
    expect(await bench.rows(table, { columns: 'id' })).toEqual([{ id: 1 }])
  })
})
