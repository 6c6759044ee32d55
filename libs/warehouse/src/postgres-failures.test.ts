// @module-tag slow: needs a server or a container
import { until } from '@cinelake/testkit'
import { findPostgres } from '@cinelake/testkit/postgres'
import { startProxy, type Proxy } from '@cinelake/testkit/proxy'
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { afterAll, describe, expect, test } from 'vitest'
import { batches, manyTitles, read, titles } from './contract/given.fixture.ts'
import { failureOf, openPostgres, openWarehouse, type Opened } from './postgres.fixture.ts'
import { createPostgresWarehouse } from './postgres.ts'
import type { Warehouse, WarehouseRows } from './warehouse.ts'

const { server, missing } = await findPostgres()
afterAll(async () => {
  await server?.[Symbol.asyncDispose]()
})
const reason = missing === undefined ? '' : ` (${missing})`
const unavailable = { code: 'WAREHOUSE_UNAVAILABLE', retryable: true }

/** A warehouse that holds version 1, and one of another process that reaches the same database through a bad network. */
async function given(): Promise<Opened & { readonly proxy: Proxy; readonly far: Warehouse }> {
  await using opening = new AsyncDisposableStack()
  const near = opening.use(await openWarehouse(server!))
  await near.warehouse.replace(titles, batches(manyTitles(2)), { task: 't', version: 1 })
  const proxy = opening.use(await startProxy(server!))
  const url = new URL(near.url)
  url.host = `${proxy.host}:${proxy.port}`
  const database = opening.use(await openPostgres(url.href))
  const far = await createPostgresWarehouse(database)
  const owned = opening.move()
  return { ...near, proxy, far, [Symbol.asyncDispose]: async () => await owned.disposeAsync() }
}

/** Far more than the buffers on the way take. */
async function* many(during: () => unknown = () => {}): WarehouseRows {
  for (let batch = 0; batch < 60; batch += 1) {
    if (batch === 30) await during()
    yield manyTitles(1000, 1 + batch * 1000)
  }
}

async function expectVersionOne({ warehouse, sql }: Opened): Promise<void> {
  expect(await warehouse.loaded({ name: 'titles' })).toMatchObject({ version: 1, rowCount: 2 })
  expect(await read(warehouse)).toEqual(manyTitles(2))
  expect(await tablesIn(sql)).toEqual(['titles'])
}

async function tablesIn(sql: Opened['sql']): Promise<string[]> {
  const rows = await sql<{ name: string }>(`SELECT tablename AS name FROM pg_tables WHERE schemaname = 'mart'`)
  return rows.map(({ name }) => name)
}

