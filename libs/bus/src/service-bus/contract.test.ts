import { ServiceBusClient } from '@azure/service-bus'
import { describe } from 'vitest'
import { busContract, type BusUnderTest } from '../contract/bus-contract.ts'
import { busEntities, ENTITY_PROPERTIES, EVENTS_TOPIC } from '../entities.ts'
import { givenBroker } from './service-bus.fixture.ts'
import { createEntities, createServiceBus } from './bus.ts'

/** The bus of a test, and a client of its own to put into the queue what no sender of ours would. */
function busUnderTest(connectionString: string, fields: Pick<BusUnderTest, 'bus' | 'maxDeliveryCount'>): BusUnderTest {
  const client = new ServiceBusClient(connectionString)
  const sender = client.createSender('loader')
  return {
    ...fields,
    queue: 'loader',
    otherQueue: 'transformer',
    subscriptions: ['scheduler', 'console'],
    inject: (body) => sender.sendMessages({ body: Buffer.from(body) }),
    async [Symbol.asyncDispose]() {
      await client.close()
      await fields.bus[Symbol.asyncDispose]()
    },
  }
}

busContract('Service Bus (SDK protocol tests against the loopback endpoint)', async () => {
  const given = await givenBroker()
  const { maxDeliveryCount } = given.properties
  const under = busUnderTest(given.broker().connectionString, { bus: given.bus(), maxDeliveryCount })
  return {
    ...under,
    async [Symbol.asyncDispose]() {
      await under[Symbol.asyncDispose]()
      await given[Symbol.asyncDispose]()
    },
  }
})

/** A namespace or an emulator for tests alone: whatever is in its queues is thrown away. */
const real = process.env['CINELAKE_TEST_SERVICE_BUS'] ?? ''

const entities = busEntities({ subscriptions: ['console'] })

describe.skipIf(real === '')('a broker that CINELAKE_TEST_SERVICE_BUS names', () => {
  busContract('Service Bus', async () => {
    // The emulator has them from its Config.json.
    if (!real.includes('UseDevelopmentEmulator=true')) await createEntities({ connectionString: real }, entities)
    await empty(real)
    const bus = createServiceBus({ entrance: { connectionString: real } })
    return busUnderTest(real, { bus, maxDeliveryCount: ENTITY_PROPERTIES.maxDeliveryCount })
  })
})

/** Takes everything out of the entities that the suite uses, and out of their dead letters. */
async function empty(connectionString: string): Promise<void> {
  const client = new ServiceBusClient(connectionString)
  const places = [
    ...['loader', 'transformer'].map((queue) => [queue] as const),
    ...entities.subscriptions.map((subscription) => [EVENTS_TOPIC, subscription] as const),
  ]
  for (const [entity, subscription] of places) {
    for (const part of [{}, { subQueueType: 'deadLetter' as const }]) {
      const options = { receiveMode: 'receiveAndDelete' as const, ...part }
      const receiver =
        subscription === undefined
          ? client.createReceiver(entity, options)
          : client.createReceiver(entity, subscription, options)
      while ((await receiver.receiveMessages(500, { maxWaitTimeInMs: 1000 })).length > 0);
      await receiver.close()
    }
  }
  await client.close()
}
