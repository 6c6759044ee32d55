// @module-tag slow: takes long
import { readdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { recordingLog } from '@cinelake/testkit'
import type { Lake } from '@cinelake/lake'
import { once, openWorkbench, type Workbench } from './delta.fixture.ts'
import type { DeltaFile } from './delta-table.ts'
import { DeltaCorruptError, DeltaSchemaError, DeltaUnsupportedError, DeltaVersionMissingError } from './errors.ts'
import { createDeltaTable } from './table.ts'

let bench: Workbench
let count = 0
beforeAll(async () => {
  bench = await openWorkbench()
})
afterAll(async () => await bench[Symbol.asyncDispose]())

const aTable = () => bench.table(`refined/table_${(count += 1)}`)
const filesOf = async (path: string) => {
  const names = await readdir(join(bench.directory, 'lake', path), { recursive: true })
  return names.filter((name) => name.endsWith('.parquet') && !name.includes('_delta_log'))
}
const commitText = async (path: string, version: number) =>
  (await bench.lake.readText(`${path}/_delta_log/${String(version).padStart(20, '0')}.json`)) ?? ''

/** A lake that counts what it is asked for, by the name of the call. */
function callsTo(lake: Lake) {
  const counts: Record<string, number> = {}
  const counting = new Proxy(lake, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name)
      if (typeof value !== 'function') return value
      return (...args: unknown[]) => {
        counts[String(name)] = (counts[String(name)] ?? 0) + 1
        return (value as (...given: unknown[]) => unknown).apply(target, args)
      }
    },
  })
  return { lake: counting, calls: () => counts }
}

async function failureOf(work: Promise<unknown>): Promise<unknown> {
  return await work.then(
    () => undefined,
    (error: unknown) => error,
  )
}

describe('appending', () => {
  test('makes the table and adds rows', async () => {
    const table = aTable()
    expect(await table.snapshot()).toBeUndefined()
    expect(await table.view(bench.session)).toBeUndefined()

    const first = await table.append(bench.session, "SELECT 1 AS id, 'a' AS name", once())
    const second = await table.append(bench.session, 'SELECT 2 AS id, NULL::VARCHAR AS name', once())

    expect(first).toEqual({
      version: 0,
      id: (await table.snapshot())?.id,
      outcome: 'committed',
      addedRowCount: 1,
      removedRowCount: 0,
    })
    expect(second).toMatchObject({ version: 1, addedRowCount: 1 })
    expect(await bench.rows(table)).toEqual([
      { id: 1, name: 'a' },
      { id: 2, name: null },
    ])
    expect(await table.snapshot()).toMatchObject({
      version: 1,
      rowCount: 2,
      columns: [
        { name: 'id', type: 'INTEGER', nullable: true },
        { name: 'name', type: 'VARCHAR', nullable: true },
      ],
    })
  })

  test('is done once for a task and generation, and tells the same when asked again', async () => {
    const table = aTable()
    const done = await table.append(bench.session, 'SELECT 1 AS id FROM range(3)', once('run/refine titles', 1))
    await table.append(bench.session, 'SELECT 2 AS id', once())

    const again = await table.append(bench.session, 'SELECT 9 AS id', once('run/refine titles', 1))
    const next = await table.append(bench.session, 'SELECT 3 AS id', once('run/refine titles', 2))
    const late = await table.append(bench.session, 'SELECT 9 AS id', once('run/refine titles', 1))

    expect(again).toEqual({ ...done, outcome: 'already-committed' })
    expect(next).toMatchObject({ version: 2, outcome: 'committed' })
    expect(late).toMatchObject({ version: 2, outcome: 'already-committed' })
    expect((await table.snapshot())?.rowCount).toBe(5)
    expect(await filesOf(table.path)).toHaveLength(3)
  })

  test('of no rows makes a version without a file', async () => {
    const table = aTable()
    await table.append(bench.session, 'SELECT 1 AS id WHERE false', once())

    expect(await bench.rows(table)).toEqual([])
    expect(await filesOf(table.path)).toEqual([])
    expect((await table.snapshot())?.version).toBe(0)
  })

  test('brings new columns, null in older rows, also where only older files are read', async () => {
    const table = aTable()
    await table.append(bench.session, "SELECT 1 AS id, 'a' AS name", once())
    await table.append(bench.session, "SELECT 'b' AS name, 8.5::DECIMAL(3,1) AS score, 2 AS id", once())

    expect(await bench.rows(table)).toEqual([
      { id: 1, name: 'a', score: null },
      { id: 2, name: 'b', score: '8.5' },
    ])
    await using old = await table.view(bench.session, { keep: (file) => file.max['id'] === 1 })
    expect(await bench.session.rows(`SELECT * FROM ${old?.relation}`)).toEqual([{ id: 1, name: 'a', score: null }])
    expect(await bench.rows(table, { version: 0 })).toEqual([{ id: 1, name: 'a' }])
  })

  test('takes types that fit without loss and refuses the others, naming each', async () => {
    const table = aTable()
    await table.append(bench.session, 'SELECT 1::BIGINT AS a, 1.5::DOUBLE AS b, 1::DECIMAL(10,2) AS c', once())

    await table.append(bench.session, 'SELECT 2::TINYINT AS a, 2.5::FLOAT AS b, 2::DECIMAL(4,1) AS c', once())
    const error = await failureOf(
      table.append(bench.session, 'SELECT 0.5 AS a, 1.5::DOUBLE AS B, 1::DECIMAL(12,5) AS c', once()),
    )

    expect(await bench.rows(table)).toHaveLength(2)
    expect(error).toBeInstanceOf(DeltaSchemaError)
    expect((error as DeltaSchemaError).problems).toEqual([
      'column a: expected BIGINT, got DECIMAL(2,1); cast it',
      'column b: expected DOUBLE, got no such column; select it or NULL',
      'column c: expected DECIMAL(10,2), got DECIMAL(12,5); cast it',
      'column B: expected it spelled b',
    ])
  })
})

