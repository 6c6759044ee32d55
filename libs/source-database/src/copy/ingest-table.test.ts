// @module-tag slow: takes long
import { join } from 'node:path'
import { CancelledError, reportError, sha256 } from '@cinelake/core'
import type { DatabaseDataset, DatabaseSource } from '../config/index.ts'
import fc from 'fast-check'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { givenAgent, type Agent } from '../source-database.fixture.ts'
import {
  errorResponse,
  PASSWORD_REQUEST,
  startAnswering,
  startCutting,
  startPostgres,
} from '../postgres/server.fixture.ts'

type Server = Awaited<ReturnType<typeof startPostgres>>
let server: Server
let stack: AsyncDisposableStack
beforeAll(async () => void (server = await startPostgres()))
afterAll(() => server[Symbol.asyncDispose]())
beforeEach(async () => {
  stack = new AsyncDisposableStack()
  await server.db.exec('DROP SCHEMA public CASCADE; CREATE SCHEMA public; DROP SCHEMA IF EXISTS "Sales/EU" CASCADE')
})
afterEach(() => stack.disposeAsync())

async function given(
  script: string,
  source: Partial<DatabaseSource> = {},
  settings: Record<string, string> = {},
): Promise<Agent> {
  await server.db.exec(script)
  const billing: DatabaseSource = {
    type: 'database',
    name: 'billing',
    url: server.url,
    include: ['public.*'],
    exclude: [],
    datasets: [],
    ...source,
  }
  return stack.use(await givenAgent({ sources: [billing], settings }))
}
const copy = (agent: Agent, name: string, fields: Parameters<Agent['ingest']>[0] = {}, schema = 'public') =>
  agent.ingest({ source: 'billing', dataset: `${schema}.${name}`, table: { schema, name }, ...fields })
const manifestOf = (agent: Agent, name: string, options = {}) =>
  agent.manifest(`ingest billing/public.${name}`, options)

/** The rows as the engine reads them from the lake. */
async function rowsIn(agent: Agent, files: readonly { path: string }[] = []): Promise<Record<string, unknown>[]> {
  const names = files.map(({ path }) => `'${join(agent.directory, 'lake', path)}'`)
  await using session = await agent.session()
  return await session.rows(`SELECT * FROM read_parquet([${names.join(', ')}])`)
}

