// @module-tag slow: takes long
import { Connection, Request, TYPES } from 'tedious'
import { expect, test } from 'vitest'
import { PASSWORD, startMssqlEndpoint, USER, type MssqlEndpoint } from './mssql.ts'

async function connect({ port }: MssqlEndpoint): Promise<Connection & AsyncDisposable> {
  const connection = new Connection({
    server: '127.0.0.1',
    authentication: { type: 'default', options: { userName: USER, password: PASSWORD } },
    options: { port, encrypt: false, useUTC: true, abortTransactionOnError: true },
  })
  await new Promise<void>((resolve, reject) => {
    connection.connect((error) => (error == null ? resolve() : reject(error)))
  })
  return Object.assign(connection, { [Symbol.asyncDispose]: async () => connection.close() })
}

type Typed = readonly [type: typeof TYPES.Int, value: unknown, options?: object]

async function run(
  connection: Connection,
  sql: string,
  ...parameters: readonly Typed[]
): Promise<Record<string, unknown>[]> {
  return await new Promise((resolve, reject) => {
    const rows: Record<string, unknown>[] = []
    const request = new Request(sql, (error) => (error == null ? resolve(rows) : reject(error)))
    parameters.forEach(([type, value, options], index) => request.addParameter(String(index + 1), type, value, options))
    request.on('row', (cells: { metadata: { colName: string }; value: unknown }[]) => {
      rows.push(Object.fromEntries(cells.map(({ metadata, value }) => [metadata.colName, value])))
    })
    connection.execSql(request)
  })
}

const TABLE = `CREATE TABLE "ops"."kinds" ([i] int NULL, [b] bigint NULL, [f] float(53) NULL, [n] decimal(38,4) NULL, [t] nvarchar(max) NULL, [y] bit NULL, [at] datetime2(3) NULL, [x] varbinary(max) NULL)`

test('the driver reads what it wrote, and nothing where it wrote nothing', async () => {
  await using endpoint = await startMssqlEndpoint()
  await using connection = await connect(endpoint)
  await run(connection, `IF SCHEMA_ID(N'ops') IS NULL EXEC(N'CREATE SCHEMA [ops]')`)
  await run(connection, TABLE)
  const at = new Date('2026-03-01T05:06:07.123Z')

  await run(
    connection,
    `INSERT INTO "ops"."kinds" VALUES (@1, @2, @3, @4, @5, @6, @7, @8)`,
    [TYPES.Int, -5],
    [TYPES.BigInt, 9007199254740993n],
    [TYPES.Float, 0.1],
    [TYPES.Decimal, 12.5, { precision: 38, scale: 4 }],
    [TYPES.NVarChar, 'ünï🎬'],
    [TYPES.Bit, true],
    [TYPES.DateTime2, at, { scale: 3 }],
    [TYPES.VarBinary, Buffer.from([0, 255])],
  )
  await run(connection, `INSERT INTO "ops"."kinds" ([i]) VALUES (@1)`, [TYPES.Int, null])

  const rows = await run(connection, 'SELECT * FROM "ops"."kinds" ORDER BY [i]')
  expect(rows[0]).toMatchObject({ i: -5, b: '9007199254740993', f: 0.1, n: '12.5000', t: 'ünï🎬', y: true, at })
  expect(rows[0]?.['x']).toEqual(Buffer.from([0, 255]))
  expect(new Set(Object.values(rows[1] ?? {}))).toEqual(new Set([null]))
})

test('errors have the numbers of SQL Server, and end the transaction', async () => {
  await using endpoint = await startMssqlEndpoint()
  await using connection = await connect(endpoint)
  await run(connection, `IF SCHEMA_ID(N'ops') IS NULL EXEC(N'CREATE SCHEMA [ops]')`)
  await run(connection, 'CREATE TABLE [ops].[keys] ([k] int NOT NULL PRIMARY KEY)')
  const begun = new Promise<unknown>((resolve) => connection.beginTransaction(resolve))
  await begun
  await run(connection, 'INSERT INTO [ops].[keys] VALUES (1)')

  await expect(run(connection, 'INSERT INTO [ops].[keys] VALUES (1)')).rejects.toMatchObject({ number: 2627 })

  const rolledBack = new Promise<unknown>((resolve) => connection.rollbackTransaction(resolve))
  expect(await rolledBack).toMatchObject({ number: 3903 })
  expect(await run(connection, 'SELECT * FROM [ops].[keys]')).toEqual([])
  await expect(run(connection, 'SELECT * FROM [ops].[nothing]')).rejects.toMatchObject({ number: 208 })
  await expect(run(connection, 'SELECT nothing FROM [ops].[keys]')).rejects.toMatchObject({ number: 207 })
})

test('an application lock is one connection’s until it ends', async () => {
  await using endpoint = await startMssqlEndpoint()
  await using other = await connect(endpoint)
  const take = (on: Connection, timeoutMs: number) =>
    run(
      on,
      `DECLARE @result int; EXEC @result = sys.sp_getapplock @Resource = @1; SELECT @result AS [result]`,
      [TYPES.NVarChar, 'a lock'],
      [TYPES.NVarChar, 'Session'],
      [TYPES.Int, timeoutMs],
    )
  {
    await using holder = await connect(endpoint)
    expect(await take(holder, 0)).toEqual([{ result: 0 }])
    expect(await take(holder, 0)).toEqual([{ result: 0 }])
    expect(await take(other, 0)).toEqual([{ result: -1 }])
  }

  expect(await take(other, -1)).toEqual([{ result: expect.any(Number) }])
})