describe('types', () => {
  test('all that a Delta table has come back as they were', async () => {
    const table = aTable()
    const query = `SELECT true AS bool, 1::TINYINT AS t, 2::SMALLINT AS s, 3 AS i, 9007199254740993::BIGINT AS l,
      0.5::FLOAT AS f, 0.1::DOUBLE AS d, -12345678901234567890.0123456789::DECIMAL(38,10) AS dec, 'ü' AS text,
      DATE '2026-02-28' AS day, TIMESTAMPTZ '2026-03-01 00:00:00.123456+01' AS at, 'x'::BLOB AS bytes, ['a', NULL] AS list,
      {'a': 1, 'b c': [DATE '2026-01-01']} AS struct, MAP {'k': 1} AS map, NULL::VARCHAR AS nothing`
    await table.append(bench.session, query, once())

    const [direct] = await bench.session.rows(query)
    expect(await bench.rows(table)).toEqual([direct])
    expect((await table.snapshot())?.columns.map((column) => column.type)).toEqual([
      'BOOLEAN',
      'TINYINT',
      'SMALLINT',
      'INTEGER',
      'BIGINT',
      'FLOAT',
      'DOUBLE',
      'DECIMAL(38,10)',
      'VARCHAR',
      'DATE',
      'TIMESTAMP WITH TIME ZONE',
      'BLOB',
      'VARCHAR[]',
      'STRUCT("a" INTEGER, "b c" DATE[])',
      'MAP(VARCHAR, INTEGER)',
      'VARCHAR',
    ])
  })

  test('times, UUIDs, JSON and enums become text', async () => {
    const table = aTable()
    await table.append(
      bench.session,
      `SELECT TIME '10:00:00.5' AS t, '6ccd780c-baba-1026-9564-5b8c656024db'::UUID AS u, '{"a":1}'::JSON AS j, 'x'::ENUM('x', 'y,)') AS e, [TIME '01:00'] AS ts`,
      once(),
    )

    expect(await bench.rows(table)).toEqual([
      { t: '10:00:00.5', u: '6ccd780c-baba-1026-9564-5b8c656024db', j: '{"a":1}', e: 'x', ts: ['01:00:00'] },
    ])
  })

  test('what has no form is refused with what to cast it to', async () => {
    const error = await failureOf(
      aTable().append(
        bench.session,
        'SELECT now()::TIMESTAMP AS at, sum(1) AS n, 1::UINTEGER AS u, [INTERVAL 1 DAY] AS iv, 1 AS "a b", 1 AS x, 2 AS X',
        once(),
      ),
    )

    expect((error as DeltaSchemaError).problems).toEqual([
      'column X: expected one of this name in any case, got more; rename one with AS',
      'column at: expected a type that a Delta table has, got TIMESTAMP; cast it to TIMESTAMPTZ',
      'column n: expected a type that a Delta table has, got HUGEINT; cast it to BIGINT or DECIMAL(38,0)',
      'column u: expected a type that a Delta table has, got UINTEGER; cast it to BIGINT',
      'column iv: expected a type that a Delta table has, got INTERVAL; cast it to a number of seconds or VARCHAR',
      'column "a b": expected a name without spaces and ,;{}()= , rename it with AS',
    ])
  })
})

describe('statistics', () => {
  test('are bounds that hold, and are left out where they have no exact form', async () => {
    const table = aTable()
    await table.append(
      bench.session,
      `SELECT * FROM (VALUES
        (1, 'short', repeat('x', 40), 1.25::DECIMAL(38,2), 9007199254740993, TIMESTAMPTZ '2026-03-01 00:00:00.123456+00', 'nan'::DOUBLE, DATE '2026-01-01', true, NULL),
        (2, 'a', repeat('😀', 40), 123456789012345678.25, 5, TIMESTAMPTZ '2026-03-02 00:00:00.000001+00', 1.5, DATE '2026-02-01', false, NULL)
      ) t(i, s, long, dec, big, "at", f, d, b, n)`.replace('NULL),', 'NULL::INTEGER),'),
      once(),
    )

    const text = (await commitText(table.path, 0)).split('\n').find((line) => line.startsWith('{"add"')) ?? ''
    const { stats } = (JSON.parse(text) as { add: { stats: string } }).add
    expect(JSON.parse(stats)).toEqual({
      numRecords: 2,
      minValues: {
        i: 1,
        s: 'a',
        long: 'x'.repeat(32),
        dec: 1.25,
        big: 5,
        at: '2026-03-01T00:00:00.123Z',
        d: '2026-01-01',
      },
      maxValues: { i: 2, s: 'short', at: '2026-03-02T00:00:00.001Z', d: '2026-02-01' },
      nullCount: { i: 0, s: 0, long: 0, dec: 0, big: 0, at: 0, f: 0, d: 0, b: 0, n: 2 },
    })
  })
})