describe('every type survives', () => {
  const cases: [type: string, values: (string | null)[], landed: string, read: unknown[]][] = [
    ['boolean', ['true', 'false', null], 'BOOLEAN', [true, false, null]],
    ['smallint', ['-32768', '32767'], 'INTEGER', [-32768, 32767]],
    ['integer', ['-2147483648', '2147483647'], 'INTEGER', [-2147483648, 2147483647]],
    ['bigint', ['9007199254740993', '-9223372036854775808'], 'BIGINT', [9007199254740993n, -9223372036854775808n]],
    ['numeric(10,2)', ['12345678.91', '-0.01'], 'DECIMAL(10,2)', ['12345678.91', '-0.01']],
    [
      'numeric(38,10)',
      ['1234567890123456789012345678.0123456789'],
      'DECIMAL(38,10)',
      ['1234567890123456789012345678.0123456789'],
    ],
    ['numeric(3,-2)', ['12300'], 'DECIMAL(5,0)', ['12300']],
    [
      'numeric',
      ['0.1', '1e-30', '12345678901234567890123456789012345678901234567890'],
      'VARCHAR',
      ['0.1', '0.000000000000000000000000000001', '12345678901234567890123456789012345678901234567890'],
    ],
    ['numeric(60,2)', ['1.50'], 'VARCHAR', ['1.50']],
    ['money', ['-92233720368547758.08', '12.34'], 'DECIMAL(22,3)', ['-92233720368547758.080', '12.340']],
    ['real', ['0.1', '3.4028235e38', 'NaN'], 'DOUBLE', [0.1, 3.4028235e38, Number.NaN]],
    [
      'double precision',
      ['0.1', '5e-324', '1.7976931348623157e308', 'Infinity'],
      'DOUBLE',
      [0.1, 5e-324, Number.MAX_VALUE, Infinity],
    ],
    ['text', ['', 'ä "quoted",\n😀', null], 'VARCHAR', ['', 'ä "quoted",\n😀', null]],
    ['varchar(5)', ['ab '], 'VARCHAR', ['ab ']],
    ['char(5)', ['ab'], 'VARCHAR', ['ab']],
    ['date', ['2026-03-01', '0044-03-15 BC', '9999-12-31'], 'DATE', ['2026-03-01', '0044-03-15 (BC)', '9999-12-31']],
    ['time', ['23:59:59.999999', '00:00'], 'TIME', ['23:59:59.999999', '00:00:00']],
    ['time with time zone', ['10:00:00+02'], 'VARCHAR', ['10:00:00+02']],
    [
      'timestamptz',
      ['2026-03-01 10:00:00.123456+02', 'infinity'],
      'TIMESTAMP WITH TIME ZONE',
      ['2026-03-01T08:00:00.123456Z', 'infinity'],
    ],
    [
      'timestamp',
      ['2026-03-01 10:00:00', '1969-12-31 23:59:59.999999'],
      'TIMESTAMP WITH TIME ZONE',
      ['2026-03-01T10:00:00.000000Z', '1969-12-31T23:59:59.999999Z'],
    ],
    ['interval', ['1 year 2 mons 3 days 04:05:06.7', '-1 day'], 'VARCHAR', ['P1Y2M3DT4H5M6.7S', 'P-1D']],
    ['bytea', ['\\x00ff5c', '\\x'], 'BLOB', [new Uint8Array([0, 255, 92]), new Uint8Array()]],
    ['uuid', ['a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'], 'VARCHAR', ['a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11']],
    ['json', ['{"b":1,  "a":9007199254740993}'], 'VARCHAR', ['{"b":1,  "a":9007199254740993}']],
    ['jsonb', ['{"b":1.10,"a":9007199254740993}'], 'VARCHAR', ['{"a": 9007199254740993, "b": 1.10}']],
    ['text[]', ['{a,"b,c",NULL,"d\\"e",""}', '{}', null], 'VARCHAR[]', [['a', 'b,c', null, 'd"e', ''], [], null]],
    ['bigint[]', ['{9007199254740993,NULL}'], 'BIGINT[]', [[9007199254740993n, null]]],
    ['numeric(10,2)[]', ['{1.10,2}'], 'DECIMAL(10,2)[]', [['1.10', '2.00']]],
    ['money[]', ['{1.10}'], 'DECIMAL(22,3)[]', [['1.100']]],
    ['timestamp[]', ['{"2026-03-01 10:00:00"}'], 'TIMESTAMP WITH TIME ZONE[]', [['2026-03-01T10:00:00.000000Z']]],
    ['bytea[]', [String.raw`{"\\x00ff"}`], 'BLOB[]', [[new Uint8Array([0, 255])]]],
    ['char(3)[]', ['{a}'], 'VARCHAR[]', [['a']]],
    ['int[][]', ['{{1,2},{3,4}}'], 'VARCHAR', ['[[1,2],[3,4]]']],
    [
      'date',
      ['infinity', '-infinity', '10000-01-01', '4713-01-01 BC'],
      'DATE',
      ['infinity', '-infinity', '10000-01-01', '4713-01-01 (BC)'],
    ],
    ['time', ['24:00'], 'TIME', ['24:00:00']],
    ['time with time zone', ['24:00:00-15:59', '10:00:00.5+05:30'], 'VARCHAR', ['24:00:00-15:59', '10:00:00.5+05:30']],
    ['numeric', ['NaN', 'Infinity', '1e100'], 'VARCHAR', ['NaN', 'Infinity', `1${'0'.repeat(100)}`]],
    ['text[]', ['{"a,b",NULL,"NULL","", " x "}'], 'VARCHAR[]', [['a,b', null, 'NULL', '', ' x ']]],
    ['int[]', ['{1,NULL,3}', '{NULL}'], 'INTEGER[]', [[1, null, 3], [null]]],
    ['text[][]', ['{{a,NULL},{"NULL",""}}'], 'VARCHAR', ['[["a",null],["NULL",""]]']],
    ['date[]', ['{infinity,NULL,"0044-03-15 BC"}'], 'DATE[]', [['infinity', null, '0044-03-15 (BC)']]],
    [
      'json',
      ['{"n":123456789012345678901234567890.10e400}'],
      'VARCHAR',
      ['{"n":123456789012345678901234567890.10e400}'],
    ],
    ['numrange', ['(,1.10]', 'empty'], 'VARCHAR', ['(,1.10]', 'empty']],
    ['inet', ['10.0.0.0/8'], 'VARCHAR', ['10.0.0.0/8']],
    ['int4range', ['[1,5)'], 'VARCHAR', ['[1,5)']],
    ['point', ['(1,2)'], 'VARCHAR', ['(1,2)']],
    ['bit varying', ['10101'], 'VARCHAR', ['10101']],
    ['oid', ['4294967295'], 'BIGINT', [4294967295]],
  ]
  test.each(cases)('%s %j lands as %s', async (type, values, landed, read) => {
    const rows = values.map(
      (value, index) => `(${index}, ${value === null ? 'NULL' : `'${value.replaceAll("'", "''")}'`}::${type})`,
    )
    const agent = await given(`CREATE TABLE t (id int PRIMARY KEY, v ${type}); INSERT INTO t VALUES ${rows.join(', ')}`)

    await copy(agent, 't')

    const manifest = await manifestOf(agent, 't')
    expect(manifest?.columns).toEqual([
      { name: 'id', type: 'INTEGER' },
      { name: 'v', type: landed },
    ])
    expect((await rowsIn(agent, manifest?.files)).map(({ v }) => v)).toEqual(read)
  })

  test('domains are what they are made of, enums and composites are text', async () => {
    const agent = await given(`
      CREATE DOMAIN price AS numeric(8,2) CHECK (value > 0); CREATE DOMAIN dear AS price;
      CREATE TYPE mood AS ENUM ('glad', 'sad'); CREATE TYPE pair AS (a int, b text);
      CREATE TABLE t (p dear, m mood, c pair); INSERT INTO t VALUES (12.5, 'sad', ROW (1, 'x'))`)

    await copy(agent, 't')

    const manifest = await manifestOf(agent, 't')
    expect(manifest?.columns?.map(({ type }) => type)).toEqual(['DECIMAL(8,2)', 'VARCHAR', 'VARCHAR'])
    expect(await rowsIn(agent, manifest?.files)).toEqual([{ p: '12.50', m: 'sad', c: '(1,x)' }])
  })

  test('any text and any number come through as they are', async () => {
    const agent = await given('CREATE TABLE t (id int PRIMARY KEY, a text, n numeric, f float8)')
    const noNul = fc.string({ unit: 'grapheme' }).filter((text) => !text.includes('\0'))
    const row = fc.tuple(noNul, fc.bigInt({ min: -(10n ** 40n), max: 10n ** 40n }), fc.double({ noNaN: true }))
    await fc.assert(
      fc.asyncProperty(fc.array(row, { minLength: 1, maxLength: 20 }), fc.uuid(), async (rows, run) => {
        await server.db.exec('TRUNCATE t')
        for (const [id, [a, n, f]] of rows.entries()) {
          await server.db.query('INSERT INTO t VALUES ($1, $2, $3, $4)', [id, a, String(n), f])
        }
        const task = `ingest ${run}`

        await copy(agent, 't', { task, generation: 7 })

        const files = (await agent.manifest(task, { generation: 7 }))?.files
        const landed = await rowsIn(agent, files)
        expect(landed.map(({ a, n, f }) => [a, n, f === 0 ? 0 : f])).toEqual(
          rows.map(([a, n, f]) => [a, String(n), f === 0 ? 0 : f]),
        )
      }),
      { numRuns: 15 },
    )
  })

  test('a value that the landed type cannot hold lands as its text, beside the others', async () => {
    const agent = await given(
      "CREATE TABLE t (id int PRIMARY KEY, score numeric(5,2), at timestamptz); INSERT INTO t VALUES (1, 'NaN', '2026-03-01Z'), (2, 1.5, '294276-12-31 23:59:59Z'), (3, 2, NULL)",
    )

    expect(await copy(agent, 't')).toMatchObject({ balance: { in: 3, out: 3 } })

    const manifest = await manifestOf(agent, 't')
    expect(manifest?.columns?.map(({ name }) => name)).toEqual(['id', 'score', 'at'])
    expect(manifest?.files).toMatchObject([{ rowCount: 3, unfit: { column: 'cinelake.unfit', of: ['score', 'at'] } }])
    expect(await rowsIn(agent, manifest?.files)).toEqual([
      { id: 1, score: null, at: '2026-03-01T00:00:00.000000Z', 'cinelake.unfit': { score: 'NaN', at: null } },
      { id: 2, score: '1.50', at: null, 'cinelake.unfit': { score: null, at: '294276-12-31 23:59:59+00' } },
      { id: 3, score: '2.00', at: null, 'cinelake.unfit': null },
    ])
  })

  test('an array with more dimensions than its column declares is such a value', async () => {
    const agent = await given(
      "CREATE TABLE t (id int PRIMARY KEY, v text[]); INSERT INTO t VALUES (1, '{{secret,b},{c,d}}'), (2, '{\"[[\"}')",
    )

    await copy(agent, 't')

    expect(await rowsIn(agent, (await manifestOf(agent, 't'))?.files)).toEqual([
      { id: 1, v: null, 'cinelake.unfit': { v: '[["secret","b"],["c","d"]]' } },
      { id: 2, v: ['[['], 'cinelake.unfit': null },
    ])
  })

  test('a table whose values are compared one by one may have such values, and a column of that name', async () => {
    const agent = await given(
      `CREATE TABLE t (id int PRIMARY KEY, "Cinelake.Unfit" numeric(5,2)); INSERT INTO t VALUES (1, 'NaN')`,
      { verify: 'checksum' },
    )

    await copy(agent, 't')

    expect(await rowsIn(agent, (await manifestOf(agent, 't'))?.files)).toEqual([
      { id: 1, 'Cinelake.Unfit': null, 'cinelake.unfit_': { 'Cinelake.Unfit': 'NaN' } },
    ])
  })
})

