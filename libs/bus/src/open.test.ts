import type { TokenCredential } from '@azure/core-auth'
import { silentLog } from '@cinelake/core'
import { recordingLog, selfSignedCertificate, until } from '@cinelake/testkit'
import { startServiceBusBroker } from '@cinelake/testkit/service-bus'
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import { connect, type AddressInfo, type Socket } from 'node:net'
import { inspect } from 'node:util'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { aLoad } from './contract/bus-contract.ts'
import { busEntities, emulatorConfig } from './entities.ts'
import { createBusEntities, openBus } from './open.ts'
import { createServiceBus } from './service-bus/bus.ts'
import { givenBroker, QUICK } from './service-bus/service-bus.fixture.ts'
import { busEnv, busSettings } from './settings.ts'
import { createWebSockets } from './service-bus/web-sockets.ts'

const noCredential = () => Promise.reject(new Error('nobody asked for it'))
const deps = { log: silentLog, credential: noCredential }

function settingsOf(env: Readonly<Record<string, string>>) {
  return busSettings(z.object(busEnv).parse(env))
}

describe('the settings', () => {
  test('without any are a bus in memory', async () => {
    await using bus = await openBus(settingsOf({}), deps)

    expect(await bus.deadLetters('loader')).toEqual([])
  })

  test('with a connection string enter the broker with it, and no identity is asked for', async () => {
    await using given = await givenBroker()
    const settings = settingsOf({
      CINELAKE_BUS: 'sb://somewhere.servicebus.windows.net',
      CINELAKE_BUS_CONNECTION_STRING: given.broker().connectionString,
    })
    await using bus = await openBus(settings, deps)

    await bus.send('loader', aLoad())

    expect(given.broker().messageCount('loader')).toBe(1)
  })

  test('without one ask for the identity of the process', async () => {
    let asked = 0
    const credential = async (): Promise<TokenCredential> => {
      asked += 1
      return { getToken: async () => null }
    }

    await using _ = await openBus(settingsOf({ CINELAKE_BUS: 'sb://x.servicebus.windows.net' }), {
      ...deps,
      credential,
    })

    expect(asked).toBe(1)
  })

  test.each(['sb:', 'sb://', 'sb://x?transport=pigeon', 'sb://x?password=hunter2', 'kafka://x'])(
    'with the address %s are refused, without showing it',
    async (CINELAKE_BUS) => {
      const opened = openBus(settingsOf({ CINELAKE_BUS }), deps)

      await expect(opened).rejects.toMatchObject({
        code: 'CONFIG_INVALID',
        message: expect.not.stringContaining('hunter2') as string,
      })
    },
  )

  test.each(['Endpoint=nonsense;SharedAccessKey=hunter2', 'SharedAccessKeyName=x;SharedAccessKey=hunter2', 'hunter2'])(
    'with the connection string %j make no entities, and do not show it',
    async (CINELAKE_BUS_CONNECTION_STRING) => {
      const settings = settingsOf({ CINELAKE_BUS: 'sb://x', CINELAKE_BUS_CONNECTION_STRING })

      const refused: unknown = await createBusEntities(settings, busEntities(), deps).catch((error: unknown) => error)

      expect(refused).toMatchObject({ code: 'CONFIG_INVALID' })
      expect(inspect(refused, { depth: Infinity })).not.toContain('hunter2')
    },
  )

  test('of an emulator make no entities: it has them from a file', async () => {
    const settings = settingsOf({
      CINELAKE_BUS: 'sb://emulator',
      CINELAKE_BUS_CONNECTION_STRING: 'Endpoint=sb://127.0.0.1;SharedAccessKey=x;UseDevelopmentEmulator=true',
    })

    await expect(createBusEntities(settings, busEntities(), deps)).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: expect.stringContaining('--format emulator') as string,
    })
  })
})

/** An HTTP proxy that makes tunnels, as companies have it. */
async function givenProxy(): Promise<AsyncDisposable & { readonly url: string; readonly tunnels: string[] }> {
  const tunnels: string[] = []
  const sockets = new Set<Socket>()
  const server: Server = createServer().listen(0, '127.0.0.1')
  server.on('connect', ({ url = '' }, socket: Socket) => {
    tunnels.push(url)
    const target = connect(Number(url.split(':')[1]), '127.0.0.1', () => {
      socket.write('HTTP/1.1 200 Connection established\r\n\r\n')
      target.pipe(socket).pipe(target)
    })
    for (const each of [socket, target]) sockets.add(each.on('error', () => each.destroy()))
  })
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    tunnels,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      const closed = once(server, 'close')
      server.close()
      await closed
    },
  }
}

describe('over WebSockets', () => {
  test.each([
    ['directly', false],
    ['through the proxy that the environment names', true],
  ])('%s, messages go and come', async (_how, isThroughProxy) => {
    const webSocketCertificate = selfSignedCertificate()
    await using broker = await startServiceBusBroker({ config: emulatorConfig(busEntities()), webSocketCertificate })
    await using proxy = await givenProxy()
    const webSockets = createWebSockets(isThroughProxy ? { HTTPS_PROXY: proxy.url } : undefined)
    const ca = webSocketCertificate.certificate
    await using bus = createServiceBus({
      entrance: {
        connectionString: `Endpoint=sb://localhost:${broker.webSocketPort}/;SharedAccessKeyName=RootManageSharedAccessKey;SharedAccessKey=loopback`,
      },
      webSockets: {
        ...webSockets,
        webSocketConstructorOptions: { ...(webSockets.webSocketConstructorOptions as object), ca },
      },
      retry: QUICK,
    })
    const seen: string[] = []

    await using _ = await bus.consume('loader', async ({ task }) => void seen.push(task))
    await bus.send('loader', aLoad())
    await until('it came', () => seen.length === 1)

    expect(proxy.tunnels).toEqual(isThroughProxy ? [`localhost:${broker.webSocketPort}`] : [])
  })

  test('an identity that nobody could be signed in as is told, with what to do', async () => {
    const webSocketCertificate = selfSignedCertificate()
    await using broker = await startServiceBusBroker({ config: emulatorConfig(busEntities()), webSocketCertificate })
    const nobody = Object.assign(new Error('no managed identity endpoint found'), {
      name: 'CredentialUnavailableError',
    })
    const { certificate: ca } = webSocketCertificate
    const log = recordingLog()
    await using bus = createServiceBus({
      entrance: {
        host: `localhost:${broker.webSocketPort}`,
        credential: { getToken: () => Promise.reject(nobody) },
      },
      webSockets: { ...createWebSockets(), webSocketConstructorOptions: { ca } },
      retry: QUICK,
      log,
    })
    const problem = { code: 'BUS_NO_IDENTITY', retryable: true }

    await expect(bus.send('loader', aLoad())).rejects.toMatchObject(problem)
    await using _ = await bus.consume('loader', async () => {})
    await until('it was said', () =>
      log.lines.some(({ level, facts }) => level === 'error' && facts['code'] === problem.code),
    )
  })
})