describe('overwriting', () => {
  test('replaces rows, columns and partitions, and keeps older versions', async () => {
    const table = aTable()
    await table.append(bench.session, 'SELECT 1 AS id', once())

    const result = await table.overwrite(bench.session, "SELECT 'b' AS name, DATE '2026-03-01' AS day", {
      ...once(),
      partitionBy: ['day'],
    })

    expect(result).toMatchObject({ version: 1, outcome: 'committed', addedRowCount: 1, removedRowCount: 1 })
    expect(await bench.rows(table)).toEqual([{ name: 'b', day: '2026-03-01' }])
    expect(await bench.rows(table, { version: 0 })).toEqual([{ id: 1 }])
    expect((await table.snapshot())?.partitionBy).toEqual(['day'])
  })

  test('keeps table properties and sets new ones', async () => {
    const table = aTable()
    await table.overwrite(bench.session, 'SELECT 1 AS id', {
      ...once(),
      configuration: { 'cinelake.window': '2026-03-01', 'cinelake.landed': 'a' },
    })
    await table.overwrite(bench.session, 'SELECT 2 AS id', { ...once(), configuration: { 'cinelake.landed': 'b' } })
    await table.overwrite(bench.session, 'SELECT 3 AS id', once())

    expect((await table.snapshot())?.configuration).toEqual({ 'cinelake.window': '2026-03-01', 'cinelake.landed': 'b' })
    expect((await table.snapshot({ version: 0 }))?.configuration['cinelake.landed']).toBe('a')
    expect(await commitText(table.path, 1)).toContain('"metaData"')
    expect(await commitText(table.path, 2)).not.toContain('"metaData"')
  })

  test('based on a version is refused when another writer came since', async () => {
    const table = aTable()
    await table.overwrite(bench.session, 'SELECT 1 AS id', { ...once(), basedOn: -1 })
    await table.overwrite(bench.session, 'SELECT 2 AS id', { ...once(), basedOn: 0 })

    const error = await failureOf(table.overwrite(bench.session, 'SELECT 9 AS id', { ...once(), basedOn: 0 }))

    expect(error).toMatchObject({ code: 'DELTA_CONFLICT' })
    expect(error).toMatchObject({ retryable: true })
    expect(await bench.rows(table)).toEqual([{ id: 2 }])
    expect(await filesOf(table.path)).toHaveLength(2)
  })
})