describe('a table', () => {
  test('lands whole, in order of its key, counted, with its columns and its key', async () => {
    const agent = await given(
      'CREATE TABLE payments (customer int, no int, amount numeric(10,2), PRIMARY KEY (no, customer)); INSERT INTO payments SELECT g % 7, g, g / 4.0 FROM generate_series(25000, 1, -1) g',
    )

    const outcome = await copy(agent, 'payments')

    expect(outcome).toMatchObject({
      balance: { unit: 'rows', in: 25_000, out: 25_000, rejected: 0, duplicates: 0 },
      output: { kind: 'landed', fileCount: 1, rowCount: 25_000 },
    })
    const manifest = await manifestOf(agent, 'payments')
    expect(manifest).toMatchObject({ format: 'parquet', rowCount: 25_000, primaryKey: ['no', 'customer'] })
    expect(manifest?.files).toMatchObject([
      {
        path: 'raw/shop/database/billing/public.payments/2026-03-01/part-00000.parquet',
        name: 'public.payments/part-00000.parquet',
        rowCount: 25_000,
      },
    ])
    expect(manifest?.files[0]?.sha256).toBe(sha256(agent.landedBytes(manifest?.files[0]?.path ?? '')))
    const rows = await rowsIn(agent, manifest?.files)
    expect(rows.map(({ no }) => no)).toEqual(Array.from({ length: 25_000 }, (_, i) => i + 1))
  })

  test('that did not change gives the same bytes on the next day, one that did gives others', async () => {
    const agent = await given(
      'CREATE TABLE a (id int PRIMARY KEY, v text); INSERT INTO a SELECT g, repeat(md5(g::text), g % 5) FROM generate_series(1, 130000) g; CREATE TABLE b AS SELECT * FROM a WHERE id % 3 = 0',
    )
    const digests = async (label: string) => {
      await Promise.all([copy(agent, 'a', { label }), copy(agent, 'b', { label })])
      const manifests = [await manifestOf(agent, 'a', { label }), await manifestOf(agent, 'b', { label })]
      return manifests.map((manifest) => manifest?.files.map((file) => file.sha256))
    }

    const [first, second] = [await digests('2026-03-01'), await digests('2026-03-02')]
    await server.db.exec("UPDATE a SET v = 'x' WHERE id = 1")
    const third = await digests('2026-03-03')

    expect(second).toEqual(first)
    expect(third[0]).not.toEqual(first[0])
    expect(third[1]).toEqual(first[1])
  })

  test('that is empty lands as an empty file, so that whoever replaces a table by it knows its columns', async () => {
    const agent = await given('CREATE TABLE t (id int PRIMARY KEY, v text)')

    expect(await copy(agent, 't')).toMatchObject({ balance: { in: 0, out: 0 }, output: { fileCount: 1, rowCount: 0 } })

    expect(await rowsIn(agent, (await manifestOf(agent, 't'))?.files)).toEqual([])
  })

  test('with names that need quoting everywhere', async () => {
    const agent = await given(
      `CREATE SCHEMA "Sales/EU"; CREATE TABLE "Sales/EU"."Order ""Details""" ("Übung" int, "select" text, "a.b" int, "__proto__" int, "1" int, PRIMARY KEY ("Übung"));
       INSERT INTO "Sales/EU"."Order ""Details""" VALUES (1, 'x', 2, 3, 4)`,
    )

    await copy(agent, 'Order "Details"', { task: 'ingest odd' }, 'Sales/EU')

    const manifest = await agent.manifest('ingest odd')
    expect(manifest?.files[0]?.path).toBe(
      'raw/shop/database/billing/Sales%2FEU.Order "Details"/2026-03-01/part-00000.parquet',
    )
    expect(manifest?.columns?.map(({ name }) => name)).toEqual(['Übung', 'select', 'a.b', '__proto__', '1'])
    expect(manifest?.primaryKey).toEqual(['Übung'])
    await using session = await agent.session()
    const file = join(agent.directory, 'lake', manifest?.files[0]?.path ?? '')
    expect(await session.rows(`SELECT "Übung" + "a.b" + "__proto__" + "1" AS n FROM read_parquet('${file}')`)).toEqual([
      { n: 10 },
    ])
  })

  describe('of which others inherit', () => {
    const family = `CREATE TABLE parent (id int PRIMARY KEY, note text);
      CREATE TABLE child (extra int) INHERITS (parent); CREATE TABLE grandchild () INHERITS (child);
      INSERT INTO parent VALUES (1, 'p'); INSERT INTO child VALUES (2, 'c', 7), (1, 'again', 8);
      INSERT INTO grandchild VALUES (3, 'g', 9)`
    const table = (name: string) => ({ schema: 'public', name })
    const idsOf = async (agent: Agent, name: string) =>
      (await rowsIn(agent, (await manifestOf(agent, name))?.files))
        .map(({ id }) => Number(id))
        .toSorted((one, other) => one - other)

    test('has their rows where the source does not copy them, and no key', async () => {
      const agent = await given(family, { include: [], datasets: [{ name: 'parent', table: table('parent') }] })

      await copy(agent, 'parent')

      expect(await idsOf(agent, 'parent')).toEqual([1, 1, 2, 3])
      expect(await manifestOf(agent, 'parent')).not.toMatchObject({ primaryKey: ['id'] })
    })

    test('has its own rows where all of them are copied: included or declared', async () => {
      const agent = await given(family, {
        include: ['public.parent', 'public.child'],
        datasets: [{ name: 'last', table: table('grandchild') }],
      })

      for (const name of ['parent', 'child', 'grandchild']) await copy(agent, name)

      expect(await idsOf(agent, 'parent')).toEqual([1])
      expect(await idsOf(agent, 'child')).toEqual([1, 2])
      expect(await idsOf(agent, 'grandchild')).toEqual([3])
    })

    test('is refused where only some of them are copied', async () => {
      const agent = await given(family, { include: ['public.parent', 'public.child'] })

      await expect(copy(agent, 'parent')).rejects.toMatchObject({
        code: 'DATABASE_TABLE_UNUSABLE',
        message: expect.stringContaining('all of the 2 tables that inherit from it to be copied, or none'),
      })
    })

    test('has their rows when it is read in ranges, and when it is counted', async () => {
      const split = { ranges: 2, column: 'id', minRows: 0, resume: true }
      const agent = await given(family, {
        include: [],
        verify: 'count',
        datasets: [{ name: 'parent', table: table('parent'), split }],
      })

      await copy(agent, 'parent', { dataset: 'parent' })

      const files = (await agent.manifest('ingest billing/parent'))?.files
      expect((await rowsIn(agent, files)).map(({ id }) => Number(id)).toSorted((one, other) => one - other)).toEqual([
        1, 1, 2, 3,
      ])
    })
  })

  test('with partitions, views and rows of heirs: each row once', async () => {
    const agent = await given(`
      CREATE TABLE p (id int, day date) PARTITION BY RANGE (day);
      CREATE TABLE p1 PARTITION OF p FOR VALUES FROM ('2026-01-01') TO ('2027-01-01'); INSERT INTO p VALUES (1, '2026-03-01');
      CREATE TABLE parent (id int); CREATE TABLE child (extra int) INHERITS (parent);
      INSERT INTO parent VALUES (1); INSERT INTO child VALUES (2, 3);
      CREATE VIEW seen AS SELECT id FROM parent`)

    expect((await agent.discover('billing')).output).toEqual({
      kind: 'tables',
      tables: ['child', 'p', 'parent'].map((name) => ({ schema: 'public', name })),
    })
    expect(await copy(agent, 'p')).toMatchObject({ balance: { out: 1 } })
    expect(await copy(agent, 'parent')).toMatchObject({ balance: { out: 1 } })
    expect(await copy(agent, 'seen')).toMatchObject({ balance: { out: 2 } })
  })

  test('of wide rows is read whole', async () => {
    const agent = await given(
      "CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t SELECT g, repeat('x', 400000) FROM generate_series(1, 300) g",
    )
    expect(await copy(agent, 't')).toMatchObject({ balance: { out: 300 } })
  })

  test('again and at once: landed once, whatever the table holds by now', async () => {
    const agent = await given('CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t SELECT generate_series(1, 1000)')

    const both = await Promise.all([copy(agent, 't'), copy(agent, 't', { attempt: 2 })])
    await server.db.exec('DELETE FROM t WHERE id > 10')
    const late = await copy(agent, 't', { attempt: 3 })

    expect(both[1]).toEqual(both[0])
    expect(late).toEqual(both[0])
  })

  test('told to stop: no manifest, and the connection is closed', async () => {
    const agent = await given(
      'CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t SELECT g, repeat(md5(g::text), 10) FROM generate_series(1, 50000) g',
    )
    const abort = new AbortController()

    const command = { source: 'billing', dataset: 'public.t', table: { schema: 'public', name: 't' } }

    // At the first sign of life, which is in the middle of the rows.
    const work = agent.ingest(command, abort.signal, () => abort.abort())

    await expect(work).rejects.toBeInstanceOf(CancelledError)
    expect(await manifestOf(agent, 't')).toBeUndefined()
    expect(await copy(agent, 't')).toMatchObject({ balance: { out: 50_000 } })
  })
})

