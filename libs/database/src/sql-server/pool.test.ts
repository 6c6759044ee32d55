import { silentLog, type Log } from '@cinelake/core'
import { until } from '@cinelake/testkit'
import { startMssqlEndpoint } from '@cinelake/testkit/mssql'
import { startProxy } from '@cinelake/testkit/proxy'
import { afterAll, beforeEach, describe, expect, test } from 'vitest'
import { parseMssqlAddress } from './address.ts'
import { noCredential } from '../no-credential.fixture.ts'
import { tryLock } from './locks.ts'
import { openMssqlPool } from './sql-server.ts'

const endpoint = await startMssqlEndpoint()
afterAll(async () => await endpoint[Symbol.asyncDispose]())
beforeEach(async () => await endpoint.reset())

/** A pool of two connections, behind a network that can fail. */
async function given({ log = silentLog, acquireTimeoutMs = 60_000 }: { log?: Log; acquireTimeoutMs?: number } = {}) {
  await using opening = new AsyncDisposableStack()
  const proxy = opening.use(await startProxy({ port: endpoint.port }))
  const address = parseMssqlAddress({ url: endpoint.url.replace(`:${endpoint.port}/`, `:${proxy.port}/`) })
  const limits = { connections: 2, acquireTimeoutMs }
  const pool = opening.use(await openMssqlPool(address, { credential: noCredential, log }, limits))
  const owned = opening.move()
  return { pool, proxy, [Symbol.asyncDispose]: async () => await owned.disposeAsync() }
}

describe('SDK protocol tests against the loopback endpoint: a pool of connections', () => {
  test('has no more than its number, and lends one again when it comes back', async () => {
    await using it = await given()
    const before = endpoint.logins.length
    const [one, other] = [await it.pool.acquire(), await it.pool.acquire()]
    const third = it.pool.acquire()

    it.pool.release(other)

    expect(await third).toBe(other)
    expect(endpoint.logins.length - before).toBe(2)
    it.pool.release(one)
    it.pool.release(other)
  })

  test('of which none comes back is a reason to try again', async () => {
    await using it = await given({ acquireTimeoutMs: 1000 })
    const lent = [await it.pool.acquire(), await it.pool.acquire()]

    await expect(it.pool.acquire()).rejects.toMatchObject({
      code: 'WAREHOUSE_UNAVAILABLE',
      message: expect.stringContaining('all connections are in use'),
    })
    for (const session of lent) it.pool.release(session)
  })

  test('whose server takes long to connect says that, and not that all are in use', async () => {
    await using it = await given({ acquireTimeoutMs: 1000 })
    const lent = await it.pool.acquire()
    it.proxy.hold()

    await expect(it.pool.acquire()).rejects.toMatchObject({
      code: 'WAREHOUSE_UNAVAILABLE',
      message: expect.stringContaining('no connection was made within 1 s'),
    })

    it.proxy.restore()
    it.pool.release(lent)
  })

  test.each([2812, 208])('of a server without application locks (%i) says so', async (number) => {
    await using it = await given()
    endpoint.before = (sql) => (sql.includes('sp_getapplock') ? number : undefined)

    const taking = it.pool.use(async (session) => await tryLock(session, 'a lock', 'Session', 0))

    await expect(taking).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: expect.stringContaining('sp_getapplock'),
    })
  })

  test.each([18456, 40613])('that the server refuses (%i) asks once, and tells the number', async (number) => {
    await using it = await given()
    endpoint.loginFault = number
    const before = endpoint.logins.length

    await expect(it.pool.acquire()).rejects.toMatchObject({ code: 'ELOGIN', number })

    expect(endpoint.logins.length - before).toBe(1)
    endpoint.loginFault = undefined
    expect(await it.pool.use(async (session) => await session.run('SELECT 1 AS [one]'))).toMatchObject({ rowCount: 1 })
  })

  test('does not lend a connection that was lost while nobody had it, and its loss is told', async () => {
    const warnings: unknown[] = []
    await using it = await given({ log: { ...silentLog, warn: (fields) => warnings.push(fields) } })
    const lost = await it.pool.acquire()
    it.pool.release(lost)

    it.proxy.cut()
    await until('the loss is noticed', () => !lost.usable)

    const next = await it.pool.acquire()
    expect(next).not.toBe(lost)
    expect(await next.run('SELECT 1 AS [one]')).toMatchObject({ rowCount: 1 })
    expect(warnings).toEqual([expect.objectContaining({ location: it.pool.location })])
    it.pool.release(next)
  })

  test('does not lend a connection again that a user gave up', async () => {
    await using it = await given()
    const worn = await it.pool.acquire()
    worn.discard()
    it.pool.release(worn)

    const next = await it.pool.acquire()

    expect([next === worn, next.usable]).toEqual([false, true])
    it.pool.release(next)
  })

  test('that is closed has closed its connections, and lends none', async () => {
    const it = await given()
    const session = await it.pool.acquire()
    it.pool.release(session)

    await it[Symbol.asyncDispose]()

    expect(session.usable).toBe(false)
    await expect(it.pool.acquire()).rejects.toThrow(/not yet open|closing/)
  })
})
