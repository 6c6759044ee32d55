import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import { CancelledError } from '@cinelake/core'
import { expect, test } from 'vitest'
import { openDatabase } from './open-database.ts'

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