describe('new rows by a cursor', () => {
  const watching: DatabaseDataset = {
    name: 'watching',
    table: { schema: 'public', name: 'watch' },
    incremental: { column: 'at' },
  }
  const take = (agent: Agent, since: string | null, label = '2026-03-02') =>
    agent.ingest({ source: 'billing', dataset: 'watching', since, label })
  const idsOf = async (agent: Agent, label = '2026-03-02') =>
    (await rowsIn(agent, (await agent.manifest('ingest billing/watching', { label }))?.files)).map(({ id }) => id)

  test.each([
    [
      'timestamptz NOT NULL',
      [
        "'2026-03-01 22:59:59.999999Z'",
        "'2026-03-01 23:00:00Z'",
        "'2026-03-02 22:59:59.999999Z'",
        "'2026-03-02 23:00:00Z'",
      ],
    ],
    [
      'timestamp',
      ["'2026-03-01 22:59:59'", "'2026-03-01 23:00:00'", "'2026-03-02 22:59:59.9'", "'2026-03-02 23:00:00'"],
    ],
    ['date', ["'2026-03-01'", "'2026-03-02'", "'2026-03-02'", "'2026-03-03'"]],
  ])('%s: from the end of the last window, inclusive, to the end of this one, exclusive', async (type, at) => {
    const rows = at.map((value, id) => `(${id}, ${value})`)
    const agent = await given(
      `CREATE TABLE watch (id int PRIMARY KEY, at ${type}); INSERT INTO watch VALUES ${rows.join(', ')}`,
      { datasets: [watching] },
    )

    const outcome = await take(agent, '2026-03-01T23:00:00Z')

    expect(outcome.output).toMatchObject({ rowCount: 2 })
    expect(await idsOf(agent)).toEqual([1, 2])
    expect((await agent.manifest('ingest billing/watching', { label: '2026-03-02' }))?.cursor).toEqual({
      column: 'at',
      since: '2026-03-01T23:00:00Z',
      until: '2026-03-02T23:00:00Z',
    })
  })

  test('the first time takes everything before the end of the window', async () => {
    const agent = await given(
      "CREATE TABLE watch (id int, at timestamptz); INSERT INTO watch VALUES (1, '1999-01-01Z'), (2, '2026-03-02Z'), (3, '2026-03-09Z')",
      { datasets: [watching] },
    )

    await take(agent, null)

    expect(await idsOf(agent)).toEqual([1, 2])
  })

  test('nothing new is no file', async () => {
    const agent = await given('CREATE TABLE watch (id int, at timestamptz)', { datasets: [watching] })

    expect(await take(agent, null)).toMatchObject({ balance: { in: 0, out: 0 }, output: { fileCount: 0, rowCount: 0 } })
  })

  test.each([
    ['at timestamptz', "VALUES (1, NULL), (2, '2026-03-02Z')", 'rows without one, which would never be copied'],
    ['at text', "VALUES (1, 'x')", 'expected a date, a timestamp or a number, got text'],
    ['started timestamptz', "VALUES (1, '2026-03-02Z')", 'got no such column'],
  ])('%s %s cannot tell new rows: %s', async (column, values, problem) => {
    const agent = await given(`CREATE TABLE watch (id int, ${column}); INSERT INTO watch ${values}`, {
      datasets: [watching],
    })

    await expect(take(agent, null)).rejects.toMatchObject({
      code: 'DATABASE_CURSOR_UNUSABLE',
      retryable: false,
      message: expect.stringContaining(problem),
    })
  })
})