describe('partitions', () => {
  const days = (...values: (string | null)[]) =>
    `SELECT CAST(day AS VARCHAR) AS day, id::INTEGER AS id FROM (VALUES ${values.map((value, id) => `(${value === null ? 'NULL' : `'${value.replaceAll("'", "''")}'`}, ${id})`).join(', ')}) t(day, id)`

  test('of any text are written and read back', async () => {
    const table = aTable()
    const values = [
      'plain',
      null,
      'a b',
      "it's",
      'ü/../%2F',
      'a=b&c',
      '..',
      '__HIVE_DEFAULT_PARTITION__',
      '100%',
      '*?[x]',
      'x'.repeat(200),
    ]

    await table.append(bench.session, days(...values), { ...once(), partitionBy: ['day'] })

    expect((await bench.rows(table, { order: 'id' }))?.map((row) => row['day'])).toEqual(values)
    await table.merge(bench.session, "SELECT 100 AS id, 'ü/../%2F' AS day", { ...once(), key: ['day'] })
    expect((await bench.rows(table, { order: 'id' }))?.map((row) => row['id'])).toEqual([
      0, 1, 2, 3, 5, 6, 7, 8, 9, 10, 100,
    ])
  })

  test('are replaced one by one, those with rows and those that are named', async () => {
    const table = aTable()
    await table.append(bench.session, days('a', 'b', 'c', null), { ...once(), partitionBy: ['day'] })

    await table.overwritePartitions(bench.session, "SELECT 'b' AS day, 10 AS id", {
      ...once(),
      partitions: [{ day: 'c' }, { day: null }],
    })
    expect(await bench.rows(table, { order: 'id' })).toEqual([
      { day: 'a', id: 0 },
      { day: 'b', id: 10 },
    ])

    await table.overwritePartitions(bench.session, "SELECT '' AS day, 10 AS id WHERE false", {
      ...once(),
      partitions: [{ day: 'a' }],
    })
    expect(await bench.rows(table)).toEqual([{ day: 'b', id: 10 }])
  })

  test('make a table when there is none', async () => {
    const table = aTable()
    await table.overwritePartitions(bench.session, days('a'), { ...once(), partitionBy: ['day'] })

    expect(await bench.rows(table)).toEqual([{ day: 'a', id: 0 }])
  })

  test('are pruned: a filter on a day opens only its files', async () => {
    const table = aTable()
    await table.append(bench.session, "SELECT i, DATE '2026-03-01' + (i % 5)::INTEGER AS day FROM range(100) t(i)", {
      ...once(),
      partitionBy: ['day'],
    })
    // The engine takes the columns from the first file, whatever the filter.
    const [first] = (await table.snapshot())?.files ?? []
    const keep = (file: DeltaFile) => file.partitionValues['day'] === '2026-03-02'
    await using view = await table.view(bench.session)
    await using kept = await table.view(bench.session, { keep })
    // After they were checked.
    for (const name of await filesOf(table.path)) {
      if (!name.includes('2026-03-02') && name !== first?.path)
        await writeFile(join(bench.directory, 'lake', table.path, name), 'damaged')
    }

    const pruned = `SELECT count(*)::INTEGER AS n FROM ${view?.relation} WHERE day = DATE '2026-03-02'`
    expect(await bench.session.rows(pruned)).toEqual([{ n: 20 }])
    expect(await bench.session.rows(`SELECT count(*)::INTEGER AS n FROM ${kept?.relation}`)).toEqual([{ n: 20 }])
  })

  test('of many come out as few files each', async () => {
    const table = aTable()
    const query = "SELECT i::INTEGER AS id, nullif('p' || ((i * 7919) % 400), 'p7') AS part FROM range(600000) t(i)"

    await table.append(bench.session, query, { ...once(), partitionBy: ['part'] })

    const snapshot = await table.snapshot()
    expect(snapshot?.files.length).toBeLessThan(800)
    expect(snapshot?.rowCount).toBe(600_000)
    await using view = await table.view(bench.session)
    const difference = `SELECT count(*)::INTEGER AS n FROM ((${query}) EXCEPT ALL (FROM ${view?.relation}))`
    expect(await bench.session.rows(difference)).toEqual([{ n: 0 }])
  })

  test('with empty text are refused, and nothing is left behind', async () => {
    const table = aTable()

    expect(
      await failureOf(table.append(bench.session, days('a', ''), { ...once(), partitionBy: ['day'] })),
    ).toMatchObject({ code: 'DELTA_PARTITION_INVALID' })
    expect(await table.snapshot()).toBeUndefined()
    expect(await bench.lake.list(table.path)[Symbol.asyncIterator]().next()).toMatchObject({ done: true })
  })

  test.each([
    ['a column that is not there', 'SELECT 1 AS id', ['day']],
    ['an instant', 'SELECT 1 AS id, now() AS day', ['day']],
    ['all columns', "SELECT 'a' AS day", ['day']],
  ])('by %s are refused', async (_, query, partitionBy) => {
    expect(await failureOf(aTable().append(bench.session, query, { ...once(), partitionBy }))).toBeInstanceOf(
      DeltaSchemaError,
    )
  })

  test('that differ from the table’s are refused, as is replacing partitions of a table without', async () => {
    const table = aTable()
    await table.append(bench.session, days('a'), once())

    expect(await failureOf(table.append(bench.session, days('a'), { ...once(), partitionBy: ['day'] }))).toBeInstanceOf(
      DeltaSchemaError,
    )
    expect(await failureOf(table.overwritePartitions(bench.session, days('a'), once()))).toBeInstanceOf(
      DeltaSchemaError,
    )
  })
})