describe.skipIf(server === undefined)(`when a PostgreSQL server or the way to it fails${reason}`, () => {
  test('a connection that is cut in the middle of a load leaves the old table, and another try finishes it', async () => {
    await using all = await given()
    const { far, proxy } = all

    const load = far.replace(
      titles,
      many(() => proxy.cutAfter('toServer', 100_000)),
      { task: 't', version: 2 },
    )

    await expect(load).rejects.toMatchObject(unavailable)
    await expectVersionOne(all)
    expect(await far.replace(titles, many(), { task: 't', version: 2 })).toMatchObject({ rowCount: 60_000 })
  })

  test('a load whose end was never heard of is known to be done by the next try', async () => {
    await using all = await given()
    const { far, proxy, warehouse } = all
    proxy.loseAnswerTo('COMMIT')

    await expect(far.replace(titles, many(), { task: 't', version: 2 })).rejects.toMatchObject(unavailable)

    await until('the server has done it', async () => (await warehouse.loaded({ name: 'titles' }))?.version === 2)
    expect(await far.replace(titles, many(), { task: 't', version: 2 })).toEqual({
      outcome: 'already-loaded',
      rowCount: 60_000,
      sentRowCount: 0,
    })
  })

  test('changes whose end was never heard of are applied once', async () => {
    await using all = await given()
    const { far, proxy, warehouse } = all
    const changes = () => ({ upserts: batches(manyTitles(3, 10)), deletes: batches([]), since: 1 })
    proxy.loseAnswerTo('COMMIT')

    await expect(far.applyChanges(titles, changes(), { task: 't', version: 2 })).rejects.toMatchObject(unavailable)

    await until('the server has done it', async () => (await warehouse.loaded({ name: 'titles' }))?.version === 2)
    expect(await far.applyChanges(titles, changes(), { task: 't', version: 2 })).toMatchObject({
      outcome: 'already-loaded',
      rowCount: 5,
    })
  })

  test('a load over a network that says nothing any more can be stopped', async () => {
    await using all = await given()
    const { far, proxy } = all
    const stop = new AbortController()
    let isHeld = false
    const load = far.replace(
      titles,
      many(() => {
        proxy.hold()
        isHeld = true
      }),
      { task: 't', version: 2, signal: stop.signal },
    )
    const failure = failureOf(load)
    await until('the network is silent', () => isHeld)

    stop.abort(new Error('SIGTERM'))

    expect(await failure).toMatchObject({ code: 'WORK_CANCELLED', retryable: true })
    await expectVersionOne(all)
  })

  test('a server that is away is waited for: the same warehouse works again when it is back', async () => {
    await using all = await given()
    const { far, proxy } = all
    proxy.refuse()

    await expect(far.loaded({ name: 'titles' })).rejects.toMatchObject(unavailable)
    await expect(far.replace(titles, many(), { task: 't', version: 2 })).rejects.toMatchObject(unavailable)
    await expect(far.query('SELECT 1')).rejects.toMatchObject(unavailable)

    proxy.restore()
    expect(await far.loaded({ name: 'titles' })).toMatchObject({ version: 1 })
  })

  test.skipIf(server?.crash === undefined)(
    'a server that crashes in the middle of a load has the old table',
    async () => {
      await using all = await given()
      const { warehouse } = all

      const load = warehouse.replace(
        titles,
        many(() => server!.crash!()),
        { task: 't', version: 2 },
      )

      await expect(load).rejects.toMatchObject(unavailable)
      await until(
        'it is there again',
        async () =>
          await warehouse.loaded({ name: 'titles' }).then(
            () => true,
            () => false,
          ),
      )
      await expectVersionOne(all)
      expect(await warehouse.replace(titles, many(), { task: 't', version: 2 })).toMatchObject({ rowCount: 60_000 })
    },
  )

  test('a loader that is killed in the middle of a load leaves the old table and nothing else', async () => {
    await using all = await given()
    const main = new URL('postgres-child.fixture.ts', import.meta.url)
    const child = fork(main, [all.url], { execArgv: process.execArgv, stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
    await once(child, 'message')

    child.kill('SIGKILL')
    await once(child, 'close')

    const outcome = await all.warehouse.replace(titles, batches(manyTitles(9)), { task: 't', version: 2 })
    expect(outcome).toMatchObject({ outcome: 'replaced', rowCount: 9 })
    expect(await tablesIn(all.sql)).toEqual(['titles'])
  })

  test('of two processes that load one version the second waits and sends nothing', async () => {
    await using all = await given()
    const { warehouse, far, sql } = all
    let second: ReturnType<Warehouse['replace']> | undefined

    const first = await warehouse.replace(
      titles,
      many(async () => {
        second = far.replace(titles, many(), { task: 't', version: 2 })
        await until('the second waits', async () => (await sql(WAITING)).length === 1)
      }),
      { task: 't', version: 2 },
    )

    expect(first).toMatchObject({ outcome: 'replaced', sentRowCount: 60_000 })
    expect(await second).toEqual({ outcome: 'already-loaded', rowCount: 60_000, sentRowCount: 0 })
  })

  test('a load that waits for another one can be stopped', async () => {
    await using all = await given()
    const { warehouse, far, sql } = all
    const stop = new AbortController()

    await warehouse.replace(
      titles,
      many(async () => {
        const failure = failureOf(far.replace(titles, many(), { task: 't', version: 2, signal: stop.signal }))
        await until('the second waits', async () => (await sql(WAITING)).length === 1)
        stop.abort(new Error('SIGTERM'))
        expect(await failure).toMatchObject({ code: 'WORK_CANCELLED' })
      }),
      { task: 't', version: 2 },
    )

    expect(await warehouse.loaded({ name: 'titles' })).toMatchObject({ version: 2 })
  })

  test('two services that start at once on an empty database both find it set up', async () => {
    await using database = await server!.createDatabase()
    await using one = await openPostgres(database.url)
    await using other = await openPostgres(database.url)

    const warehouses = await Promise.all([one, other, one, other].map((each) => createPostgresWarehouse(each)))

    for (const warehouse of warehouses) expect(await warehouse.tables()).toEqual([])
  })

  test('of two that wait for one another the load gives way, and another try finishes it', async () => {
    await using all = await given()
    const { warehouse, database } = all
    const changes = () => ({ upserts: batches(manyTitles(1, 2)), deletes: batches(manyTitles(1)), since: 1 })
    const other = await database.pool.connect()
    // The load looks first, and so it is the one that is ended.
    await other.query(`SET deadlock_timeout = '1min'; BEGIN; UPDATE mart.titles SET score = 1 WHERE title_id = 2`)

    const failure = failureOf(warehouse.applyChanges(titles, changes(), { task: 't', version: 2 }))
    await until('the load waits', async () => (await all.sql(WAITING)).length === 1)
    await other.query(`UPDATE mart.titles SET score = 1 WHERE title_id = 1`)
    expect(await failure).toMatchObject({ ...unavailable, message: expect.stringContaining('deadlock') })
    await other.query('ROLLBACK')
    other.release()

    expect(await warehouse.applyChanges(titles, changes(), { task: 't', version: 2 })).toMatchObject({ rowCount: 1 })
  })
})

/** Sessions of this database that wait for a lock. */
const WAITING = `SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`
