// @module-tag slow: needs a server or a container
import { findPostgres } from '@cinelake/testkit/postgres'
import { randomBytes } from 'node:crypto'
import { afterAll, describe, expect, test } from 'vitest'
import { batches, manyTitles, titles } from '../contract/given.fixture.ts'
import { failureOf, openPostgres, openWarehouse, type Opened } from './postgres.fixture.ts'
import { createPostgresWarehouse } from './postgres.ts'

const { server, missing } = await findPostgres()
afterAll(async () => {
  await server?.[Symbol.asyncDispose]()
})
const reason = missing === undefined ? '' : ` (${missing})`

describe.skipIf(server === undefined)(`the rights of the service and of analysts${reason}`, () => {
  test('a loader that may only write in its schemas can load; what it lacks is named when the warehouse is opened', async () => {
    await using all = await openWarehouse(server!)
    await using loader = await aLoader(all)
    await using opened = await openPostgres(loader.url)
    const opening = async () => await createPostgresWarehouse(opened)

    for (const { lacks, grant } of [
      { lacks: 'USAGE, CREATE ON SCHEMA mart', grant: '' },
      { lacks: 'SELECT, INSERT, UPDATE ON loader.loaded_tables', grant: 'REVOKE ALL ON loader.loaded_tables FROM' },
      { lacks: 'USAGE ON SCHEMA loader', grant: 'REVOKE ALL ON SCHEMA loader FROM' },
    ]) {
      if (grant !== '') await all.sql(`${grant} ${loader.name}`)
      const refusal = await failureOf(opening())
      expect(refusal).toMatchObject({
        code: 'CONFIG_INVALID',
        message: expect.stringContaining(`GRANT ${lacks} TO "${loader.name}"`),
      })
    }
    await all.sql(/runs: (.*)$/.exec(String((await failureOf(opening())) as Error))?.[1] ?? '')
    const warehouse = await opening()
    expect(await warehouse.replace(titles, batches(manyTitles(2)), { task: 't', version: 1 })).toMatchObject({
      outcome: 'replaced',
    })

    const inShop = async () =>
      await warehouse.replace({ ...titles, schema: 'shop' }, batches(manyTitles(2)), { task: 't', version: 1 })
    await expect(inShop()).rejects.toMatchObject({
      code: 'WAREHOUSE_REFUSED',
      message: expect.stringMatching(/no permission.*and on the pipeline's own/),
    })
    await all.sql(`CREATE SCHEMA shop; GRANT USAGE, CREATE ON SCHEMA shop TO ${loader.name}`)
    expect(await inShop()).toMatchObject({ outcome: 'replaced' })

    // It is of no pipeline that is in `mart`, which others have.
    await all.sql(`REVOKE ALL ON SCHEMA mart FROM ${loader.name}`)
    const later = await opening()
    const again = { task: 't', version: 2 }
    expect(await later.replace({ ...titles, schema: 'shop' }, batches(manyTitles(3)), again)).toMatchObject({
      outcome: 'replaced',
    })
  })

  test('a service that may make neither of the schemas is told so in a database where nothing was set up', async () => {
    await using database = await server!.createDatabase()
    await using admin = await openPostgres(database.url)
    const name = `loader_${randomBytes(6).toString('hex')}`
    const run = async (sql: string) => {
      const client = await admin.connect()
      try {
        await client.query(sql)
      } finally {
        await client.end()
      }
    }
    await run(`CREATE ROLE ${name} LOGIN PASSWORD 'p'`)
    const url = Object.assign(new URL(database.url), { username: name, password: 'p' }).href
    {
      await using opened = await openPostgres(url)
      const refusal = await failureOf(createPostgresWarehouse(opened))
      expect(refusal).toMatchObject({
        code: 'CONFIG_INVALID',
        message: expect.stringContaining(
          `got ${name}, which lacks some; an administrator of the database runs: CREATE SCHEMA mart; GRANT USAGE, CREATE ON SCHEMA mart`,
        ),
      })
      await run(/runs: (.*)$/.exec((refusal as Error).message)?.[1] ?? '')
      const warehouse = await createPostgresWarehouse(opened)
      expect(await warehouse.replace(titles, batches(manyTitles(2)), { task: 't', version: 1 })).toMatchObject({
        outcome: 'replaced',
      })
    }
    await run(`DROP OWNED BY ${name}; DROP ROLE ${name}`)
  })

  test('a service that may not make the reader does not query as itself, and says what an administrator runs', async () => {
    await using all = await openWarehouse(server!)
    await all.warehouse.replace(titles, batches(manyTitles(2)), { task: 't', version: 1 })
    await using loader = await aLoader(all)
    await using opened = await openPostgres(loader.url)
    const warehouse = await createPostgresWarehouse(opened, { isReadOnly: true })
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
    url: Object.assign(new URL(url), { username: name, password: 'p' }).href,
    async [Symbol.asyncDispose]() {
      await run(`DROP OWNED BY ${name}; DROP ROLE ${name}`)
    },
  }
}
