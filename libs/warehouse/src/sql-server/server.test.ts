// @module-tag slow: needs a server or a container
import { findMssql } from '@cinelake/testkit/mssql'
import { randomBytes } from 'node:crypto'
import { afterAll, describe, expect, test } from 'vitest'
import { batches, manyTitles, title, titles } from '../contract/given.fixture.ts'
import { openAt, readAsAnalyst } from './sql-server.fixture.ts'
import { limitsContract } from '../contract/limits-contract.ts'
import { warehouseContract } from '../contract/warehouse-contract.ts'
import { SQL_SERVER_LIMITS } from './limits.ts'

const { server, missing } = await findMssql()
afterAll(async () => await server?.[Symbol.asyncDispose]())
const reason = missing === undefined ? '' : ` (${missing})`

async function open() {
  await using opening = new AsyncDisposableStack()
  const { url } = opening.use(await server!.createDatabase())
  const opened = opening.use(await openAt(url))
  const owned = opening.move()
  const sql = async (statement: string) =>
    await opened.database.pool.use(async (session) => (await session.run<Record<string, unknown>>(statement)).rows)
  return { ...opened, url, sql, [Symbol.asyncDispose]: async () => await owned.disposeAsync() }
}

/** What only the server itself can show. */
describe.skipIf(server === undefined)(`a SQL Server${reason}`, () => {
  warehouseContract('mssql', open)
  limitsContract(open, SQL_SERVER_LIMITS)

  test('what was loaded is read by a program that uses the driver mssql', async () => {
    await using it = await open()
    await it.warehouse.replace(titles, batches(manyTitles(2)), { task: 't1', version: 1 })

    expect(await readAsAnalyst(it.url, 'SELECT COUNT(*) AS n FROM [mart].[titles]')).toEqual([{ n: 2 }])
  })

  test('grants on the mart, views by name and descriptions outlive a swap; the key has the name of the table', async () => {
    await using it = await open()
    await it.warehouse.replace(titles, batches(manyTitles(2)), { task: 't1', version: 1 })
    await it.sql(`CREATE USER [analyst] WITHOUT LOGIN`)
    await it.sql(`GRANT SELECT ON SCHEMA::[mart] TO [analyst]`)
    await it.sql(`EXEC(N'CREATE VIEW [mart].[best] AS SELECT title_id FROM [mart].[titles]')`)

    await it.warehouse.replace(titles, batches(manyTitles(3)), { task: 't2', version: 2 })

    expect(await it.sql(`EXECUTE AS USER = N'analyst'; SELECT COUNT(*) AS n FROM [mart].[best]; REVERT`)).toEqual([
      { n: 3 },
    ])
    expect(
      await it.sql(`SELECT name FROM sys.key_constraints WHERE parent_object_id = OBJECT_ID(N'mart.titles')`),
    ).toEqual([{ name: 'titles_pk' }])
    const described = await it.sql(
      `SELECT CAST(value AS nvarchar(200)) AS about FROM sys.extended_properties WHERE major_id = OBJECT_ID(N'mart.titles') ORDER BY minor_id`,
    )
    expect(described).toEqual([titles.description, 'The key.', 'From 0 to 10.'].map((about) => ({ about })))
  })

  test('a view takes on other columns of its table, and one that reads a column that is to go ends the load', async () => {
    await using it = await open()
    await it.warehouse.replace(titles, batches(manyTitles(2)), { task: 't1', version: 1 })
    await it.sql(`EXEC(N'CREATE VIEW [mart].[all_of_it] AS SELECT * FROM [mart].[titles]')`)
    const columnsOf = async () =>
      await it.sql(`SELECT name FROM sys.columns WHERE object_id = OBJECT_ID(N'mart.all_of_it') ORDER BY column_id`)
    const narrower = { ...titles, columns: titles.columns.slice(0, 2) }

    await it.warehouse.replace(narrower, batches(manyTitles(3)), { task: 't2', version: 2 })
    expect(await columnsOf()).toEqual([{ name: 'title_id' }, { name: 'Name of it' }])

    await it.sql(`EXEC(N'CREATE VIEW [mart].[names] AS SELECT [Name of it] FROM [mart].[titles]')`)
    const narrowest = { ...titles, columns: titles.columns.slice(0, 1) }
    await expect(
      it.warehouse.replace(narrowest, batches(manyTitles(4)), { task: 't3', version: 3 }),
    ).rejects.toMatchObject({
      code: 'WAREHOUSE_REFUSED',
      message: expect.stringMatching(/the view \[mart\]\.\[names\] reads one that is to go/),
    })
    expect(await columnsOf()).toHaveLength(2)
    expect(await it.warehouse.loaded({ name: 'titles' })).toMatchObject({ version: 2 })
  })

  test('a reader whose query takes long does not stop the load, and sees the old rows', async () => {
    await using it = await open()
    await it.warehouse.replace(titles, batches(manyTitles(2)), { task: 't1', version: 1 })
    const reading = it.sql(`SELECT COUNT(*) AS n FROM [mart].[titles]; WAITFOR DELAY '00:00:07'`)

    const load = it.warehouse.replace(titles, batches(manyTitles(3)), { task: 't2', version: 2 })

    expect(await reading).toEqual([{ n: 2 }])
    expect(await load).toMatchObject({ outcome: 'replaced', rowCount: 3 })
  })

  test('texts of a key differ by case, and names may hold a bracket', async () => {
    await using it = await open()
    const table = {
      name: "it's [a] table",
      columns: [{ name: 'a]b', type: 'VARCHAR', required: true }],
      primaryKey: ['a]b'],
    }

    await it.warehouse.replace(table, batches([{ 'a]b': 'a' }, { 'a]b': 'A' }]), { task: 't', version: 1 })

    expect((await it.warehouse.query(`SELECT * FROM [it's [a]] table] ORDER BY 1`)).rows).toEqual([
      { 'a]b': 'A' },
      { 'a]b': 'a' },
    ])
  })

  test('a loader with the documented rights alone loads, and what it lacks is named when the warehouse is opened', async () => {
    await using it = await open()
    const name = `loader_${randomBytes(6).toString('hex')}`
    const password = `Aa1!${randomBytes(12).toString('hex')}`
    await using rest = new AsyncDisposableStack()
    await it.sql(`CREATE LOGIN [${name}] WITH PASSWORD = N'${password}'`)
    rest.defer(async () => void (await it.sql(`DROP USER IF EXISTS [${name}]; DROP LOGIN [${name}]`)))
    await it.sql(`CREATE USER [${name}] FOR LOGIN [${name}]`)
    const url = Object.assign(new URL(it.url), { username: name, password }).href

    const refusal: unknown = await openAt(url).catch((error: unknown) => error)
    expect(refusal).toMatchObject({
      code: 'CONFIG_INVALID',
      message: expect.stringContaining(`GRANT CREATE TABLE TO [${name}]`),
    })
    await it.sql(/runs: (.*)$/.exec((refusal as Error).message)?.[1] ?? '')

    await using loader = await openAt(url)
    for (const version of [1, 2])
      expect(await loader.warehouse.replace(titles, batches(manyTitles(2)), { task: 't', version })).toMatchObject({
        outcome: 'replaced',
      })
  })

  test('the reader of queries can write nothing and see nothing else', async () => {
    await using it = await open()
    await it.warehouse.replace(titles, batches([title(1)]), { task: 't', version: 1 })

    await expect(it.warehouse.query('SELECT * FROM loader.loaded_tables')).rejects.toThrow(/permission was denied/)
  })
})
