// @module-tag slow: needs a server or a container
import { silentLog } from '@cinelake/core'
import { recordingLog, until } from '@cinelake/testkit'
import { findPostgres } from '@cinelake/testkit/postgres'
import { startProxy } from '@cinelake/testkit/proxy'
import { sql } from 'kysely'
import { randomBytes } from 'node:crypto'
import { afterAll, describe, expect, test } from 'vitest'
import { noCredential } from '../no-credential.fixture.ts'
import { closeClient, openPostgresConnections, openPostgresDatabase } from './postgres.ts'

const { server, missing } = await findPostgres()
afterAll(async () => {
  await server?.[Symbol.asyncDispose]()
})
const reason = missing === undefined ? '' : ` (${missing})`

async function open(url: string) {
  return await openPostgresDatabase<unknown>({ url }, { credential: noCredential, log: silentLog })
}

function changed(url: string, parts: Partial<Record<'username' | 'password' | 'pathname' | 'search', string>>): string {
  return Object.assign(new URL(url), parts).href
}

describe.skipIf(server === undefined)(`logging in to a PostgreSQL server${reason}`, () => {
  test('a wrong password and a database that is not there are for a person to put right', async () => {
    await using database = await server!.createDatabase()
    const wrong = [{ password: 'hunter2' }, { pathname: '/nowhere' }]
    for (const parts of wrong) {
      await using opened = await open(changed(database.url, parts))

      const ways = [
        async () => await opened.acquire(),
        async () => await opened.connect(),
        async () => await sql`SELECT 1`.execute(opened.db),
      ]
      for (const connect of ways) {
        const connecting = connect()
        await expect(connecting).rejects.toMatchObject({ code: 'WAREHOUSE_LOGIN_REFUSED', retryable: false })
        await expect(connecting).rejects.not.toHaveProperty('message', expect.stringContaining('hunter2'))
      }
    }
  })

  test('that takes too long is told apart from connections that are all in use', async () => {
    await using database = await server!.createDatabase()
    await using proxy = await startProxy({ host: server!.host, port: server!.port })
    const url = new URL(database.url)
    const config = { host: proxy.host, port: proxy.port, user: url.username, database: url.pathname.slice(1) }
    const password = decodeURIComponent(url.password)
    await using opened = openPostgresConnections<unknown>(
      { ...config, password, max: 1, connectionTimeoutMillis: 1000 },
      { location: 'db', log: silentLog, cancel: async () => {} },
    )
    const unavailable = (reason: string) => ({
      code: 'WAREHOUSE_UNAVAILABLE',
      message: expect.stringContaining(reason),
    })

    const lent = await opened.acquire()
    await expect(opened.acquire()).rejects.toMatchObject(unavailable('all connections are in use'))
    lent.release(true)

    proxy.hold()
    const waiting = await Promise.allSettled([opened.acquire(), opened.acquire()])
    const reasons = waiting.map((outcome) => (outcome.status === 'rejected' ? String(outcome.reason) : 'a connection'))
    // Of the first one, which is being made, the driver says it.
    expect(reasons[0]).toMatch(/timeout/)
    expect(reasons[1]).toContain('no connection was made in time')
    proxy.restore()
  })

  test.skipIf(server?.certificate === undefined)(
    'a server is believed by a certificate alone, where encryption is asked for',
    async () => {
      await using database = await server!.createDatabase()
      const trusting = `?sslmode=verify-full&sslrootcert=${server?.certificate}`
      await using known = await open(changed(database.url, { search: trusting }))
      await using unknown = await open(changed(database.url, { search: '?sslmode=require' }))

      const encrypted = 'SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()'
      expect((await known.pool.query(encrypted)).rows).toEqual([{ ssl: true }])
      await expect(unknown.acquire()).rejects.toMatchObject({ code: 'WAREHOUSE_LOGIN_REFUSED' })
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
    await sql`SELECT 1`.execute(opened.db)
    await closeClient(await opened.connect())

    expect(scopes).toEqual(['https://ossrdbms-aad.database.windows.net/.default', scopes[0]])
  })

  test('a server that has no connection left is waited for', async () => {
    await using database = await server!.createDatabase()
    await using all = await open(database.url)
    const name = `full_${randomBytes(6).toString('hex')}`
    await all.pool.query(`CREATE ROLE ${name} LOGIN PASSWORD 'p' CONNECTION LIMIT 0`)
    await using opened = await open(changed(database.url, { username: name, password: 'p' }))

    await expect(opened.acquire()).rejects.toMatchObject({ code: 'WAREHOUSE_UNAVAILABLE' })
    await all.pool.query(`DROP ROLE ${name}`)
  })

  test('an idle connection that the server ends is replaced, and an operator can read of it', async () => {
    await using database = await server!.createDatabase()
    const log = recordingLog()
    await using opened = await openPostgresDatabase<unknown>(database, { credential: noCredential, log })
    await sql`SELECT 1`.execute(opened.db)
    await using other = await open(database.url)
    await other.pool.query(
      'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()',
    )
    await until('it is noticed', () => log.lines.length > 0)

    expect((await sql<{ one: number }>`SELECT 1 AS one`.execute(opened.db)).rows).toEqual([{ one: 1 }])
    expect(log.lines).toMatchObject([{ level: 'warn', message: 'a connection to the database broke' }])
  })

  test('statements of others through the query builder fail as transient when the database goes away', async () => {
    await using database = await server!.createDatabase()
    await using opened = await open(database.url)

    await expect(sql`SELECT pg_terminate_backend(pg_backend_pid())`.execute(opened.db)).rejects.toMatchObject({
      code: 'WAREHOUSE_UNAVAILABLE',
      retryable: true,
    })
    await expect(sql`SELECT 1 / 0`.execute(opened.db)).rejects.toMatchObject({ code: '22012' })
  })
})
