// @module-tag slow: takes long
import { startMssqlEndpoint } from '@cinelake/testkit/mssql'
import { startProxy } from '@cinelake/testkit/proxy'
import { until } from '@cinelake/testkit'
import { afterAll, beforeEach, describe, expect, test } from 'vitest'
import { batches, manyTitles, read, title, titles } from '../contract/given.fixture.ts'
import { openAt } from './sql-server.fixture.ts'
import type { WarehouseRows } from '../warehouse.ts'

const endpoint = await startMssqlEndpoint()
afterAll(async () => await endpoint[Symbol.asyncDispose]())
beforeEach(async () => await endpoint.reset())

/** Ends statements that match in an error, so many times. */
function fail(statement: RegExp, number: number, times = 1): { readonly seen: string[] } {
  const seen: string[] = []
  let left = times
  endpoint.before = (sql) => {
    seen.push(sql)
    if (!statement.test(sql) || left === 0) return undefined
    left -= 1
    return number
  }
  return { seen }
}

const load = { task: 't2', version: 2 }

/** A warehouse that holds two titles, behind a network that can fail. */
async function given() {
  await using opening = new AsyncDisposableStack()
  const proxy = opening.use(await startProxy({ port: endpoint.port }))
  const opened = opening.use(await openAt(endpoint.url.replace(`:${endpoint.port}/`, `:${proxy.port}/`)))
  await opened.warehouse.replace(titles, batches(manyTitles(2)), { task: 't1', version: 1 })
  const owned = opening.move()
  const staging = async () =>
    await opened.database.pool.use(
      async (session) =>
        await session.run(`SELECT t.[name] AS [name] FROM sys.tables AS t WHERE t.[name] LIKE N'staging[_]%'`),
    )
  return { ...opened, proxy, staging, [Symbol.asyncDispose]: async () => await owned.disposeAsync() }
}

