// @module-tag slow: needs a server or a container
import { join } from 'node:path'
import type { DatabaseSource } from '../config/index.ts'
import { until } from '@cinelake/testkit'
import { findPostgres } from '@cinelake/testkit/postgres'
import { startProxy } from '@cinelake/testkit/proxy'
import pg from 'pg'
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest'
import { givenAgent, type Agent } from '../source-database.fixture.ts'

const { server, missing } = await findPostgres()
afterAll(() => server?.[Symbol.asyncDispose]())

let stack: AsyncDisposableStack
let url: string
let db: pg.Client
beforeEach(async () => {
  stack = new AsyncDisposableStack()
  if (server === undefined) return
  ;({ url } = stack.use(await server.createDatabase()))
  db = new pg.Client({ connectionString: url })
  await db.connect()
  stack.defer(() => db.end())
})
afterEach(() => stack.disposeAsync())

function aSource(source: Partial<DatabaseSource> = {}): DatabaseSource {
  return { type: 'database', name: 'billing', url, include: ['public.*'], exclude: [], datasets: [], ...source }
}
const table = (name: string) => ({ schema: 'public', name })
const dataset = (fields: Partial<DatabaseSource['datasets'][number]>) => ({
  name: 'rows',
  table: table('rows'),
  ...fields,
})
const inRanges = (ranges: number, resume = true) => ({ split: { ranges, minRows: 0, resume } })
const given = async (source: Partial<DatabaseSource> = {}) =>
  stack.use(await givenAgent({ sources: [aSource(source)] }))
const copy = (agent: Agent, fields: Parameters<Agent['ingest']>[0] = {}, signal?: AbortSignal, progress?: () => void) =>
  agent.ingest({ source: 'billing', dataset: 'rows', table: table('rows'), ...fields }, signal, progress)
const manifestOf = (agent: Agent, options = {}) => agent.manifest('ingest billing/rows', options)

async function landed(agent: Agent, options = {}, select = '*'): Promise<Record<string, unknown>[]> {
  const files = (await manifestOf(agent, options))?.files ?? []
  const names = files.map(({ path }) => `'${join(agent.directory, 'lake', path)}'`)
  await using session = await agent.session()
  return files.length === 0
    ? []
    : await session.rows(`SELECT ${select} FROM read_parquet([${names.join(', ')}]) ORDER BY 1`)
}
const stateIn = async (agent: Agent) => (await agent.pathsInRaw()).filter((path) => path.startsWith('raw/_landing'))

