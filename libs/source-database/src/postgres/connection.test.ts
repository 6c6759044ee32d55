import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { CancelledError } from '@cinelake/core'
import { until } from '@cinelake/testkit'
import { expect, test } from 'vitest'
import { openDatabase } from '../with-database.ts'

test('a connection that is being made when the service stops is given up at once', async () => {
  // Accepts connections and never says a word.
  const server = createServer(() => {}).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const stop = new AbortController()

  const database = openDatabase({
    source: 'shop',
    url: `postgres://reader@127.0.0.1:${port}/shop`,
    timeoutMs: 60_000,
    signal: stop.signal,
  })
  const tables = database.tables({ views: false })
  await once(server, 'connection')
  stop.abort(new Error('SIGTERM'))

  await expect(tables).rejects.toBeInstanceOf(CancelledError)
  await database[Symbol.asyncDispose]()
  server.close()
})

test('a service that has stopped already makes no connection', async () => {
  const database = openDatabase({
    source: 'shop',
    url: 'postgres://reader@127.0.0.1:1/shop',
    timeoutMs: 60_000,
    signal: AbortSignal.abort(new Error('SIGTERM')),
  })

  await expect(database.tables({ views: false })).rejects.toBeInstanceOf(CancelledError)
  await database[Symbol.asyncDispose]()
})

/** What Linux tells of its connections. Source: kernel.org/doc/Documentation/networking/proc_net_tcp.txt */
const CONNECTIONS = '/proc/net/tcp'
/** Seconds. The shortest that firewalls on the way forget an idle connection after: four minutes, with room for a probe that is lost. */
const FORGOTTEN_AFTER = 120

test.skipIf(!existsSync(CONNECTIONS))('an idle connection is kept in mind by firewalls on the way', async () => {
  const server = createServer(() => {}).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const stop = new AbortController()
  const url = `postgres://reader@127.0.0.1:${port}/shop`
  const database = openDatabase({ source: 'shop', url, timeoutMs: 60_000, signal: stop.signal })
  const tables = database.tables({ views: false })
  tables.catch(() => {})
  const probeIn = () => {
    const remote = `:${port.toString(16).toUpperCase().padStart(4, '0')}`
    const lines = readFileSync(CONNECTIONS, 'utf8').split('\n')
    const [, , , , , timer = ''] =
      lines.map((line) => line.trim().split(/\s+/)).find((line) => line[2]?.endsWith(remote)) ?? []
    // The kind of timer (2: the next probe), and hundredths of a second until then.
    const [kind, left = ''] = timer.split(':')
    return kind === '02' ? parseInt(left, 16) / 100 : Infinity
  }

  await until('the next probe is soon', () => probeIn() < FORGOTTEN_AFTER)

  stop.abort()
  await expect(tables).rejects.toBeInstanceOf(CancelledError)
  await database[Symbol.asyncDispose]()
  server.close()
})
