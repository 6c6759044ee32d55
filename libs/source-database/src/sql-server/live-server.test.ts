// @module-tag slow: needs a server or a container
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { DatabaseSource } from '../config/index.ts'
import { sharedData } from '@cinelake/testkit'
import { findMssql } from '@cinelake/testkit/mssql'
import { Connection, Request } from 'tedious'
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest'
import { givenAgent, type Agent } from '../source-database.fixture.ts'
import { TYPE_CASES } from './types.fixture.ts'

const { server, missing } = await findMssql()
afterAll(() => server?.[Symbol.asyncDispose]())

let stack: AsyncDisposableStack
let url: string
beforeEach(async () => {
  stack = new AsyncDisposableStack()
  if (server !== undefined) ({ url } = stack.use(await server.createDatabase()))
})
afterEach(() => stack.disposeAsync())

/** Runs a script of batches that `GO` parts. */
async function execute(script: string): Promise<void> {
  const address = new URL(url)
  const connection = new Connection({
    server: address.hostname,
    authentication: {
      type: 'default',
      options: { userName: decodeURIComponent(address.username), password: decodeURIComponent(address.password) },
    },
    options: {
      port: Number(address.port || 1433),
      database: address.pathname.slice(1),
      encrypt: address.searchParams.get('encrypt') !== 'false',
      trustServerCertificate: address.searchParams.get('trustServerCertificate') === 'true',
      requestTimeout: 120_000,
    },
  })
  const settled = async (start: (end: (error?: Error | null) => void) => void) =>
    await new Promise<void>((resolve, reject) => start((error) => (error == null ? resolve() : reject(error))))
  try {
    await settled((end) => connection.connect(end))
    for (const batch of script.split(/^\s*GO\s*$/im).filter((text) => text.trim() !== '')) {
      await settled((end) => connection.execSqlBatch(new Request(batch, end)))
    }
  } finally {
    connection.close()
  }
}

async function given(script: string, source: Partial<DatabaseSource> = {}): Promise<Agent> {
  await execute(script)
  const erp: DatabaseSource = {
    type: 'database',
    name: 'erp',
    url,
    include: ['dbo.*'],
    exclude: [],
    datasets: [],
    ...source,
  }
  return stack.use(await givenAgent({ sources: [erp] }))
}
const copy = async (agent: Agent, name: string, fields: Parameters<Agent['ingest']>[0] = {}) =>
  await agent.ingest({ source: 'erp', dataset: `dbo.${name}`, table: { schema: 'dbo', name }, ...fields })
async function landed(agent: Agent, task: string, options = {}): Promise<Record<string, unknown>[]> {
  const files = (await agent.manifest(task, options))?.files ?? []
  const names = files.map(({ path }) => `'${join(agent.directory, 'lake', path)}'`)
  await using session = await agent.session()
  return files.length === 0 ? [] : await session.rows(`SELECT * FROM read_parquet([${names.join(', ')}])`)
}
const SECOND = { label: '2026-03-02', since: '2026-03-01T23:00:00Z' }

