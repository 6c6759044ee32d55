// @module-tag slow: takes long
import { join } from 'node:path'
import { reportError } from '@cinelake/core'
import type { DatabaseSource } from '../config/index.ts'
import { startMssqlEndpoint, type MssqlEndpoint } from '@cinelake/testkit/mssql'
import { startProxy } from '@cinelake/testkit/proxy'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { givenAgent, type Agent } from '../source-database.fixture.ts'
import { TYPE_CASES } from './types.fixture.ts'

type Column = {
  readonly name: string
  readonly type: readonly [string, number, number, number]
  readonly nullable?: boolean
}
type Table = {
  readonly columns: readonly Column[]
  readonly key?: readonly string[]
  readonly rows: readonly (readonly (string | null)[])[]
}

let endpoint: MssqlEndpoint
let statements: string[]
let stack: AsyncDisposableStack
beforeAll(async () => void (endpoint = await startMssqlEndpoint()))
afterAll(() => endpoint[Symbol.asyncDispose]())
beforeEach(async () => {
  stack = new AsyncDisposableStack()
  statements = []
  await endpoint.reset()
})
afterEach(() => stack.disposeAsync())

const answered = (names: readonly string[], rows: readonly (readonly (string | null)[])[]) => ({
  columns: names.map((name) => ({ name, type: 'nvarchar' as const })),
  rows,
  rowCount: rows.length,
})

/** Says what a SQL Server with this table says; the rows as the statement asks for them. */
function serve(table: Table, extra: (sql: string) => ReturnType<typeof answered> | undefined = () => undefined): void {
  endpoint.answer = (sql) => {
    statements.push(sql)
    const given = extra(sql)
    if (given !== undefined) return given
    if (sql.includes('sys.columns') && sql.includes('type_name'))
      return answered(
        ['name', 'type_name', 'max_length', 'precision', 'scale', 'nullable'],
        table.columns.map(({ name, type, nullable = false }) => [name, ...type.map(String), nullable ? '1' : '0']),
      )
    if (sql.includes('sys.indexes'))
      return answered(
        ['name'],
        (table.key ?? []).map((name) => [name]),
      )
    if (sql.includes('sys.partitions')) return answered(['id', 'kind', 'estimate'], [['1', 'U', '10']])
    if (sql.includes('sys.databases')) return answered(['allowed', 'settled'], [['1', '2000']])
    if (sql.includes('COUNT_BIG')) return answered(['n'], [[String(table.rows.length)]])
    if (sql.startsWith('SELECT') && sql.includes(' AS c0'))
      return answered(
        (table.rows[0] ?? table.columns).map((_, index) => `c${index}`),
        table.rows,
      )
    return undefined
  }
}

const aSource = (source: Partial<DatabaseSource>): DatabaseSource => ({
  type: 'database',
  name: 'erp',
  url: endpoint.url,
  include: ['dbo.*'],
  exclude: [],
  datasets: [],
  ...source,
})
const given = async (source: Partial<DatabaseSource> = {}) =>
  stack.use(await givenAgent({ sources: [aSource(source)] }))
const TABLE = { schema: 'dbo', name: 'Order Details' }
const copy = (agent: Agent, fields: Parameters<Agent['ingest']>[0] = {}, signal?: AbortSignal, progress?: () => void) =>
  agent.ingest(
    { source: 'erp', dataset: 'orders', task: 'ingest erp/orders', table: TABLE, ...fields },
    signal,
    progress,
  )
async function landed(agent: Agent, options = {}): Promise<Record<string, unknown>[]> {
  const files = (await agent.manifest('ingest erp/orders', options))?.files ?? []
  await using session = await agent.session()
  const names = files.map(({ path }) => `'${join(agent.directory, 'lake', path)}'`)
  return await session.rows(`SELECT * FROM read_parquet([${names.join(', ')}])`)
}
const ID: Column = { name: 'Order ID', type: ['int', 4, 10, 0] }
const dataset = (fields: object) => ({ datasets: [{ name: 'orders', table: TABLE, ...fields }] })

