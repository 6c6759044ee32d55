import { recordingLog, selfSignedCertificate, until } from '@cinelake/testkit'
import { findRedis } from '@cinelake/testkit/redis'
import { connect, type AddressInfo } from 'node:net'
import { createServer, getCACertificates, setDefaultCACertificates } from 'node:tls'
import { afterAll, describe, expect, test } from 'vitest'
import { openTimers } from '../open.ts'
import { connectRedis, redisOptions } from './connection.ts'

const { server, missing } = await findRedis()
afterAll(async () => {
  await server?.[Symbol.asyncDispose]()
})
const because = missing === undefined ? '' : ` (${missing})`

describe('the address of a queue', () => {
  test.each([
    ['redis://cache', { host: 'cache', port: 6379, db: 0 }],
    ['redis://cache:7000/2', { host: 'cache', port: 7000, db: 2 }],
    ['rediss://:p%40ss@cache:6380', { host: 'cache', port: 6380, password: 'p@ss', tls: {} }],
    ['redis://me:secret@[::1]:6379', { host: '::1', username: 'me', password: 'secret' }],
  ])('%s', (url, expected) => {
    expect(redisOptions({ url })).toMatchObject(expected)
  })

  test('a password beside it goes before one in it', () => {
    expect(redisOptions({ url: 'redis://:old@cache', password: 'new:/@' }).password).toBe('new:/@')
  })

  test.each(['redis://', 'redis://:hunter2@/1', 'redis://:hunter2@cache/first', 'redis://:hunter2@ca che'])(
    '%s is refused, and not shown',
    async (url) => {
      const opening = openTimers({ url, prefix: 'test' }, { log: recordingLog() })
      const error: unknown = await opening.catch((thrown: unknown) => thrown)
      expect(error).toMatchObject({ code: 'CONFIG_INVALID' })
      expect(String(error)).not.toContain('hunter2')
    },
  )
})

describe.skipIf(server === undefined)(`a connection to Redis${because}`, () => {
  test('over TLS works where the certificate is known, and says why where it is not', async () => {
    const { key, certificate } = selfSignedCertificate()
    await using tls = await inFrontOf(server!.port, { key, cert: certificate })
    const url = server!.url.replace('redis:', 'rediss:').replace(`:${server!.port}`, `:${tls.port}`)
    const log = recordingLog()

    const distrusting = connectRedis({ url, prefix: 'test' }, log)
    await until('it says so', () => log.lines.some(({ level }) => level === 'warn'))
    distrusting.disconnect()
    expect(JSON.stringify(log.lines)).toMatch(/self-signed/)

    setDefaultCACertificates([...getCACertificates('default'), certificate])
    const trusting = connectRedis({ url, prefix: 'test' }, log)
    expect(await trusting.working.ping()).toBe('PONG')
    trusting.disconnect()
  })

  test.skipIf(server?.process === undefined)('warns of a Redis that forgets when it is full', async () => {
    const log = recordingLog()
    const first = connectRedis({ url: server!.url, prefix: 'test' }, recordingLog())
    await first.working.config('SET', 'maxmemory-policy', 'allkeys-lru')
    first.disconnect()

    const second = connectRedis({ url: server!.url, prefix: 'test' }, log)
    await until('it warns', () => log.lines.some(({ facts }) => facts['policy'] === 'allkeys-lru'))
    await second.working.config('SET', 'maxmemory-policy', 'noeviction')
    second.disconnect()

    expect(log.lines.filter(({ level }) => level === 'warn')).toHaveLength(1)
  })
})

/** Speaks TLS in front of a server that does not. */
async function inFrontOf(port: number, certificate: { readonly key: string; readonly cert: string }) {
  const listener = createServer(certificate, (client) => {
    const plain = connect(port, '127.0.0.1')
    for (const socket of [client, plain]) socket.on('error', () => {})
    client.pipe(plain).pipe(client)
  })
  listener.on('tlsClientError', () => {})
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve))
  return {
    port: (listener.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      await new Promise((resolve) => listener.close(resolve))
    },
  }
}