describe('merging', () => {
  const some = (from: number, to: number, text: string) =>
    `SELECT i::INTEGER AS id, '${text}' AS name FROM range(${from}, ${to}) t(i)`

  test('replaces rows of the same key and adds the others, rewriting only files that hold one', async () => {
    const table = aTable()
    await table.append(bench.session, some(0, 10, 'old'), once())
    await table.append(bench.session, some(10, 20, 'old'), once())
    await table.append(bench.session, some(20, 30, 'old'), once())
    const before = await table.snapshot()

    const result = await table.merge(bench.session, some(18, 22, 'new') + ' UNION ALL ' + some(40, 41, 'new'), {
      ...once(),
      key: ['id'],
    })

    expect(result).toMatchObject({ removedRowCount: 20, addedRowCount: 21 })
    const rows = await bench.rows(table, {
      columns: 'name, count(*)::INTEGER AS n, sum(id)::INTEGER AS ids FROM (SELECT *',
      order: '1) GROUP BY ALL ORDER BY ALL',
    })
    expect(rows).toEqual([
      { name: 'new', n: 5, ids: 18 + 19 + 20 + 21 + 40 },
      { name: 'old', n: 26, ids: 435 - 78 },
    ])
    const changed = await table.changedFiles(before?.version ?? 0, result.version)
    expect(changed?.removed).toHaveLength(2)
    expect(changed?.added).toHaveLength(1)
  })

  test('does not read files that cannot match', async () => {
    const table = aTable()
    await table.append(bench.session, some(0, 10, 'old'), once())
    const [untouched = ''] = await filesOf(table.path)
    await table.append(bench.session, some(10, 20, 'old'), once())
    await rm(join(bench.directory, 'lake', table.path, untouched))

    await table.merge(bench.session, some(15, 16, 'new'), { ...once(), key: ['id'] })

    expect((await table.snapshot())?.rowCount).toBe(20)
  })

  test('by several columns, one of them the partition, moves nothing but its rows', async () => {
    const table = aTable()
    const query = "SELECT 'p' || (i % 3) AS part, i::INTEGER AS id, 'old' AS name FROM range(9) t(i)"
    await table.append(bench.session, query, { ...once(), partitionBy: ['part'] })
    const before = await table.snapshot()

    const merged = await table.merge(
      bench.session,
      "SELECT 'p1' AS part, 4 AS id, 'new' AS name UNION ALL SELECT 'p2', 4, 'new'",
      { ...once(), key: ['part', 'id'] },
    )

    expect((await bench.rows(table))?.filter((row) => row['name'] === 'new')).toEqual([
      { part: 'p1', id: 4, name: 'new' },
      { part: 'p2', id: 4, name: 'new' },
    ])
    expect((await table.snapshot())?.rowCount).toBe(10)
    const changed = await table.changedFiles(before?.version ?? 0, merged.version)
    expect(changed?.removed.map((file) => file.partitionValues['part'])).toEqual(['p1'])
  })

  test('by a key that is no part of the partition moves a row to its new partition', async () => {
    const table = aTable()
    await table.append(bench.session, "SELECT i::INTEGER AS id, 'p' || i AS part FROM range(3) t(i)", {
      ...once(),
      partitionBy: ['part'],
    })

    await table.merge(bench.session, "SELECT 1 AS id, 'p0' AS part", { ...once(), key: ['id'] })

    expect(await bench.rows(table)).toEqual([
      { id: 0, part: 'p0' },
      { id: 1, part: 'p0' },
      { id: 2, part: 'p2' },
    ])
  })

  test('resolves old and new by the caller’s rule', async () => {
    const table = aTable()
    await table.append(
      bench.session,
      "SELECT * FROM (VALUES (1, 'a', 5), (2, 'b', 5), (3, NULL, 5)) t(id, name, stamp)",
      once(),
    )

    await table.merge(
      bench.session,
      "SELECT * FROM (VALUES (1, NULL, 6), (2, 'late', 4), (3, 'c', 5), (4, NULL, 1)) t(id, name, stamp)",
      {
        ...once(),
        key: ['id'],
        resolve: { when: 'new.stamp >= old.stamp', columns: { name: 'coalesce(new.name, old.name)' } },
      },
    )

    expect(await bench.rows(table)).toEqual([
      { id: 1, name: 'a', stamp: 6 },
      { id: 2, name: 'b', stamp: 5 },
      { id: 3, name: 'c', stamp: 5 },
      { id: 4, name: null, stamp: 1 },
    ])
  })

  test('takes nulls in a key for equal', async () => {
    const table = aTable()
    await table.append(
      bench.session,
      "SELECT * FROM (VALUES (1, NULL::VARCHAR, 'old'), (NULL, 'x', 'old'), (NULL, NULL, 'old')) t(a, b, v)",
      once(),
    )

    await table.merge(
      bench.session,
      "SELECT * FROM (VALUES (1, NULL::VARCHAR, 'new'), (NULL, NULL, 'new')) t(a, b, v)",
      {
        ...once(),
        key: ['a', 'b'],
      },
    )

    expect((await bench.rows(table))?.map((row) => row['v']).sort()).toEqual(['new', 'new', 'old'])
  })

  test('brings new columns', async () => {
    const table = aTable()
    await table.append(bench.session, 'SELECT i::INTEGER AS id FROM range(3) t(i)', once())

    await table.merge(bench.session, "SELECT 1 AS id, 'x' AS more", { ...once(), key: ['id'] })

    expect(await bench.rows(table)).toEqual([
      { id: 0, more: null },
      { id: 1, more: 'x' },
      { id: 2, more: null },
    ])
  })

  test('reads the session’s temporary tables, runs the query once, and leaves no table behind', async () => {
    const table = aTable()
    await bench.session.run('CREATE OR REPLACE TEMP TABLE mine AS SELECT 1 AS id; CREATE OR REPLACE SEQUENCE runs')
    await table.append(bench.session, 'SELECT 1 AS id, 0::BIGINT AS run', once())

    await table.merge(bench.session, "SELECT id, nextval('runs') AS run FROM mine", { ...once(), key: ['id'] })

    expect(await bench.rows(table)).toEqual([{ id: 1, run: 1 }])
    expect(
      await bench.session.rows("SELECT table_name FROM duckdb_tables() WHERE table_name LIKE 'cinelake%'"),
    ).toEqual([])
  })

  test('refuses several new rows of one key without saying which', async () => {
    const table = aTable()
    const error = await failureOf(
      table.merge(bench.session, "SELECT 'secret' AS id, i FROM range(2) t(i)", { ...once(), key: ['id'] }),
    )

    expect(error).toMatchObject({ code: 'DELTA_MERGE_AMBIGUOUS' })
    expect((error as Error).message).toContain('got 1 keys with more')
    expect((error as Error).message).not.toContain('secret')
    expect(await table.snapshot()).toBeUndefined()
  })

  test('refuses a key that is not a column', async () => {
    expect(await failureOf(aTable().merge(bench.session, 'SELECT 1 AS id', { ...once(), key: ['ID'] }))).toBeInstanceOf(
      DeltaSchemaError,
    )
  })
})