describe.skipIf(server === undefined)(
  `copies of a PostgreSQL server${missing === undefined ? '' : ` (${missing})`}`,
  () => {
    describe('in ranges of the key', () => {
      const MANY =
        'CREATE TABLE rows (id int PRIMARY KEY, v text); INSERT INTO rows SELECT g, md5(g::text) FROM generate_series(1, 20000) g; ANALYZE rows'

      test('hold every row once, in files in order of the key, and leave nothing behind', async () => {
        await db.query(MANY)
        const agent = await given({ datasets: [dataset(inRanges(4))] })

        expect(await copy(agent)).toMatchObject({ balance: { in: 20_000, out: 20_000 }, output: { fileCount: 4 } })

        const rows = await landed(agent)
        expect(rows.map(({ id }) => id)).toEqual(Array.from({ length: 20_000 }, (_, i) => i + 1))
        expect((await manifestOf(agent))?.files.map(({ name }) => name)).toEqual(
          [0, 1, 2, 3].map((range) => `public.rows/part-0000${range}-00000.parquet`),
        )
        expect(await stateIn(agent)).toEqual([])
      })

      test('are of one moment, whatever is written meanwhile', async () => {
        await db.query(MANY)
        const agent = await given({ datasets: [dataset(inRanges(4, false))] })
        let written: Promise<unknown> | undefined
        const progress = () =>
          void (written ??= db.query("INSERT INTO rows SELECT -g, 'late' FROM generate_series(1, 5000) g"))

        expect(await copy(agent, {}, undefined, progress)).toMatchObject({ balance: { out: 20_000 } })

        await written
        expect((await landed(agent)).filter(({ v }) => v === 'late')).toEqual([])
      })

      test('go on after the agent was stopped with the ranges that are missing', async () => {
        await db.query(MANY)
        const agent = await given({ datasets: [dataset(inRanges(8))], maxConnections: 1 })
        const stop = new AbortController()
        const copying = copy(agent, {}, stop.signal)
        await until('two ranges landed', async () =>
          (await stateIn(agent)).some((path) => path.endsWith('range-00001.json')),
        )
        stop.abort()
        await expect(copying).rejects.toMatchObject({ code: 'WORK_CANCELLED' })
        const kept = (await stateIn(agent)).filter((path) => path.includes('range-')).length
        await db.query('UPDATE rows SET v = upper(v)')

        expect(await copy(agent, { attempt: 2 })).toMatchObject({ balance: { out: 20_000 } })

        const rows = await landed(agent)
        expect(rows.map(({ id }) => id)).toEqual(Array.from({ length: 20_000 }, (_, i) => i + 1))
        // Those of the ranges that had landed are as they were then.
        const former = rows.filter(({ v }) => /[a-f]/.test(String(v))).length
        expect(former).toBeGreaterThanOrEqual(kept * 2000)
        expect(former).toBeLessThan(20_000)
        expect(await stateIn(agent)).toEqual([])
      })

      test('begin anew when a column was added meanwhile, or a file that had landed is damaged', async () => {
        await db.query(MANY)
        const agent = await given({ datasets: [dataset(inRanges(4))], maxConnections: 1 })
        const stopAfterFirst = async () => {
          const stop = new AbortController()
          const copying = copy(agent, {}, stop.signal)
          await until('a range landed', async () => (await stateIn(agent)).some((path) => path.includes('range-00000')))
          stop.abort()
          await copying.catch(() => {})
        }
        await stopAfterFirst()
        const first = (await agent.pathsInRaw()).find((path) => path.endsWith('part-00000-00000.parquet')) ?? ''
        await agent.lake.put(first, 'no parquet')
        await db.query('ALTER TABLE rows ADD extra int DEFAULT 7')

        expect(await copy(agent)).toMatchObject({ balance: { out: 20_000 } })

        expect((await landed(agent)).every(({ extra }) => extra === 7)).toBe(true)
      })

      test('of a key of text, of views, of a column with empty values, of few rows: each row once', async () => {
        await db.query(
          "CREATE TABLE rows (k text PRIMARY KEY, n int); INSERT INTO rows VALUES ('ä', 1), ('', NULL), ('z''', 3), ('A', 4), ('a', NULL)",
        )
        await db.query('CREATE VIEW seen AS SELECT * FROM rows')
        const agent = await given({ datasets: [dataset(inRanges(3))] })
        const byColumn = await given({
          datasets: [dataset({ split: { ranges: 3, column: 'n', minRows: 0, resume: true } })],
        })
        const ofView = await given({
          datasets: [dataset({ table: table('seen'), split: { ranges: 2, column: 'k', minRows: 0, resume: true } })],
        })

        for (const one of [agent, byColumn, ofView]) {
          expect(await copy(one)).toMatchObject({ balance: { out: 5 } })
          expect((await landed(one)).map(({ k }) => k)).toEqual(['', 'A', 'a', "z'", 'ä'])
        }
      })

      test('by two attempts at once, while the table changes: both say the same, and each row is there once', async () => {
        await db.query(MANY)
        const agent = await given({ datasets: [dataset(inRanges(8))], maxConnections: 3 })
        let written: Promise<unknown> | undefined
        const write = () => void (written ??= db.query('UPDATE rows SET v = upper(v) WHERE id % 2 = 0'))

        const outcomes = await Promise.all([copy(agent, {}, undefined, write), copy(agent, { attempt: 2 })])

        await written
        expect(outcomes[1]?.output).toEqual(outcomes[0]?.output)
        expect((await landed(agent)).map(({ id }) => id)).toEqual(Array.from({ length: 20_000 }, (_, i) => i + 1))
      })

      test('need a column that is there', async () => {
        await db.query(MANY)
        const agent = await given({
          datasets: [dataset({ split: { ranges: 3, column: 'ID', minRows: 0, resume: true } })],
        })

        await expect(copy(agent)).rejects.toMatchObject({
          code: 'DATABASE_SPLIT_UNUSABLE',
          retryable: false,
          message: expect.stringContaining('split.column=ID'),
        })
      })

      test('are not made of tables that the database takes for small', async () => {
        await db.query(MANY)
        const agent = await given({ split: { ranges: 4, minRows: 1_000_000, resume: true } })

        expect(await copy(agent)).toMatchObject({ output: { fileCount: 1 } })
      })
    })

    describe('of what is new', () => {
      const incremental = (fields: object = {}) => ({
        datasets: [dataset({ incremental: { column: 'no', ...fields } })],
      })
      const second = { label: '2026-03-02', since: '2026-03-01T23:00:00Z' }

      test.each(['int', 'bigint', 'numeric(20,3)'])(
        'by a number (%s): from where the last window ended',
        async (type) => {
          await db.query(`CREATE TABLE rows (no ${type} NOT NULL); INSERT INTO rows SELECT generate_series(1, 10)`)
          const agent = await given(incremental())

          expect(await copy(agent)).toMatchObject({ balance: { out: 10 } })
          await db.query('INSERT INTO rows VALUES (11), (12)')
          expect(await copy(agent, second)).toMatchObject({ balance: { out: 2 } })
          expect(await copy(agent, { label: '2026-03-03', since: '2026-03-02T23:00:00Z' })).toMatchObject({
            output: { fileCount: 0 },
          })

          const { cursor } = (await manifestOf(agent, { label: '2026-03-02' })) ?? {}
          expect(cursor).toMatchObject({ kind: 'number', column: 'no' })
        },
      )

      test('by a number with an overlap, and by numbers that began anew', async () => {
        await db.query('CREATE TABLE rows (no int NOT NULL); INSERT INTO rows SELECT generate_series(1, 10)')
        const agent = await given(incremental({ overlapBy: 3 }))

        await copy(agent)
        expect(await copy(agent, second)).toMatchObject({ balance: { out: 3 } })
        await db.query('TRUNCATE rows; INSERT INTO rows VALUES (1), (2)')
        expect(await copy(agent, { label: '2026-03-03', since: '2026-03-02T23:00:00Z' })).toMatchObject({
          balance: { out: 2 },
        })
      })

      test('by a table that has no rows yet', async () => {
        await db.query('CREATE TABLE rows (no int NOT NULL)')
        const agent = await given(incremental())

        expect(await copy(agent)).toMatchObject({ output: { fileCount: 0 } })
        await db.query('INSERT INTO rows VALUES (-5)')
        expect(await copy(agent, second)).toMatchObject({ balance: { out: 1 } })
      })

      test('by a number that has become none (NaN) is a clear error, the first time and later', async () => {
        await db.query('CREATE TABLE rows (no numeric(9,2) NOT NULL); INSERT INTO rows VALUES (1)')
        const agent = await given(incremental())
        await copy(agent)
        await db.query("INSERT INTO rows VALUES ('NaN')")

        await expect(copy(agent, second)).rejects.toMatchObject({ code: 'DATABASE_CURSOR_UNUSABLE', retryable: false })
      })

      test('by one of two times, with an overlap', async () => {
        await db.query(`CREATE TABLE rows (id int, made timestamptz, changed timestamptz);
        INSERT INTO rows VALUES (1, '2026-03-01T20:00Z', NULL), (2, '2026-03-01T22:00Z', NULL), (3, '2026-01-01Z', '2026-03-02T05:00Z'), (4, '2026-01-01Z', NULL)`)
        const agent = await given({
          datasets: [dataset({ incremental: { column: 'made', orColumns: ['changed'], overlapMs: 2 * 3_600_000 } })],
        })

        await copy(agent, second)

        expect((await landed(agent, { label: '2026-03-02' })).map(({ id }) => id)).toEqual([2, 3])
      })

      test('by Change Tracking is refused: PostgreSQL has none', async () => {
        await db.query('CREATE TABLE rows (id int PRIMARY KEY)')
        const agent = await given({ datasets: [dataset({ changeTracking: true })] })

        await expect(copy(agent)).rejects.toMatchObject({ code: 'DATABASE_CURSOR_UNUSABLE', retryable: false })
      })
    })

    describe('verified', () => {
      test('by checksum: rows of every kind of value arrive as they were sent', async () => {
        await db.query(`CREATE TABLE rows (id int PRIMARY KEY, b boolean, n numeric, f float8, r real, t text, c char(5), d date,
          at timestamptz, i interval, x bytea, j jsonb, a text[], m money, u uuid);
        INSERT INTO rows VALUES
          (1, true, 1e40, '-0', '0.1', '😀''\\x', 'ab', '0001-01-01', '9999-12-31 23:59:59.999999Z', '1 day', '\\x00ff', '{"a":1.10}', '{a,NULL,"b,c"}', '12.34', gen_random_uuid()),
          (2, false, 'NaN', 'Infinity', '-Infinity', '', '', 'infinity', '-infinity', '0', '', 'null', '{}', '-0.01', NULL),
          (3, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)`)
        const agent = await given({ verify: 'checksum' })

        expect(await copy(agent)).toMatchObject({ balance: { out: 3 } })

        const rows = await landed(agent, {}, '* REPLACE (CAST(d AS VARCHAR) AS d)')
        expect(rows[0]).toMatchObject({
          n: `1${'0'.repeat(40)}`,
          f: -0,
          r: 0.1,
          d: '0001-01-01',
          at: '9999-12-31T23:59:59.999999Z',
        })
        expect(rows[1]).toMatchObject({ t: '', c: '', f: Infinity, r: -Infinity, d: 'infinity', at: '-infinity' })
        expect(
          Object.values(rows[2] ?? {})
            .slice(1)
            .every((value) => value === null),
        ).toBe(true)
      })

      test('by count: rows that a snapshot does not hold do not matter', async () => {
        await db.query('CREATE TABLE rows (id int PRIMARY KEY); INSERT INTO rows SELECT generate_series(1, 5000)')
        const agent = await given({ verify: 'count', datasets: [dataset(inRanges(3))] })

        expect(await copy(agent)).toMatchObject({ balance: { out: 5000 } })
      })
    })

    test('rows that become a thousand times wider are read whole', async () => {
      await db.query(
        "CREATE TABLE rows (id int PRIMARY KEY, v text); INSERT INTO rows SELECT g, repeat('x', CASE WHEN g > 5000 THEN 1000000 ELSE 10 END) FROM generate_series(1, 5060) g",
      )
      const agent = await given()

      expect(await copy(agent)).toMatchObject({ balance: { out: 5060 } })
    })

    test('a server that says nothing more in mid-read is taken for away', async () => {
      await db.query(
        "CREATE TABLE rows (id int PRIMARY KEY, v text); INSERT INTO rows SELECT g, repeat('y', 1000) FROM generate_series(1, 50000) g",
      )
      await using proxy = await startProxy({ host: server?.host ?? '', port: server?.port ?? 0 })
      const through = new URL(url)
      through.hostname = proxy.host
      through.port = String(proxy.port)
      const agent = await given({ url: through.href, timeoutMs: 400 })
      const copying = copy(agent, {}, undefined, () => proxy.hold())

      await expect(copying).rejects.toMatchObject({ code: 'DATABASE_UNAVAILABLE', retryable: true })
      expect(await manifestOf(agent)).toBeUndefined()
      proxy.restore()
      expect(await copy(agent, { attempt: 2 })).toMatchObject({ balance: { out: 50_000 } })
    })

    test('texts of a database without an encoding are kept where they are UTF-8, and others as their bytes', async () => {
      if (server === undefined) return
      const ascii = stack.use(await server.createDatabase({ encoding: 'SQL_ASCII' }))
      const client = new pg.Client({ connectionString: ascii.url })
      await client.connect()
      stack.defer(() => client.end())
      await client.query(`CREATE TABLE rows (id int PRIMARY KEY, name text, tags text[]);
        INSERT INTO rows VALUES (1, convert_from('\\xc3a4', 'SQL_ASCII'), '{a}'), (2, convert_from('\\xe4', 'SQL_ASCII'), NULL),
          (3, '', ARRAY['b', convert_from('\\xff', 'SQL_ASCII')]), (4, NULL, ARRAY[['c'], ['d']])`)
      const agent = await given({ url: ascii.url, verify: 'checksum' })

      expect(await copy(agent)).toMatchObject({ balance: { out: 4 } })

      expect(await landed(agent)).toEqual([
        { id: 1, name: 'ä', tags: ['a'], 'cinelake.unfit': null },
        { id: 2, name: null, tags: null, 'cinelake.unfit': { name: String.raw`\xe4`, tags: null } },
        { id: 3, name: '', tags: null, 'cinelake.unfit': { name: null, tags: String.raw`\x5b2262222c22ff225d` } },
        { id: 4, name: null, tags: null, 'cinelake.unfit': { name: null, tags: '[["c"],["d"]]' } },
      ])
    })

    test('tables that are gone since the window before are reported; one that goes before its turn fails alone', async () => {
      await db.query('CREATE TABLE rows (id int); CREATE TABLE users (id int); CREATE VIEW seen AS SELECT * FROM rows')
      const agent = await given({ views: true })

      const first = await agent.discover('billing')
      expect(first).toMatchObject({ output: { tables: [table('rows'), table('seen'), table('users')] } })
      await db.query('DROP TABLE users')
      const later = await agent.discover('billing', undefined, '2026-03-02')
      expect(later).toMatchObject({
        output: { tables: [table('rows'), table('seen')] },
        quality: [
          {
            rule: 'tables_still_there',
            severity: 'warn',
            checked: 3,
            failed: 1,
            detail: expect.stringContaining('public.users'),
          },
        ],
      })

      await expect(
        agent.ingest({ source: 'billing', dataset: 'public.users', table: table('users') }),
      ).rejects.toMatchObject({ code: 'DATABASE_TABLE_MISSING', retryable: false })
      expect(await copy(agent)).toMatchObject({ balance: { out: 0 } })
    })

    test('two hundred tables, over no more connections than are allowed', async () => {
      const names = Array.from({ length: 200 }, (_, i) => `t${String(i).padStart(3, '0')}`)
      await db.query(
        names
          .map(
            (name, i) =>
              `CREATE TABLE ${name} (id int PRIMARY KEY); INSERT INTO ${name} SELECT generate_series(1, ${i % 7});`,
          )
          .join('\n'),
      )
      await using proxy = await startProxy({ host: server?.host ?? '', port: server?.port ?? 0 })
      const through = new URL(url)
      through.hostname = proxy.host
      through.port = String(proxy.port)
      const agent = await given({ url: through.href, maxConnections: 3 })
      let most = 0
      const { output } = await agent.discover('billing')
      const tables = output.kind === 'tables' ? output.tables : []

      const waiting = [...tables]
      const rows = new Map<string, number>()
      const worker = async () => {
        for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
          const { balance } = await agent.ingest({ source: 'billing', dataset: `public.${next.name}`, table: next })
          most = Math.max(most, proxy.connectionCount)
          rows.set(next.name, balance.out)
        }
      }
      await Promise.all(Array.from({ length: 8 }, worker))

      expect(Object.fromEntries(rows)).toEqual(Object.fromEntries(names.map((name, i) => [name, i % 7])))
      // One that is closing is still counted.
      expect(most).toBeLessThanOrEqual(3 * 2)
    })
  },
)
