import { startServiceBusBroker, type ServiceBusBroker } from '@cinelake/testkit/service-bus'
import { temporaryDirectory } from '@cinelake/testkit'
import { silentLog, type Log } from '@cinelake/core'
import { busEntities, emulatorConfig, type EntityProperties } from '../entities.ts'
import type { MessageBus } from '../bus.ts'
import { createServiceBus } from './bus.ts'

/** Of the client library: a test of a broker that does not answer does not wait as long as a service does. */
export const QUICK = { maxRetries: 4, retryDelayInMs: 20, maxRetryDelayInMs: 100, timeoutInMs: 6000 }

export type GivenBroker = AsyncDisposable & {
  /** The running broker. */
  broker(): ServiceBusBroker
  /**
   * Crashes the broker for the duration of `meanwhile`, and starts another at the same address with the same messages.
   */
  restart(meanwhile?: () => Promise<void>): Promise<void>
  /** Another process connected to the broker. */
  bus(options?: { readonly log?: Log; readonly sendTimeoutMs?: number; readonly timeoutInMs?: number }): MessageBus
  readonly properties: EntityProperties
}

/** A loopback broker with the platform's entities. */
export async function givenBroker(fields: Partial<EntityProperties> = {}): Promise<GivenBroker> {
  await using opening = new AsyncDisposableStack()
  const directory = opening.use(await temporaryDirectory())
  const entities = busEntities({ sites: ['lyon'], subscriptions: ['console'] })
  const properties: EntityProperties = { ...entities.properties, maxDeliveryCount: 4, ...fields }
  const config = emulatorConfig({ ...entities, properties })
  const start = (port = 0) => startServiceBusBroker({ config, port, directory: directory.path })
  let broker = await start()
  opening.defer(async () => await broker[Symbol.asyncDispose]())
  const buses = opening.use(new AsyncDisposableStack())
  const owned = opening.move()
  return {
    properties,
    broker: () => broker,
    async restart(meanwhile) {
      const { port } = broker
      await broker[Symbol.asyncDispose]()
      await meanwhile?.()
      broker = await start(port)
    },
    bus: ({ log = silentLog, sendTimeoutMs = 60_000, timeoutInMs = QUICK.timeoutInMs } = {}) =>
      buses.use(
        createServiceBus({
          entrance: { connectionString: broker.connectionString },
          lockMs: properties.lockMs,
          maxDeliveryCount: properties.maxDeliveryCount,
          retry: { ...QUICK, timeoutInMs },
          sendTimeoutMs,
          log,
        }),
      ),
    [Symbol.asyncDispose]: async () => await owned.disposeAsync(),
  }
}