describe('SDK protocol tests against the loopback endpoint', () => {
  test('names are quoted in every statement, and the rows arrive', async () => {
    serve({
      columns: [ID, { name: 'a]b', type: ['nvarchar', 20, 0, 0] }],
      key: ['Order ID'],
      rows: [
        ['1', 'x'],
        ['2', null],
      ],
    })
    const agent = await given()

    expect(await copy(agent)).toMatchObject({ balance: { in: 2, out: 2 } })

    expect(await landed(agent)).toEqual([
      { 'Order ID': 1, 'a]b': 'x' },
      { 'Order ID': 2, 'a]b': null },
    ])
    expect(statements.at(-1)).toBe(
      'SELECT CONVERT(varchar(11), t.[Order ID]) AS c0, t.[a]]b] AS c1 FROM [dbo].[Order Details] AS t ORDER BY t.[Order ID]',
    )
    const manifest = await agent.manifest('ingest erp/orders')
    expect(manifest?.primaryKey).toEqual(['Order ID'])
    expect(manifest?.files[0]?.path).toBe('raw/shop/database/erp/dbo.Order Details/2026-03-01/part-00000.parquet')
  })

  test.each(TYPE_CASES)('$declared lands as $type, its edge values exact', async ({ catalog, type, values }) => {
    serve({ columns: [{ name: 'v', type: catalog }], rows: values.map(([, sent]) => [sent]) })
    const agent = await given()

    await copy(agent)

    expect((await agent.manifest('ingest erp/orders'))?.columns).toEqual([{ name: 'v', type }])
    const rows = await landed(agent)
    expect(rows.map(({ v }) => v)).toEqual(values.map(([, , read]) => read))
    const unfit = values.map(([, , , text]) => (text === undefined ? null : { v: text }))
    expect(rows.map((row) => row['cinelake.unfit'] ?? null)).toEqual(unfit)
  })

  test('the seventh digit of a second is cut off where the text of the pipeline says so, never rounded', async () => {
    const rows = [['9999-12-31 23:59:59.9999999', '0001-01-01 00:00:00.0000009 -05:30', '23:59:59.9999999']]
    serve({
      columns: [
        { name: 'a', type: ['datetime2', 8, 27, 7] },
        { name: 'b', type: ['datetimeoffset', 10, 34, 7] },
        { name: 'c', type: ['time', 5, 16, 7] },
      ],
      rows,
    })

    for (const source of [
      { subMicroseconds: 'cut' } as const,
      { subMicroseconds: 'reject', ...dataset({ subMicroseconds: 'cut' }) } as const,
    ]) {
      const agent = await given(source)
      await copy(agent)
      expect(await landed(agent)).toEqual([
        { a: '9999-12-31T23:59:59.999999Z', b: '0001-01-01T05:30:00.000000Z', c: '23:59:59.999999' },
      ])
    }
  })

  test('more rows than fit into a batch come at the reader’s pace', async () => {
    const wide = 'x'.repeat(100_000)
    serve({
      columns: [ID, { name: 'v', type: ['nvarchar', -1, 0, 0] }],
      rows: Array.from({ length: 300 }, (_, i) => [String(i), wide]),
    })
    const agent = await given()

    expect(await copy(agent)).toMatchObject({ balance: { out: 300 } })
  })

  test('rows are counted by the server too where that is asked for', async () => {
    serve({ columns: [ID], rows: [['1'], ['2']] }, (sql) =>
      sql.includes('COUNT_BIG') ? answered(['n'], [['3']]) : undefined,
    )
    const agent = await given({ verify: 'count' })

    await expect(copy(agent)).rejects.toMatchObject({ code: 'DATABASE_ROWS_LOST', retryable: true })
  })

  test('a rowversion is read up to the version below which nothing will be written any more', async () => {
    serve({ columns: [ID, { name: 'rv', type: ['timestamp', 8, 0, 0] }], rows: [['1', '1999']] })
    const agent = await given(dataset({ incremental: { column: 'rv' } }))

    await copy(agent)
    await copy(agent, { label: '2026-03-02', since: '2026-03-01T23:00:00Z' })

    expect((await agent.manifest('ingest erp/orders', { label: '2026-03-02' }))?.cursor).toEqual({
      kind: 'number',
      column: 'rv',
      since: '2000',
      until: '2000',
    })
    expect(statements.at(-1)).toContain(
      "WHERE (t.[rv] > CONVERT(binary(8), CONVERT(bigint, N'2000')) AND t.[rv] <= CONVERT(binary(8), CONVERT(bigint, N'2000')))",
    )
  })

  test('times are compared as the column keeps them: dates by the midnight of the zone', async () => {
    serve({
      columns: [ID, { name: 'day', type: ['date', 3, 10, 0] }, { name: 'at', type: ['datetimeoffset', 10, 34, 7] }],
      rows: [],
    })
    const agent = await given(dataset({ incremental: { column: 'day', orColumns: ['at'] } }))

    await copy(agent, { since: '2026-02-28T23:00:00Z' })

    expect(statements.at(-1)).toContain("t.[day] >= CONVERT(datetime2(7), N'2026-03-01T00:00:00', 126)")
    expect(statements.at(-1)).toContain("t.[at] < CONVERT(datetimeoffset(7), N'2026-03-01T23:00:00.000Z', 127)")
  })

  describe('Change Tracking', () => {
    const versions = (current: string | null, oldest: string | null) => (sql: string) =>
      sql.includes('CHANGE_TRACKING_CURRENT_VERSION') ? answered(['current', 'oldest'], [[current, oldest]]) : undefined
    const table = (rows: Table['rows']) => ({
      columns: [ID, { name: 'v', type: ['nvarchar', 20, 0, 0] as const }],
      key: ['Order ID'],
      rows,
    })
    const second = { label: '2026-03-02', since: '2026-03-01T23:00:00Z' }

    test('copies the whole table first, then what was written and deleted since', async () => {
      const agent = await given(dataset({ changeTracking: true }))
      serve(
        table([
          ['1', 'x'],
          ['2', 'y'],
        ]),
        versions('5', '0'),
      )
      await copy(agent)
      serve(
        table([
          ['1', 'z', 'f'],
          ['2', null, 't'],
        ]),
        versions('9', '3'),
      )

      await copy(agent, second)

      expect(await landed(agent, second)).toEqual([
        { 'Order ID': 1, v: 'z', _deleted: false },
        { 'Order ID': 2, v: null, _deleted: true },
      ])
      expect((await agent.manifest('ingest erp/orders', second))?.cursor).toEqual({
        kind: 'changes',
        since: '5',
        until: '9',
      })
      expect(statements.at(-1)).toBe(
        "SELECT CONVERT(varchar(11), ct.[Order ID]) AS c0, t.[v] AS c1, CASE WHEN t.[Order ID] IS NULL THEN 't' ELSE 'f' END AS c2 FROM CHANGETABLE(CHANGES [dbo].[Order Details], 5) AS ct LEFT JOIN [dbo].[Order Details] AS t ON t.[Order ID] = ct.[Order ID] ORDER BY CASE WHEN t.[Order ID] IS NULL THEN 1 ELSE 0 END, ct.[Order ID]",
      )
    })

    test.each([
      ['the server has forgotten what came after', '9', '6'],
      ['the database is of an earlier time than the last window', '4', '0'],
    ])('copies the whole table again when %s', async (_, current, oldest) => {
      const agent = await given(dataset({ changeTracking: true }))
      serve(table([['1', 'x']]), versions('5', '0'))
      await copy(agent)
      serve(table([['1', 'x']]), versions(current, oldest))

      await copy(agent, second)

      expect((await agent.manifest('ingest erp/orders', second))?.cursor).toEqual({
        kind: 'changes',
        since: null,
        until: current,
      })
    })

    test('that is not switched on is a clear error', async () => {
      const agent = await given(dataset({ changeTracking: true }))
      serve(table([]), versions(null, null))

      await expect(copy(agent)).rejects.toMatchObject({
        code: 'DATABASE_CURSOR_UNUSABLE',
        message: expect.stringContaining('ENABLE CHANGE_TRACKING'),
      })
    })
  })

  describe('what goes wrong', () => {
    test.each([
      [229, 'DATABASE_PERMISSION_MISSING', false],
      [1205, 'DATABASE_UNAVAILABLE', true],
      [8115, 'DATABASE_QUERY_REFUSED', false],
      [208, 'DATABASE_QUERY_REFUSED', false],
      [50_000, 'DATABASE_QUERY_FAILED', true],
    ])('error %d of the server is %s, retryable %s', async (number, code, retryable) => {
      serve({ columns: [ID], rows: [] })
      endpoint.before = (sql) => (sql.includes('AS c0') ? number : undefined)

      const error: unknown = await copy(await given()).catch((thrown: unknown) => thrown)

      expect(reportError(error)).toMatchObject({ code, retryable })
    })

    test('a refused query of a table advises to look at the table, one of the catalog does not', async () => {
      serve({ columns: [ID], rows: [] })
      const agent = await given()
      endpoint.before = (sql) => (sql.includes('AS c0') ? 8115 : undefined)
      await expect(copy(agent)).rejects.toThrow('run `SELECT * FROM dbo.')
      endpoint.before = (sql) => (sql.includes('sys.') ? 208 : undefined)
      await expect(agent.discover('erp')).rejects.toMatchObject({
        code: 'DATABASE_QUERY_REFUSED',
        message: expect.not.stringContaining('SELECT * FROM'),
      })
    })

    test('a refused login, an unknown table, an address with an unknown parameter', async () => {
      const wrong = endpoint.url.replace(/:[^:@]+@/, ':wrong@')
      await expect(copy(await given({ url: wrong }))).rejects.toMatchObject({
        code: 'DATABASE_LOGIN_REFUSED',
        retryable: false,
      })
      endpoint.answer = (sql) => (sql.includes('sys.partitions') ? answered(['id', 'kind', 'estimate'], []) : undefined)
      await expect(copy(await given())).rejects.toMatchObject({ code: 'DATABASE_TABLE_MISSING', retryable: false })
      await expect(copy(await given({ url: `${endpoint.url}&pool=3` }))).rejects.toMatchObject({
        code: 'DATABASE_ADDRESS_INVALID',
      })
    })

    test('a connection that is cut, and one that falls silent, in mid-read', async () => {
      serve({
        columns: [ID, { name: 'v', type: ['nvarchar', -1, 0, 0] }],
        rows: Array.from({ length: 400 }, (_, i) => [String(i), 'y'.repeat(30_000)]),
      })
      await using proxy = await startProxy({ port: endpoint.port })
      const url = endpoint.url.replace(`:${endpoint.port}/`, `:${proxy.port}/`)

      proxy.cutAfter('toClient', 8_000_000)
      await expect(copy(await given({ url }))).rejects.toMatchObject({ code: 'DATABASE_UNAVAILABLE', retryable: true })
      const silent = copy(await given({ url, timeoutMs: 400 }), {}, undefined, () => proxy.hold())
      await expect(silent).rejects.toMatchObject({ code: 'DATABASE_UNAVAILABLE', retryable: true })
    })

    test('an agent that is told to stop', async () => {
      serve({
        columns: [ID, { name: 'v', type: ['nvarchar', -1, 0, 0] }],
        rows: Array.from({ length: 400 }, (_, i) => [String(i), 'y'.repeat(30_000)]),
      })
      const agent = await given()
      const stop = new AbortController()

      await expect(copy(agent, {}, stop.signal, () => stop.abort())).rejects.toMatchObject({ code: 'WORK_CANCELLED' })
      expect(await agent.manifest('ingest erp/orders')).toBeUndefined()
    })
  })
})