describe('the past', () => {
  test('is told newest first', async () => {
    const table = aTable()
    await table.append(bench.session, 'SELECT i AS id FROM range(3) t(i)', once('task-a', 7))
    bench.clock.advance(1000)
    await table.overwrite(bench.session, 'SELECT 1::BIGINT AS id', once())
    await table.merge(bench.session, 'SELECT 2::BIGINT AS id', { ...once(), key: ['id'] })

    const history = await table.history()
    expect(history.map(({ version, operation, addedRowCount }) => ({ version, operation, addedRowCount }))).toEqual([
      { version: 2, operation: 'MERGE', addedRowCount: 1 },
      { version: 1, operation: 'WRITE', addedRowCount: 1 },
      { version: 0, operation: 'WRITE', addedRowCount: 3 },
    ])
    expect(history[2]?.txn).toEqual({ appId: 'task-a', version: 7 })
    expect(history[1]?.at).toEqual(bench.clock())
    expect(await table.history({ limit: 1 })).toHaveLength(1)
  })

  test('a version that is not there is named', async () => {
    const table = aTable()
    expect(await failureOf(table.snapshot({ version: 0 }))).toBeInstanceOf(DeltaVersionMissingError)
    await table.append(bench.session, 'SELECT 1 AS id', once())

    expect(await failureOf(table.view(bench.session, { version: 1 }))).toMatchObject({
      code: 'DELTA_VERSION_MISSING',
      context: { version: 1 },
    })
    expect(await failureOf(table.changedFiles(0, 3))).toBeInstanceOf(DeltaVersionMissingError)
  })

  test('what changed between versions is known only as far as the log reaches', async () => {
    const table = aTable()
    for (let i = 0; i < 12; i += 1) await table.append(bench.session, `SELECT ${i} AS id`, once())
    expect((await table.changedFiles(3, 5))?.added.map((file) => file.min['id'])).toEqual([4, 5])

    for (const version of [0, 1, 2, 3])
      await bench.lake.delete(`${table.path}/_delta_log/${String(version).padStart(20, '0')}.json`)

    expect(await table.changedFiles(3, 11)).toBeUndefined()
    expect(await table.changedFiles(5, 11)).toBeUndefined()
    expect((await table.changedFiles(10, 11))?.added).toHaveLength(1)
  })
})

