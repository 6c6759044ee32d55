// @module-tag slow: needs a server or a container
import { until } from '@cinelake/testkit'
import { findPostgres } from '@cinelake/testkit/postgres'
import { afterAll, describe, expect, test } from 'vitest'
import { batches, manyTitles, titles } from './contract/given.fixture.ts'
import { failureOf, openWarehouse, type Opened } from './postgres.fixture.ts'

const { server, missing } = await findPostgres()
afterAll(async () => {
  await server?.[Symbol.asyncDispose]()
})
const reason = missing === undefined ? '' : ` (${missing})`

/** Patience with readers that a test has. */
const swapWaitsMs = [20, 20]

async function given(options = { swapWaitsMs }): Promise<Opened> {
  const opened = await openWarehouse(server!, options)
  await opened.warehouse.replace(titles, batches(manyTitles(2)), { task: 't', version: 1 })
  return opened
}

const COUNT = 'SELECT count(*)::int AS count FROM mart.titles'

describe.skipIf(server === undefined)(`readers of a mart in a PostgreSQL server${reason}`, () => {
  test('who reads a table all the time holds up neither the load nor other readers', async () => {
    await using all = await given()
    const reader = await all.database.pool.connect()
    await reader.query(`BEGIN; ${COUNT}`)

    const load = all.warehouse.replace(titles, batches(manyTitles(7)), { task: 't', version: 2 })

    expect(await load).toMatchObject({ outcome: 'replaced', rowCount: 7 })
    expect(await all.sql(COUNT)).toEqual([{ count: 7 }])
    await reader.query('COMMIT')
    reader.release()
  })

  test('a load that gives way to a reader for a moment swaps the tables when that one is done', async () => {
    await using all = await given({ swapWaitsMs: [20, 200, 400, 800, 1600, 3200] })
    const oid = `SELECT 'mart.titles'::regclass::oid AS oid`
    const before = await all.sql(oid)
    const reader = await all.database.pool.connect()
    await reader.query(`BEGIN; ${COUNT}`)

    const load = all.warehouse.replace(titles, batches(manyTitles(7)), { task: 't', version: 2 })
    await until('it gave way', async () => (await all.sql(GAVE_WAY)).length === 1)
    expect(await all.sql(COUNT)).toEqual([{ count: 2 }])
    await reader.query('COMMIT')
    reader.release()
    await load

    expect(await all.sql(oid)).not.toEqual(before)
  })

  test('a transaction that began before the load sees the old rows or the new ones, never an empty table', async () => {
    await using all = await given()
    const reader = await all.database.pool.connect()
    // Its snapshot is of now; it comes to the table only later.
    await reader.query('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM loader.loaded_tables')

    await all.warehouse.replace(titles, batches(manyTitles(7)), { task: 't', version: 2 })

    expect((await reader.query(COUNT)).rows).toEqual([{ count: 7 }])
    await reader.query('COMMIT')
    reader.release()
  })

  test('a transaction that reads through a view keeps its rows to its end', async () => {
    await using all = await given()
    await all.sql('CREATE VIEW mart.all_titles AS SELECT * FROM mart.titles')
    const reader = await all.database.pool.connect()
    const count = 'SELECT count(*)::int AS count FROM mart.all_titles'
    await reader.query(`BEGIN ISOLATION LEVEL REPEATABLE READ; ${count}`)

    await all.warehouse.replace(titles, batches(manyTitles(7)), { task: 't', version: 2 })

    expect((await reader.query(count)).rows).toEqual([{ count: 2 }])
    await reader.query('COMMIT')
    reader.release()
    expect(await all.sql(count)).toEqual([{ count: 7 }])
  })

  test('a table that is to get other columns while somebody reads it is to be loaded again later', async () => {
    await using all = await given()
    const wider = { ...titles, columns: [...titles.columns, { name: 'more', type: 'BIGINT', required: false }] }
    const load = async () => await all.warehouse.replace(wider, batches(manyTitles(3)), { task: 't', version: 2 })
    const reader = await all.database.pool.connect()
    await reader.query(`BEGIN; ${COUNT}`)

    await expect(load()).rejects.toMatchObject({
      code: 'WAREHOUSE_UNAVAILABLE',
      message: expect.stringMatching(/titles is to get other columns/),
    })
    expect(await all.sql(COUNT)).toEqual([{ count: 2 }])
    await reader.query('COMMIT')
    reader.release()

    expect(await load()).toMatchObject({ outcome: 'replaced', rowCount: 3 })
  })

  test('a query that takes too long is ended, and so is one that is told to stop', async () => {
    await using all = await openWarehouse(server!)
    await expect(all.warehouse.query('SELECT pg_sleep(600)', { timeoutMs: 50 })).rejects.toMatchObject({
      code: 'WAREHOUSE_QUERY_INVALID',
      message: expect.stringContaining('longer than a query may (0.05 s)'),
    })

    await using patient = await openWarehouse(server!)
    const stop = new AbortController()
    const failure = failureOf(patient.warehouse.query('SELECT pg_sleep(600)', { signal: stop.signal }))
    await until('it runs', async () => (await patient.sql(SLEEPING)).length === 1)
    stop.abort(new Error('Ctrl-C'))

    expect(await failure).toMatchObject({ code: 'WORK_CANCELLED' })
    expect(await patient.sql(SLEEPING)).toEqual([])
  })

  test('a query leaves nothing behind on its connection', async () => {
    await using all = await given()

    await all.warehouse.query(`SELECT pg_advisory_lock(1), set_config('search_path', 'pg_catalog', false)`)

    expect(await all.sql(`SELECT count(*)::int AS count FROM pg_locks WHERE locktype = 'advisory'`)).toEqual([
      { count: 0 },
    ])
    expect(await all.sql('SHOW search_path')).toEqual([{ search_path: '"$user", public' }])
  })
})

const SLEEPING = `SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'`
const GAVE_WAY = `SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'ROLLBACK TO SAVEPOINT swap%'`
