// @module-tag slow: needs a server or a container
import { recordingLog, until } from '@cinelake/testkit'
import { findPostgres } from '@cinelake/testkit/postgres'
import { randomBytes } from 'node:crypto'
import { sql } from 'kysely'
import { afterAll, describe, expect, test } from 'vitest'
import { batches, manyTitles, titles } from '../contract/given.fixture.ts'
import { failureOf, noCredential, openPostgres, openWarehouse, type Opened } from './postgres.fixture.ts'
import { createPostgresWarehouse } from './postgres.ts'
import { openPostgresDatabase } from '@cinelake/database/postgres'

const { server, missing } = await findPostgres()
afterAll(async () => {
  await server?.[Symbol.asyncDispose]()
})
const reason = missing === undefined ? '' : ` (${missing})`

function changed(url: string, parts: Partial<Record<'username' | 'password' | 'pathname' | 'search', string>>): string {
  return Object.assign(new URL(url), parts).href
}

describe.skipIf(server === undefined)(`logging in to a PostgreSQL server${reason}`, () => {
  test('a wrong password and a database that is not there are for a person to put right', async () => {
    await using database = await server!.createDatabase()
    const wrong = [{ password: 'hunter2' }, { pathname: '/nowhere' }]
    for (const parts of wrong) {
      await using opened = await openPostgres(changed(database.url, parts))

      const warehouse = createPostgresWarehouse(opened)

      await expect(warehouse).rejects.toMatchObject({ code: 'WAREHOUSE_LOGIN_REFUSED', retryable: false })
      await expect(warehouse).rejects.not.toHaveProperty('message', expect.stringContaining('hunter2'))
    }
  })

  test.skipIf(server?.certificate === undefined)(
    'a server is believed by a certificate alone, where encryption is asked for',
    async () => {
      await using database = await server!.createDatabase()
      const trusting = `?sslmode=verify-full&sslrootcert=${server?.certificate}`
      await using known = await openPostgres(changed(database.url, { search: trusting }))
      await using unknown = await openPostgres(changed(database.url, { search: '?sslmode=require' }))

      const encrypted = 'SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()'
      expect((await known.pool.query(encrypted)).rows).toEqual([{ ssl: true }])
      expect(await (await createPostgresWarehouse(known)).tables()).toEqual([])
      await expect(createPostgresWarehouse(unknown)).rejects.toMatchObject({ code: 'WAREHOUSE_LOGIN_REFUSED' })
    },
  )

  test('without a password the identity of the service is asked for one, for every new connection', async () => {
    await using database = await server!.createDatabase()
    const { password } = new URL(database.url)
    const scopes: unknown[] = []
    const credential = async () => ({
      async getToken(scope: string | string[]) {
        scopes.push(scope)
        return { token: decodeURIComponent(password), expiresOnTimestamp: Date.now() + 60_000 }
      },
    })
    await using opened = await openPostgresDatabase<unknown>(
      { url: changed(database.url, { password: '' }) },
      { credential, log: recordingLog() },
    )
    const warehouse = await createPostgresWarehouse(opened)
    await warehouse.replace(titles, batches(manyTitles(2)), { task: 't', version: 1 })

    expect(scopes).toEqual(['https://ossrdbms-aad.database.windows.net/.default', scopes[0]])
  })

  test('a server that has no connection left is waited for', async () => {
    await using all = await openWarehouse(server!)
    await using loader = await aLoader(all)
    await all.sql(`ALTER ROLE ${loader.name} CONNECTION LIMIT 0`)
    await using opened = await openPostgres(loader.url)

    await expect(createPostgresWarehouse(opened)).rejects.toMatchObject({ code: 'WAREHOUSE_UNAVAILABLE' })
  })

  test('a loader that may only write in its schemas can load; what it may not do is named', async () => {
    await using all = await openWarehouse(server!)
    await using loader = await aLoader(all)
    await using opened = await openPostgres(loader.url)
    const warehouse = await createPostgresWarehouse(opened)
    const load = async () => await warehouse.replace(titles, batches(manyTitles(2)), { task: 't', version: 1 })

    await expect(load()).rejects.toMatchObject({
      code: 'WAREHOUSE_REFUSED',
      message: expect.stringMatching(/no permission.*grant the service what it needs on the schemas mart and loader/),
    })
    await all.sql(`GRANT USAGE, CREATE ON SCHEMA mart TO ${loader.name}`)
    expect(await load()).toMatchObject({ outcome: 'replaced' })

    const inShop = async () =>
      await warehouse.replace({ ...titles, schema: 'shop' }, batches(manyTitles(2)), { task: 't', version: 1 })
    await expect(inShop()).rejects.toMatchObject({
      code: 'WAREHOUSE_REFUSED',
      message: expect.stringMatching(/no permission.*and on the pipeline's own/),
    })
    await all.sql(`CREATE SCHEMA shop; GRANT USAGE, CREATE ON SCHEMA shop TO ${loader.name}`)
    expect(await inShop()).toMatchObject({ outcome: 'replaced' })
  })

  test('a service that may not make the reader does not query as itself, and says what an administrator runs', async () => {
    await using all = await openWarehouse(server!)
    await all.warehouse.replace(titles, batches(manyTitles(2)), { task: 't', version: 1 })
    await using loader = await aLoader(all)
    await using opened = await openPostgres(loader.url)
    const warehouse = await createPostgresWarehouse(opened)
    const count = async () => (await warehouse.query('SELECT count(*) AS count FROM titles')).rows

    const refusal = await failureOf(count())
    expect(refusal).toMatchObject({ code: 'CONFIG_INVALID', message: expect.stringContaining('cinelake_reader') })
    const steps = /runs: (.*)$/.exec((refusal as Error).message)?.[1] ?? ''
    await all.sql(steps)

    expect(await count()).toEqual([{ count: 2 }])
  })

  test('what the mart gives by default to analysts they have from the first load on', async () => {
    await using all = await openWarehouse(server!)
    await all.sql('ALTER DEFAULT PRIVILEGES IN SCHEMA mart GRANT SELECT ON TABLES TO PUBLIC')

    for (const version of [1, 2]) {
      await all.warehouse.replace(titles, batches(manyTitles(2)), { task: 't', version })
      expect(await all.sql(`SELECT has_table_privilege('public', 'mart.titles', 'SELECT') AS readable`)).toEqual([
        { readable: true },
      ])
    }
  })

  test('who may read mart may read the tables of a schema that is added, and nobody else', async () => {
    await using all = await openWarehouse(server!)
    const [analyst, other] = ['analyst', 'other'].map((name) => `${name}_${randomBytes(6).toString('hex')}`)
    await all.sql(`CREATE ROLE ${analyst}; CREATE ROLE ${other}`)
    await all.sql(`GRANT USAGE ON SCHEMA mart TO ${analyst} WITH GRANT OPTION`)
    await all.sql(`ALTER DEFAULT PRIVILEGES IN SCHEMA mart GRANT SELECT ON TABLES TO ${analyst}`)

    for (const version of [1, 2]) {
      const table = { ...titles, schema: 'shop' }
      await all.warehouse.replace(table, batches(manyTitles(2)), { task: 't', version })
    }

    const rights = async (role: string | undefined) =>
      await all.sql(
        `SELECT has_schema_privilege('${role}', 'shop', 'USAGE') AS schema, has_table_privilege('${role}', 'shop.titles', 'SELECT') AS "table",
           has_table_privilege('${role}', 'shop.titles', 'DELETE') AS "delete"`,
      )
    expect(await rights(analyst)).toEqual([{ schema: true, table: true, delete: false }])
    expect(await rights(other)).toEqual([{ schema: false, table: false, delete: false }])
    for (const role of [analyst, other]) await all.sql(`DROP OWNED BY ${role}; DROP ROLE ${role}`)
  })

  test('an idle connection that the server ends is replaced, and an operator can read of it', async () => {
    await using database = await server!.createDatabase()
    const log = recordingLog()
    await using opened = await openPostgresDatabase<unknown>(database, { credential: noCredential, log })
    await sql`SELECT 1`.execute(opened.db)
    await using other = await openPostgres(database.url)
    await other.pool.query(
      'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()',
    )
    await until('it is noticed', () => log.lines.length > 0)

    expect((await sql<{ one: number }>`SELECT 1 AS one`.execute(opened.db)).rows).toEqual([{ one: 1 }])
    expect(log.lines).toMatchObject([{ level: 'warn', message: 'a connection to the database broke' }])
  })

  test('statements of others through the query builder fail as transient when the database goes away', async () => {
    await using database = await server!.createDatabase()
    await using opened = await openPostgres(database.url)

    await expect(sql`SELECT pg_terminate_backend(pg_backend_pid())`.execute(opened.db)).rejects.toMatchObject({
      code: 'WAREHOUSE_UNAVAILABLE',
      retryable: true,
    })
    await expect(sql`SELECT 1 / 0`.execute(opened.db)).rejects.toMatchObject({ code: '22012' })
  })
})

/** A role that reads what is loaded and may not do anything in the mart. */
async function aLoader({
  sql: run,
  url,
}: Opened): Promise<AsyncDisposable & { readonly name: string; readonly url: string }> {
  const name = `loader_${randomBytes(6).toString('hex')}`
  await run(
    `CREATE ROLE ${name} LOGIN PASSWORD 'p'; GRANT USAGE ON SCHEMA loader TO ${name}; GRANT ALL ON loader.loaded_tables TO ${name}`,
  )
  return {
    name,
    url: changed(url, { username: name, password: 'p' }),
    async [Symbol.asyncDispose]() {
      await run(`DROP OWNED BY ${name}; DROP ROLE ${name}`)
    },
  }
}