describe('the log', () => {
  const grow = async (versions: number) => {
    const table = aTable()
    for (let i = 0; i < versions; i += 1) {
      const options = { ...once(`grow-${i}`), configuration: { 'cinelake.at': String(i) } }
      await table.append(bench.session, `SELECT ${i} AS id, CASE WHEN ${i} % 2 = 0 THEN 'ü b' END AS part`, {
        ...options,
        partitionBy: ['part'],
      })
    }
    return table
  }
  const log = (path: string) => `${path}/_delta_log`
  const file = (path: string, version: number) => `${log(path)}/${String(version).padStart(20, '0')}`

  test('has a checkpoint every ten commits, from which it is read without what came before', async () => {
    const table = await grow(25)
    expect(JSON.parse((await bench.lake.readText(`${log(table.path)}/_last_checkpoint`)) ?? '')).toMatchObject({
      version: 20,
    })
    const before = await table.snapshot()

    for (let version = 0; version <= 20; version += 1) await bench.lake.delete(`${file(table.path, version)}.json`)

    expect(await table.snapshot()).toEqual(before)
    expect(before).toMatchObject({ version: 24, rowCount: 25, configuration: { 'cinelake.at': '24' } })
    expect(before?.txns.size).toBe(25)
    expect((await bench.rows(table, { order: 'id' }))?.slice(0, 2)).toEqual([
      { id: 0, part: 'ü b' },
      { id: 1, part: null },
    ])
    expect(await table.append(bench.session, "SELECT 0 AS id, 'x' AS part", once('grow-3'))).toMatchObject({
      outcome: 'already-committed',
    })
    await table.merge(bench.session, "SELECT 0 AS id, 'x' AS part", { ...once(), key: ['id'] })
    expect((await table.snapshot())?.rowCount).toBe(25)
    expect((await table.snapshot({ version: 20 }))?.rowCount).toBe(21)
    expect(await failureOf(table.snapshot({ version: 5 }))).toBeInstanceOf(DeltaVersionMissingError)
  })

  test('gets its checkpoint also from an engine with little memory', async () => {
    await using small = await openWorkbench({ memoryBytes: 60_000_000 })
    const table = small.table()
    await table.append(small.session, 'SELECT 1 AS id', once())
    const adds = Array.from({ length: 5000 }, (_, i) => ({
      add: {
        path: `f${i}.parquet`,
        partitionValues: {},
        size: 1,
        modificationTime: 0,
        dataChange: true,
        stats: JSON.stringify({ numRecords: 1, minValues: { id: i, text: '"ü\\u0001\\n' } }),
      },
    }))
    await small.lake.put(`${file(table.path, 1)}.json`, adds.map((add) => JSON.stringify(add)).join('\n'))
    for (let i = 0; i < 9; i += 1) await table.append(small.session, 'SELECT 1 AS id', once())
    const before = await table.snapshot()

    for (let version = 0; version < 10; version += 1) await small.lake.delete(`${file(table.path, version)}.json`)

    expect(await table.snapshot()).toEqual(before)
    expect(before?.rowCount).toBe(5010)
  })

  test('that got no checkpoint when it was due gets one after the next commit, and the commit stands', async () => {
    const heard = recordingLog()
    const lake = new Proxy(bench.lake, {
      get: (target, name) => {
        if (name !== 'upload') return Reflect.get(target, name) as unknown
        return async (from: string, to: string) => {
          if (to.includes('checkpoint')) throw new Error('no room')
          await target.upload(from, to)
        }
      },
    })
    const path = `refined/table_${(count += 1)}`
    const unlucky = createDeltaTable({ lake, path, clock: bench.clock, log: heard })
    for (let i = 0; i < 11; i += 1) await unlucky.append(bench.session, 'SELECT 1 AS id', once())
    expect(heard.lines.map((line) => line.message)).toEqual(['checkpoint not written, the next commit tries again'])

    await bench.table(path).append(bench.session, 'SELECT 1 AS id', once())

    expect(JSON.parse((await bench.lake.readText(`${log(path)}/_last_checkpoint`)) ?? '')).toMatchObject({
      version: 11,
    })
    expect((await bench.table(path).snapshot())?.rowCount).toBe(12)
  })

  test('is read without the pointer to the checkpoint, and with one that is wrong', async () => {
    const table = await grow(12)
    const before = await table.snapshot()

    for (const pointer of ['', 'no json', '{"version":5}', '{"version":"x"}']) {
      await bench.lake.put(`${log(table.path)}/_last_checkpoint`, pointer)
      expect(await table.snapshot()).toEqual(before)
    }
    await bench.lake.delete(`${log(table.path)}/_last_checkpoint`)
    expect(await table.snapshot()).toEqual(before)
  })

  test('with a gap is refused, naming the version that is missing', async () => {
    const table = await grow(5)
    await bench.lake.delete(`${file(table.path, 3)}.json`)

    const error = await failureOf(table.snapshot())
    expect(error).toBeInstanceOf(DeltaCorruptError)
    expect((error as Error).message).toContain(`${file(table.path, 3)}.json`)
    expect((await table.snapshot({ version: 2 }))?.rowCount).toBe(3)
  })

  test.each([
    ['a line that is cut off', '{"add":{"path":"x"'],
    ['an action that lacks a field', '{"add":{"path":"x"}}'],
    ['an action of another type', '{"txn":5}'],
    ['a line that is no object', '[1]'],
  ])('with %s is refused, naming file and line', async (_, line) => {
    const table = await grow(1)
    await bench.lake.put(`${file(table.path, 1)}.json`, `{"commitInfo":{}}\n${line}\n`)

    const error = await failureOf(table.snapshot())
    expect(error).toBeInstanceOf(DeltaCorruptError)
    expect((error as Error).message).toContain('00000000000000000001.json:2')
  })

  test.each([
    [
      'a newer reader',
      { protocol: { minReaderVersion: 3, minWriterVersion: 7, readerFeatures: ['deletionVectors'] } },
      'deletionVectors',
    ],
    [
      'a type that is not known',
      {
        metaData: {
          id: 'x',
          format: { provider: 'parquet' },
          schemaString:
            '{"type":"struct","fields":[{"name":"a","type":"timestamp_ntz","nullable":true,"metadata":{}}]}',
          partitionColumns: [],
          configuration: {},
        },
      },
      'timestamp_ntz',
    ],
    [
      'a file outside',
      {
        add: {
          path: 's3://elsewhere/x.parquet',
          partitionValues: {},
          size: 1,
          modificationTime: 0,
          dataChange: true,
          stats: '{"numRecords":1}',
        },
      },
      'elsewhere',
    ],
  ])('that needs %s is refused, naming it', async (_, action, named) => {
    const table = await grow(1)
    await bench.lake.put(`${file(table.path, 1)}.json`, `${JSON.stringify(action)}\n`)

    const error = await failureOf(table.snapshot())
    expect(error).toBeInstanceOf(DeltaUnsupportedError)
    expect((error as Error).message).toContain(named)
  })

  test('of a table that newer writers own may be read but not written', async () => {
    const table = await grow(1)
    await bench.lake.put(
      `${file(table.path, 1)}.json`,
      '{"protocol":{"minReaderVersion":1,"minWriterVersion":7,"writerFeatures":["checkConstraints"]}}\n',
    )

    expect((await table.snapshot())?.rowCount).toBe(1)
    expect(await failureOf(table.append(bench.session, 'SELECT 1 AS id, NULL::VARCHAR AS part', once()))).toMatchObject(
      { code: 'DELTA_UNSUPPORTED' },
    )
  })

  test('that says append only takes appends only', async () => {
    const table = aTable()
    await table.append(bench.session, 'SELECT 1 AS id', { ...once(), configuration: { 'delta.appendOnly': 'true' } })

    await table.append(bench.session, 'SELECT 2 AS id', once())
    expect(await failureOf(table.overwrite(bench.session, 'SELECT 3 AS id', once()))).toBeInstanceOf(
      DeltaUnsupportedError,
    )
    expect(await failureOf(table.merge(bench.session, 'SELECT 2 AS id', { ...once(), key: ['id'] }))).toBeInstanceOf(
      DeltaUnsupportedError,
    )
  })

  test('that forbids null in a column is kept to', async () => {
    const table = await grow(1)
    const fields = [
      { name: 'id', type: 'integer', nullable: false, metadata: {} },
      { name: 'part', type: 'string', nullable: true, metadata: {} },
    ]
    const metaData = {
      id: 'x',
      format: { provider: 'parquet' },
      schemaString: JSON.stringify({ type: 'struct', fields }),
      partitionColumns: ['part'],
      configuration: {},
    }
    await bench.lake.put(`${file(table.path, 1)}.json`, `${JSON.stringify({ metaData })}\n`)

    expect(
      await failureOf(table.append(bench.session, 'SELECT NULL::INTEGER AS id, NULL::VARCHAR AS part', once())),
    ).toBeInstanceOf(DeltaSchemaError)
    expect((await table.append(bench.session, 'SELECT 1 AS id, NULL::VARCHAR AS part', once())).outcome).toBe(
      'committed',
    )
  })

  test('of thousands of commits is read once, and from the checkpoint after the next one', async () => {
    const table = await grow(1)
    const add = (i: number) =>
      JSON.stringify({
        add: {
          path: `f${i}.parquet`,
          partitionValues: { part: null },
          size: 1,
          modificationTime: 0,
          dataChange: true,
          stats: '{"numRecords":1}',
        },
      })
    await Promise.all(
      Array.from({ length: 3000 }, async (_, i) => bench.lake.put(`${file(table.path, i + 1)}.json`, `${add(i)}\n`)),
    )

    const first = callsTo(bench.lake)
    expect((await bench.table(table.path, first.lake).snapshot())?.rowCount).toBe(3001)
    // Each commit, and the pointer to the last checkpoint.
    expect(first.calls()).toEqual({ list: 1, readText: 3002 })

    await table.append(bench.session, "SELECT 1 AS id, 'x' AS part", once())
    const second = callsTo(bench.lake)
    expect((await bench.table(table.path, second.lake).snapshot())?.rowCount).toBe(3002)
    expect(second.calls()).toEqual({ list: 1, readText: 1, read: 1 })
  })
})