describe('SDK protocol tests against the loopback endpoint: a load', () => {
  test.each([
    [40613, 'the database moves'],
    [40501, 'the service is busy'],
    [1205, 'a deadlock'],
    [10928, 'the limit of sessions'],
    [9002, 'the log is full'],
  ])('that ends in error %i (%s) is to be tried again, and changes nothing', async (number) => {
    await using it = await given()
    fail(/^UPDATE \[loader\]/, number, 99)

    await expect(it.warehouse.replace(titles, batches(manyTitles(3)), load)).rejects.toMatchObject({
      code: 'WAREHOUSE_UNAVAILABLE',
      retryable: true,
    })

    endpoint.before = () => undefined
    expect(await read(it.warehouse)).toEqual(manyTitles(2))
    expect((await it.staging()).rows).toEqual([])
  })

  test.each([
    [229, /no permission.*schemas mart and loader/],
    [3729, /depend on the table/],
    [40544, /greatest size/],
    [208, /An error that the test wants/],
  ])('that ends in error %i is refused for good', async (number, message) => {
    await using it = await given()
    fail(/DROP TABLE \[mart\]/, number)

    await expect(it.warehouse.replace(titles, batches(manyTitles(3)), load)).rejects.toMatchObject({
      code: 'WAREHOUSE_REFUSED',
      message: expect.stringMatching(message),
    })
  })

  describe.each(['nothing inserted', 'error', 'hang-up'] as const)(
    'whose bulk insert, once it is given up, ends on the server with: %s',
    (end) => {
      const shortened = (type: string) => (type === 'VARCHAR(40)' ? 'VARCHAR(5)' : type)
      const short = {
        ...titles,
        columns: titles.columns.map((column) => ({ ...column, type: shortened(column.type) })),
      }

      test('tells the value that it refused', async () => {
        await using it = await given()
        endpoint.endOfIgnoredBulk = end

        await expect(
          it.warehouse.replace(short, batches([title(1, { 'Name of it': 'much too long' })]), load),
        ).rejects.toMatchObject({
          code: 'WAREHOUSE_REFUSED',
          retryable: false,
          message: expect.stringMatching(/longer than its column allows \(column Name of it\)/),
        })
        expect(await read(it.warehouse)).toEqual(manyTitles(2))
        expect((await it.staging()).rows).toEqual([])
      })

      test('tells a value of another type, and what the source of the rows says, first or in mid-way', async () => {
        await using it = await given()
        endpoint.endOfIgnoredBulk = end
        const failing = (count: number): WarehouseRows =>
          (async function* () {
            if (count > 0) yield* batches(manyTitles(count))
            throw new RangeError('the file is damaged')
          })()

        await expect(
          it.warehouse.replace(titles, batches([title(1, { title_id: 'one' })]), load),
        ).rejects.toMatchObject({ code: 'WAREHOUSE_REFUSED' })
        for (const count of [0, 1, 5000])
          await expect(it.warehouse.replace(titles, failing(count), load)).rejects.toThrow('the file is damaged')
        expect(await read(it.warehouse)).toEqual(manyTitles(2))
      })

      test('tells that it was stopped', async () => {
        await using it = await given()
        endpoint.endOfIgnoredBulk = end
        const stop = new AbortController()
        const rows: WarehouseRows = (async function* () {
          yield* batches(manyTitles(10))
          stop.abort()
          yield* batches(manyTitles(10))
        })()

        await expect(it.warehouse.replace(titles, rows, { ...load, signal: stop.signal })).rejects.toMatchObject({
          code: 'WORK_CANCELLED',
        })
      })
    },
  )

  describe('of other columns than those of the table that is there', () => {
    const narrower = { ...titles, columns: titles.columns.slice(0, 2) }
    const aView = () => {
      endpoint.answer = (sql) => {
        if (sql.startsWith('EXEC sys.sp_refreshview')) return { columns: [], rows: [], rowCount: 0 }
        if (!sql.includes('sys.sql_expression_dependencies')) return undefined
        return { columns: [{ name: 'name', type: 'nvarchar' }], rows: [["[mart].[o'best]"]], rowCount: 1 }
      }
    }

    test('has the views that read it take on the new ones, once the table is there', async () => {
      await using it = await given()
      aView()
      const { seen } = fail(/never/, 0)

      await it.warehouse.replace(narrower, batches(manyTitles(3)), load)

      const steps = seen.flatMap((sql) => /ALTER SCHEMA|sp_refreshview .*|^COMMIT|^UPDATE \[loader\]/.exec(sql) ?? [])
      expect(steps.slice(0, 3)).toEqual(['ALTER SCHEMA', "sp_refreshview N'[mart].[o''best]'", 'UPDATE [loader]'])
    })

    test('is refused for good by the name of a view that reads a column that is to go, and nothing has changed', async () => {
      await using it = await given()
      aView()
      fail(/sp_refreshview/, 207)

      await expect(it.warehouse.replace(narrower, batches(manyTitles(3)), load)).rejects.toMatchObject({
        code: 'WAREHOUSE_REFUSED',
        message: expect.stringMatching(
          /the view \[mart\]\.\[o'best\] reads one that is to go; the table is as it was before; drop the view/,
        ),
      })
      expect(await read(it.warehouse)).toEqual(manyTitles(2))
      expect(await it.warehouse.loaded({ name: 'titles' })).toMatchObject({ version: 1 })
    })

    test('asks for no views where the columns are those of before', async () => {
      await using it = await given()
      const { seen } = fail(/never/, 0)

      await it.warehouse.replace(titles, batches(manyTitles(3)), load)

      expect(seen.filter((sql) => sql.includes('sys.sql_expression_dependencies'))).toEqual([])
    })
  })

  test('whose swap has to wait for readers tries the swap again, and does not send the rows again', async () => {
    await using it = await given()
    const { seen } = fail(/DROP TABLE \[mart\]/, 1222, 3)

    expect(await it.warehouse.replace(titles, batches(manyTitles(3)), load)).toMatchObject({ outcome: 'replaced' })

    expect(seen.filter((sql) => sql.includes('DROP TABLE [mart]'))).toHaveLength(4)
    expect(seen.filter((sql) => sql === 'bulk rows')).toHaveLength(1)
    expect(await read(it.warehouse)).toEqual(manyTitles(3))
  })

  test('of changes has the table for itself before it changes the first row, and waits for readers as a swap does', async () => {
    await using it = await given()
    const { seen } = fail(/TABLOCKX/, 1222, 3)
    const changes = { upserts: batches([title(2), title(3)]), deletes: batches([title(1)]), since: 1 }

    expect(await it.warehouse.applyChanges(titles, changes, load)).toMatchObject({ outcome: 'changed', rowCount: 2 })

    const steps = seen.flatMap((sql) => /TABLOCKX|^(?:DELETE|UPDATE|INSERT INTO)(?=.* \[mart\])/s.exec(sql) ?? [])
    expect(steps).toEqual(['TABLOCKX', 'TABLOCKX', 'TABLOCKX', 'TABLOCKX', 'DELETE', 'UPDATE', 'INSERT INTO'])
    expect(await read(it.warehouse)).toEqual([title(2), title(3)])
  })

  test('whose connection breaks while rows are sent is to be tried again, and the next try finishes it', async () => {
    await using it = await given()
    async function* interrupted(): WarehouseRows {
      yield manyTitles(2000)
      it.proxy.cut()
      yield manyTitles(2000, 3000)
    }

    await expect(it.warehouse.replace(titles, interrupted(), load)).rejects.toMatchObject({
      code: 'WAREHOUSE_UNAVAILABLE',
    })
    expect(await read(it.warehouse)).toEqual(manyTitles(2))
    expect(await it.warehouse.replace(titles, batches(manyTitles(3)), load)).toMatchObject({ outcome: 'replaced' })
  })

  test('whose commit took place but whose answer was lost is found done by the next try', async () => {
    await using it = await given()
    // The commit has no text of its own: it is the first thing sent after this statement.
    endpoint.before = (sql) => {
      if (/^INSERT INTO \[loader\]|^UPDATE \[loader\]/.test(sql)) it.proxy.loseAnswerTo(COMMIT)
      return undefined
    }

    await expect(it.warehouse.replace(titles, batches(manyTitles(3)), load)).rejects.toMatchObject({
      code: 'WAREHOUSE_UNAVAILABLE',
    })

    endpoint.before = () => undefined
    expect(await it.warehouse.replace(titles, batches(manyTitles(3)), load)).toMatchObject({
      outcome: 'already-loaded',
    })
    expect(await read(it.warehouse)).toEqual(manyTitles(3))
  })

  test('of rows that do not fit leaves the connection of others and the warehouse as they were', async () => {
    await using it = await given()
    async function* wrong(): WarehouseRows {
      yield manyTitles(3000)
      yield [title(1, { score: '1234.5' })]
    }

    await expect(it.warehouse.replace(titles, wrong(), load)).rejects.toThrow(
      /out of the range of its column \(column score\)/,
    )

    expect((await it.staging()).rows).toEqual([])
    expect(await it.warehouse.replace(titles, batches(manyTitles(3)), load)).toMatchObject({ outcome: 'replaced' })
  })
})

/** The beginning of a commit as the protocol has it, behind the header of its packet: a transaction request of number 7. */
const COMMIT = Buffer.from([0x07, 0x00])

test('SDK protocol tests against the loopback endpoint: staging tables of killed loaders are dropped, those of living ones stay', async () => {
  await using it = await given()
  const { promise: goOn, resolve } = Promise.withResolvers<void>()
  let isFilling = false
  async function* slowly(): WarehouseRows {
    yield manyTitles(2)
    isFilling = true
    await goOn
  }
  const living = it.warehouse.replace(titles, slowly(), load)
  await until('the rows are on their way', () => isFilling)
  await it.database.pool.use(
    async (session) => await session.run('CREATE TABLE [loader].[staging_killed] ([id] int NULL)'),
  )

  await using _restarted = await openAt(endpoint.url)

  expect((await it.staging()).rows).toHaveLength(1)
  resolve()
  expect(await living).toMatchObject({ outcome: 'replaced' })
})

test('SDK protocol tests against the loopback endpoint: a query that is stopped ends on the server', async () => {
  await using it = await given()
  const stop = new AbortController()
  let isHeld = false
  endpoint.before = async (sql) => {
    if (!sql.includes('WITH RESULT SETS')) return undefined
    isHeld = true
    return await new Promise(() => {})
  }
  const query = it.warehouse.query('SELECT * FROM titles', { signal: stop.signal })
  await until('the query has reached the server', () => isHeld)

  stop.abort(new Error('the analyst went home'))

  await expect(query).rejects.toMatchObject({ code: 'WORK_CANCELLED' })
})

test('SDK protocol tests against the loopback endpoint: a transaction that lost a deadlock says so', async () => {
  await using it = await given()
  fail(/select 1/, 1205)

  const work = it.database.db.transaction().execute(async (transaction) => {
    await transaction.selectNoFrom((is) => is.lit(1).as('one')).execute()
  })

  await expect(work).rejects.toMatchObject({ code: 'WAREHOUSE_UNAVAILABLE' })
})

describe('SDK protocol tests against the loopback endpoint: a warehouse that is opened', () => {
  const rights = (row: readonly (string | null)[]) => {
    endpoint.answer = (sql) =>
      sql.includes('HAS_PERMS_BY_NAME')
        ? {
            columns: ['service', 'create_table', 'create_schema', 'mart', 'loader'].map((name, index) => ({
              name,
              type: index === 0 ? 'nvarchar' : 'int',
            })),
            rows: [row],
            rowCount: 1,
          }
        : undefined
  }

  test.each([
    [
      ['svc', '0', '0', '0', '0'],
      'GRANT CONTROL ON SCHEMA::[mart] TO [svc]; GRANT CONTROL ON SCHEMA::[loader] TO [svc]; GRANT CREATE TABLE TO [svc]',
    ],
    [['svc', '1', '0', '1', '0'], 'runs: GRANT CONTROL ON SCHEMA::[loader] TO [svc]'],
    [
      ['o]dd', '1', '0', null, '1'],
      "runs: IF SCHEMA_ID(N'mart') IS NULL EXEC(N'CREATE SCHEMA [mart]'); GRANT CONTROL ON SCHEMA::[mart] TO [o]]dd]",
    ],
  ])('names the rights that it lacks (%j)', async (row, statements) => {
    rights(row)

    await expect(openAt(endpoint.url)).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: expect.stringContaining(statements),
    })
  })

  test('by a service that may make what is missing is set up', async () => {
    rights(['svc', '1', '1', null, null])
    await using opened = await openAt(endpoint.url)
    expect(await opened.warehouse.replace(titles, batches(manyTitles(2)), load)).toMatchObject({ outcome: 'replaced' })
  })

  test.each([195, 4121])('of a server that cannot tell rights (%i) is believed', async (number) => {
    fail(/HAS_PERMS_BY_NAME/, number)
    await using opened = await openAt(endpoint.url)
    expect(await opened.warehouse.replace(titles, batches(manyTitles(2)), load)).toMatchObject({ outcome: 'replaced' })
  })

  test.each([262, 2760, 208])('whose schemas cannot be made all the same (%i) says so by a code', async (number) => {
    fail(/CREATE SCHEMA/, number)
    await expect(openAt(endpoint.url)).rejects.toMatchObject({ code: 'WAREHOUSE_REFUSED' })
  })

  test('whose bookkeeping may not be read says so by a code, and so does a query that may not be the reader', async () => {
    await using it = await given()
    fail(/FROM \[loader\]\.\[loaded_tables\]/, 229)
    await expect(it.warehouse.loaded({ name: 'titles' })).rejects.toMatchObject({ code: 'WAREHOUSE_REFUSED' })

    await it.warehouse.query('SELECT 1 AS [one]')
    fail(/EXECUTE AS USER/, 15517)
    await expect(it.warehouse.query('SELECT 1 AS [one]')).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: expect.stringContaining('runs: GRANT IMPERSONATE ON USER::[cinelake_reader] TO [dbo]'),
    })
  })
})