describe('discovering tables', () => {
  const script =
    'CREATE TABLE plans (id int); CREATE TABLE payments (id int); CREATE TABLE tmp_x (id int); CREATE SCHEMA "Sales/EU"; CREATE TABLE "Sales/EU".orders (id int)'

  test('lists those that are included and not excluded', async () => {
    const agent = await given(script, { include: ['public.*', 'Sales/EU.o*'], exclude: ['*.tmp_*'] })

    expect(await agent.discover('billing')).toEqual({
      balance: { unit: 'rows', in: 3, out: 3, rejected: 0, duplicates: 0 },
      output: {
        kind: 'tables',
        tables: [
          { schema: 'Sales/EU', name: 'orders' },
          { schema: 'public', name: 'payments' },
          { schema: 'public', name: 'plans' },
        ],
      },
    })
  })

  test('patterns that mean nothing are an error, no patterns are not', async () => {
    const none = await given(script, { include: ['pubic.*'] })
    const declared = await given('', { include: [] })

    await expect(none.discover('billing')).rejects.toMatchObject({
      code: 'DATABASE_NO_TABLES',
      retryable: false,
      message: expect.stringContaining('include=pubic.* tables=4'),
    })
    expect((await declared.discover('billing')).output).toEqual({ kind: 'tables', tables: [] })
  })
})