describe('vacuum', () => {
  const DAY_MS = 86_400_000

  test('deletes what only versions beyond the retention need', async () => {
    const table = aTable()
    await table.append(bench.session, 'SELECT 1 AS id', once())
    await table.overwrite(bench.session, 'SELECT 2 AS id', once())
    bench.clock.advance(10 * DAY_MS)
    await table.overwrite(bench.session, 'SELECT 3 AS id', once())
    bench.clock.advance(2 * DAY_MS)

    const planned = await table.vacuum({ retentionMs: 7 * DAY_MS, dryRun: true })
    expect(await filesOf(table.path)).toHaveLength(3)
    const deleted = await table.vacuum({ retentionMs: 7 * DAY_MS })

    expect(deleted).toEqual(planned)
    expect(deleted).toHaveLength(1)
    expect(await filesOf(table.path)).toHaveLength(2)
    expect(await bench.rows(table)).toEqual([{ id: 3 }])
    expect(await bench.rows(table, { version: 1 })).toEqual([{ id: 2 }])
    expect((await failureOf(bench.rows(table, { version: 0 }))) as Error).toMatchObject({ code: 'DELTA_FILE_DAMAGED' })
  })

  test('keeps what a long retention needs though checkpoints have forgotten it', async () => {
    const table = aTable()
    await table.append(bench.session, 'SELECT 1 AS id', once())
    await table.overwrite(bench.session, 'SELECT 2 AS id', once())
    bench.clock.advance(20 * DAY_MS)
    for (let i = 0; i < 12; i += 1) await table.append(bench.session, 'SELECT 3 AS id', once())

    expect(await table.vacuum({ retentionMs: 30 * DAY_MS })).toEqual([])
    expect(await table.vacuum({ retentionMs: 7 * DAY_MS })).toHaveLength(1)
  })

  test('deletes orphans only when they are older than the retention, and nothing that is hidden or in use', async () => {
    await using own = await openWorkbench()
    const table = own.table()
    await table.append(own.session, "SELECT 1 AS id, 'ü b' AS part", { ...once(), partitionBy: ['part'] })
    await own.lake.put(`${table.path}/part=x/part-orphan.zstd.parquet`, 'x')
    await own.lake.put(`${table.path}/_change_data/x.parquet`, 'x')

    expect(await table.vacuum({ retentionMs: DAY_MS })).toEqual([])
    own.clock.advance(2 * DAY_MS)
    expect(await table.vacuum({ retentionMs: DAY_MS })).toEqual([`${table.path}/part=x/part-orphan.zstd.parquet`])
    expect(await own.rows(table)).toEqual([{ id: 1, part: 'ü b' }])
  })
})

test('a commit that is told to stop leaves nothing', async () => {
  const table = aTable()
  const abort = new AbortController()
  // Hours of work: it is not done before it is stopped.
  const work = table.append(bench.session, 'SELECT i, md5(i::VARCHAR) AS m FROM range(20000000000) t(i)', {
    ...once(),
    signal: abort.signal,
  })
  setTimeout(() => abort.abort(), 100)

  expect(await failureOf(work)).toMatchObject({ code: 'WORK_CANCELLED' })
  expect(await table.snapshot()).toBeUndefined()
  expect(await bench.lake.list(table.path)[Symbol.asyncIterator]().next()).toMatchObject({ done: true })
})
