// @module-tag slow: needs a server or a container
import pg from 'pg'
import { afterAll, describe, expect, test } from 'vitest'
import { findPostgres } from './postgres.ts'

const { server, missing } = await findPostgres()
afterAll(async () => {
  await server?.[Symbol.asyncDispose]()
})

describe.skipIf(server === undefined)(`a PostgreSQL for tests${missing === undefined ? '' : ` (${missing})`}`, () => {
  test('every test gets an empty database of its own, which is gone afterwards', async () => {
    const one = await server!.createDatabase()
    await using other = await server!.createDatabase()
    const client = await connected(one.url)
    await client.query('CREATE TABLE found (id int)')

    await one[Symbol.asyncDispose]()

    expect(other.name).not.toBe(one.name)
    await expect(connected(one.url)).rejects.toMatchObject({ code: '3D000' })
  })

  test.skipIf(server?.crash === undefined)('a server that crashed comes back with what was committed', async () => {
    await using database = await server!.createDatabase()
    const before = await connected(database.url)
    await before.query('CREATE TABLE kept AS SELECT 1 AS id')

    await server!.crash!()

    await expect(before.query('SELECT 1')).rejects.toThrow(/connection error/)
    const after = await connected(database.url)
    expect((await after.query('SELECT id FROM kept')).rows).toEqual([{ id: 1 }])
    await after.end()
  })
})

async function connected(url: string): Promise<pg.Client> {
  const client = new pg.Client(url)
  client.on('error', () => {})
  await client.connect()
  return client
}
