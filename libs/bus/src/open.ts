import type { TokenCredential } from '@azure/core-auth'
import { ConfigError, openByScheme, type Log } from '@cinelake/core'
import type { MessageBus } from './bus.ts'
import type { BusEntities } from './entities.ts'
import { createMemoryBus } from './memory/bus.ts'
import type { ServiceBusEntrance, WebSockets } from './service-bus/client.ts'
import type { EntityOutcome } from './service-bus/entities.ts'
import type { BusSettings } from './settings.ts'

export type OpenBusDeps = {
  readonly log: Log
  /** Called only where no connection string is given. */
  readonly credential: () => Promise<TokenCredential>
}

/**
 * Opens the message bus that the settings name. Nothing is connected yet.
 * @throws {ConfigError} terminal: an address that cannot be used
 */
export async function openBus(settings: BusSettings, { log, credential }: OpenBusDeps): Promise<MessageBus> {
  return await openByScheme<MessageBus | Promise<MessageBus>>(
    settings.url,
    {
      memory: () => createMemoryBus({ log }),
      sb: async () => {
        const entrance = await openEntrance(settings, credential)
        const webSockets = await webSocketsOf(settings)
        // Loaded on demand: an embedded start must not load Azure's libraries.
        const { createServiceBus } = await import('./service-bus/bus.ts')
        return createServiceBus({ entrance, webSockets, log })
      },
    },
    'CINELAKE_BUS',
  )
}

/**
 * Creates the missing entities of the platform in the configured namespace.
 * @throws {ConfigError} terminal: a bus that creates its entities by itself, or from a file
 */
export async function createBusEntities(
  settings: BusSettings,
  entities: BusEntities,
  { credential }: Pick<OpenBusDeps, 'credential'>,
): Promise<EntityOutcome[]> {
  if (/UseDevelopmentEmulator=true/i.test(settings.connectionString ?? '')) {
    throw new ConfigError('the entities of an emulator cannot be made', [
      'expected a namespace in Azure, got an emulator: it reads them from its Config.json; see `cinelake bus entities --format emulator`',
    ])
  }
  const entrance = await openEntrance(settings, credential)
  const { createEntities } = await import('./service-bus/entities.ts')
  return await createEntities(entrance, entities)
}

/**
 * The credentials for the configured namespace: the connection string if there is one.
 * @throws {ConfigError} terminal: no host, or unknown parameters
 */
async function openEntrance(settings: BusSettings, credential: OpenBusDeps['credential']): Promise<ServiceBusEntrance> {
  const { hostname } = addressOf(settings)
  const { connectionString } = settings
  return connectionString === undefined ? { host: hostname, credential: await credential() } : { connectionString }
}

async function webSocketsOf(settings: BusSettings): Promise<WebSockets | undefined> {
  if (addressOf(settings).searchParams.get('transport') !== 'websockets') return undefined
  const { createWebSockets } = await import('./service-bus/web-sockets.ts')
  return createWebSockets(settings.proxy)
}

/** The configured address, validated. Never shown: it may contain a password that was put there by mistake. */
function addressOf({ url }: BusSettings): URL {
  const address = URL.parse(url.replace(/^sb:/i, 'http:'))
  const problems: string[] = []
  if (address === null || !url.toLowerCase().startsWith('sb://') || address.hostname === '') {
    problems.push('expected sb://NAMESPACE.servicebus.windows.net, got something else')
  }
  for (const [name, value] of address?.searchParams ?? []) {
    if (name !== 'transport' || !TRANSPORTS.includes(value)) {
      problems.push(`expected no parameter but transport=${TRANSPORTS.join('|')}, got one named ${name}`)
    }
  }
  if (address === null || problems.length > 0) throw new ConfigError('CINELAKE_BUS cannot be used', problems)
  return address
}

const TRANSPORTS = ['tcp', 'websockets']