describe.skipIf(server === undefined)(`copies of a SQL Server${missing === undefined ? '' : ` (${missing})`}`, () => {
  test('every type survives with its edge values, checked by digest', async () => {
    const columns = TYPE_CASES.map(({ declared }, index) => `c${index} ${declared} NULL`)
    const inserts = TYPE_CASES.flatMap(({ values }, index) =>
      values.map(([value], row) => `INSERT INTO t (id, c${index}) VALUES (${index * 100 + row}, ${value})`),
    )
    const agent = await given(
      `CREATE TABLE t (id int PRIMARY KEY, ${columns.join(', ')}, rv rowversion)\nGO\n${inserts.join('\n')}`,
      { verify: 'checksum' },
    )

    await copy(agent, 't', { task: 'ingest t' })

    const manifest = await agent.manifest('ingest t')
    expect(manifest?.columns?.slice(1).map(({ type }) => type)).toEqual([
      ...TYPE_CASES.map(({ type }) => type),
      'BIGINT',
    ])
    const rows = new Map((await landed(agent, 'ingest t')).map((row) => [row['id'], row]))
    const found = TYPE_CASES.map(({ values }, index) =>
      values.map((_, row) => rows.get(index * 100 + row)?.[`c${index}`]),
    )
    expect(found).toEqual(TYPE_CASES.map(({ values }) => values.map(([, , read]) => read)))
    const texts = TYPE_CASES.map(({ values }, index) =>
      values.map((_, row) => Object(rows.get(index * 100 + row)?.['cinelake.unfit'])[`c${index}`] ?? undefined),
    )
    expect(texts).toEqual(TYPE_CASES.map(({ values }) => values.map(([, , , text]) => text)))
  })

  test('names that need quoting, views, and the hidden period of a temporal table', async () => {
    const agent = await given(
      `CREATE TABLE [Order Details] ([select] int NOT NULL, [a]]b] nvarchar(10), [Ü] int, PRIMARY KEY ([select]))
      INSERT INTO [Order Details] VALUES (1, N'x', 2)
      CREATE TABLE [User] (id int PRIMARY KEY, f datetime2 GENERATED ALWAYS AS ROW START HIDDEN, u datetime2 GENERATED ALWAYS AS ROW END HIDDEN, PERIOD FOR SYSTEM_TIME (f, u)) WITH (SYSTEM_VERSIONING = ON (HISTORY_TABLE = dbo.UserHistory))
      INSERT INTO [User] (id) VALUES (1)
GO
CREATE VIEW [My View] AS SELECT [select] FROM [Order Details]`,
      { views: true },
    )

    const { output } = await agent.discover('erp')

    expect(output.kind === 'tables' && output.tables.map(({ name }) => name)).toEqual([
      'My View',
      'Order Details',
      'User',
      'UserHistory',
    ])
    expect(await copy(agent, 'My View', { task: 'view' })).toMatchObject({ balance: { out: 1 } })
    await copy(agent, 'Order Details', { task: 'orders' })
    expect(await landed(agent, 'orders')).toEqual([{ select: 1, 'a]b': 'x', Ü: 2 }])
    await copy(agent, 'User', { task: 'users' })
    expect(Object.keys((await landed(agent, 'users'))[0] ?? {})).toEqual(['id', 'f', 'u'])
  })

  test('in ranges, and by rowversion', async () => {
    const agent = await given(
      `CREATE TABLE t (id uniqueidentifier PRIMARY KEY DEFAULT NEWID(), n int, rv rowversion)
      INSERT INTO t (n) SELECT TOP (5000) ROW_NUMBER() OVER (ORDER BY (SELECT 1)) FROM sys.all_columns a CROSS JOIN sys.all_columns b`,
      {
        datasets: [
          {
            name: 'split',
            table: { schema: 'dbo', name: 't' },
            split: { ranges: 4, minRows: 0, resume: true },
            verify: 'checksum',
          },
          { name: 'news', table: { schema: 'dbo', name: 't' }, incremental: { column: 'rv' } },
        ],
      },
    )

    expect(await agent.ingest({ source: 'erp', dataset: 'split', task: 'split' })).toMatchObject({
      balance: { out: 5000 },
      output: { fileCount: 4 },
    })
    expect(await agent.ingest({ source: 'erp', dataset: 'news', task: 'news' })).toMatchObject({
      balance: { out: 5000 },
    })
    await execute('UPDATE t SET n = 0 WHERE n <= 7')
    expect(await agent.ingest({ source: 'erp', dataset: 'news', task: 'news', ...SECOND })).toMatchObject({
      balance: { out: 7 },
    })
  })

  test('by Change Tracking, with what was deleted', async () => {
    const agent = await given(
      `DECLARE @name sysname = DB_NAME(); EXEC('ALTER DATABASE [' + @name + '] SET CHANGE_TRACKING = ON')
GO
CREATE TABLE t (id int PRIMARY KEY, v nvarchar(10)); ALTER TABLE t ENABLE CHANGE_TRACKING; INSERT INTO t VALUES (1, N'a'), (2, N'b'), (3, N'c')`,
      { datasets: [{ name: 't', table: { schema: 'dbo', name: 't' }, changeTracking: true }] },
    )
    const changes = async (fields = {}) => await agent.ingest({ source: 'erp', dataset: 't', task: 't', ...fields })

    expect(await changes()).toMatchObject({ balance: { out: 3 } })
    await execute("DELETE FROM t WHERE id = 1; UPDATE t SET v = N'B' WHERE id = 2; INSERT INTO t VALUES (4, N'd')")
    expect(await changes(SECOND)).toMatchObject({ balance: { out: 3 } })

    expect(await landed(agent, 't', SECOND)).toEqual([
      { id: 2, v: 'B', _deleted: false },
      { id: 4, v: 'd', _deleted: false },
      { id: 1, v: null, _deleted: true },
    ])
  })

  const chinook = sharedData('tsql_chinook')
  test.skipIf(chinook === undefined)(
    'Chinook is copied whole, every table with every row (needs the shared data)',
    async () => {
      const folder = chinook ?? ''
      const text = (await readFile(join(folder, 'Chinook_SqlServer.sql'), 'utf8')).replace(/^\uFEFF/, '')
      const script = text.slice(text.search(/^CREATE TABLE/m))
      const expected = JSON.parse(await readFile(join(folder, 'expected_row_counts.json'), 'utf8')) as Record<
        string,
        number
      >
      const agent = await given(script)

      const { output } = await agent.discover('erp')
      const tables = output.kind === 'tables' ? output.tables : []
      const counts = new Map<string, number>()
      for (const { name } of tables) counts.set(name, (await copy(agent, name)).balance.out)

      expect(Object.fromEntries(counts)).toEqual(expected)
    },
  )
})