describe('what goes wrong with a database', () => {
  const secret = 'p@ss/wörd%'
  const failing = async (url: string, settings: Record<string, string> = { PW: secret }) => {
    const agent = await given('', { url }, settings)
    const error = await copy(agent, 't').then(
      () => undefined,
      (thrown: unknown) => thrown,
    )
    const { message, code, retryable, context } = reportError(error)
    expect(`${message} ${JSON.stringify(context)} ${JSON.stringify(agent.log.lines)}`).not.toMatch(
      /p@ss|p%40ss|w%C3%B6rd/,
    )
    return { message, code, retryable }
  }

  test('a table that is not there', async () => {
    const agent = await given('')
    await expect(copy(agent, 'gone')).rejects.toMatchObject({
      code: 'DATABASE_TABLE_MISSING',
      retryable: false,
      message: expect.stringContaining('table=public.gone'),
    })
  })

  test('a table that the user may not read, and one of which it may read only some rows', async () => {
    const agent = await given(
      'CREATE TABLE closed (id int); CREATE TABLE policed (id int); ALTER TABLE policed ENABLE ROW LEVEL SECURITY; CREATE POLICY own ON policed USING (id = 1)',
    )
    // The server has one session for all clients, so this is the user of the agent as well.
    await server.db.exec(
      'DROP ROLE IF EXISTS reader; CREATE ROLE reader; GRANT USAGE ON SCHEMA public TO reader; GRANT SELECT ON policed TO reader; SET ROLE reader',
    )
    try {
      await expect(copy(agent, 'closed')).rejects.toMatchObject({
        code: 'DATABASE_PERMISSION_MISSING',
        retryable: false,
        message: expect.stringContaining('could not read public.closed; grant the user'),
      })
      await expect(copy(agent, 'policed')).rejects.toMatchObject({ code: 'DATABASE_PERMISSION_MISSING' })
    } finally {
      await server.db.exec('RESET ROLE')
    }
  })

  test('a table without columns, and one whose columns differ in case alone', async () => {
    const agent = await given('CREATE TABLE nothing (); CREATE TABLE twice ("id" int, "ID" int)')

    await expect(copy(agent, 'nothing')).rejects.toMatchObject({ code: 'DATABASE_TABLE_UNUSABLE', retryable: false })
    await expect(copy(agent, 'twice')).rejects.toMatchObject({
      code: 'DATABASE_TABLE_UNUSABLE',
      message: expect.stringContaining('got id twice'),
    })
  })

  test('nobody listens', async () => {
    expect(await failing('postgres://u:${secret:PW}@127.0.0.1:1/db')).toMatchObject({
      code: 'DATABASE_UNAVAILABLE',
      retryable: true,
      message: expect.stringContaining('server=127.0.0.1:1 database=db reason=ECONNREFUSED'),
    })
  })

  test('a host that has no address', async () => {
    expect(await failing('postgres://u:${secret:PW}@no-such-host.invalid/db')).toMatchObject({
      code: 'DATABASE_UNAVAILABLE',
      retryable: true,
    })
  })

  test.each([
    ['57P03', 'the database system is starting up', 'DATABASE_UNAVAILABLE', true],
    ['53300', 'too many connections', 'DATABASE_UNAVAILABLE', true],
    ['28000', 'no pg_hba.conf entry', 'DATABASE_LOGIN_REFUSED', false],
    ['3D000', 'database "db" does not exist', 'DATABASE_MISSING', false],
    ['42501', 'permission denied for database', 'DATABASE_PERMISSION_MISSING', false],
    ['XX000', 'something inside', 'DATABASE_QUERY_FAILED', true],
  ])('the server says %s (%s): %s, retryable %s', async (state, said, code, retryable) => {
    await using answering = await startAnswering((socket) => void socket.end(errorResponse(state, said)))

    expect(await failing(`postgres://u:\${secret:PW}@${answering.host}/db`)).toMatchObject({ code, retryable })
  })

  test('a view that cannot be computed over its rows is wrong for good, and no row is quoted', async () => {
    const agent = await given(
      "CREATE TABLE people (email text); INSERT INTO people VALUES ('ada@example.com'); CREATE VIEW ages AS SELECT email::int AS age FROM people",
    )

    const thrown: unknown = await copy(agent, 'ages').catch((error: unknown) => error)

    expect(reportError(thrown)).toMatchObject({
      code: 'DATABASE_QUERY_REFUSED',
      retryable: false,
      context: { sqlstate: '22P02' },
    })
    expect(JSON.stringify(reportError(thrown))).not.toContain('ada@example.com')
  })

  test('a server that hangs up, and one that speaks something else', async () => {
    await using hangingUp = await startAnswering((socket) => void socket.destroy())
    await using http = await startAnswering((socket) => void socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'))

    expect(await failing(`postgres://u:\${secret:PW}@${hangingUp.host}/db`)).toMatchObject({
      code: 'DATABASE_UNAVAILABLE',
      retryable: true,
    })
    expect(await failing(`postgres://u:\${secret:PW}@${http.host}/db`)).toMatchObject({ retryable: true })
  })

  test('encryption that the server does not offer', async () => {
    await using plain = await startAnswering((socket) => void socket.write('N'))

    expect(await failing(`postgres://u:\${secret:PW}@${plain.host}/db?sslmode=require`)).toMatchObject({
      code: 'DATABASE_TLS_REFUSED',
      retryable: false,
    })
  })

  test('the server decides about password and database', async () => {
    await server.db.exec('CREATE TABLE t (id int)')
    const agent = await given('', { url: `postgres://postgres:\${secret:PW}@${server.host}/shop` }, { PW: 'p@ss' })
    const stale = await given('', { url: `postgres://postgres:wrong@${server.host}/shop` })
    const elsewhere = await given('', { url: `postgres://postgres:p%40ss@${server.host}/other` })

    expect(await copy(agent, 't')).toMatchObject({ balance: { out: 0 } })
    await expect(copy(stale, 't')).rejects.toMatchObject({ code: 'DATABASE_LOGIN_REFUSED' })
    await expect(copy(elsewhere, 't')).rejects.toMatchObject({ code: 'DATABASE_MISSING' })
  })

  test('a refused password is looked up once more, then given up', async () => {
    const passwords: string[] = []
    await using refusing = await startAnswering(async (socket) => {
      socket.write(PASSWORD_REQUEST)
      socket.once('data', (data: Buffer) => {
        passwords.push(data.subarray(5, -1).toString())
        socket.end(errorResponse('28P01', 'password authentication failed for user "u"'))
      })
    })

    expect(await failing(`postgres://u:\${secret:PW}@${refusing.host}/db`)).toMatchObject({
      code: 'DATABASE_LOGIN_REFUSED',
      retryable: false,
    })
    expect(passwords).toEqual([secret, secret])
  })

  test.each([
    ['mysql://u:${secret:PW}@host/db', 'the scheme mysql:'],
    ['no address ${secret:PW}', 'a text that is no address'],
    ['postgres://u:${secret:PW}@host', 'an address without a database'],
    ['postgres://u:p@ss%@host/db', 'escapes nothing'],
    ['mssql://u:${secret:PW}@host:0/db', 'the port 0'],
    ['postgres://u:${secret:PW}@host/db?sslmode=prefer', 'another sslmode'],
    ['postgres://u:${secret:PW}@host/db?options=x', 'the parameter options'],
  ])('the address %s is refused: %s', async (url, problem) => {
    expect(await failing(url)).toMatchObject({
      code: 'DATABASE_ADDRESS_INVALID',
      retryable: false,
      message: expect.stringContaining(problem),
    })
  })

  test('a connection that breaks in mid-read is transient, and nothing is landed', async () => {
    await server.db.exec(
      "CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t SELECT g, repeat('y', 1000) FROM generate_series(1, 50000) g",
    )
    await using cut = await startCutting(server.host, 3_000_000)
    const agent = await given('', { url: `postgres://postgres:p%40ss@${cut.host}/shop` })

    await expect(copy(agent, 't')).rejects.toMatchObject({ code: 'DATABASE_UNAVAILABLE', retryable: true })
    expect(await manifestOf(agent, 't')).toBeUndefined()
    expect(await agent.pathsInRaw()).toEqual([])
  })
})
