import type { ServiceBusAdministrationClientOptions } from '@azure/service-bus'
import { type BusEntities, type EntityProperties, iso8601 } from '../entities.ts'
import { createAdministrationClient, type ServiceBusEntrance } from './client.ts'
import { translateBusError } from './errors.ts'

/** The change made to one entity. */
export type EntityOutcome = {
  /** Queue, topic or `events/<subscription>`. */
  readonly entity: string
  readonly outcome: 'created' | 'updated' | 'unchanged'
}

/** The properties of a queue, a topic or a subscription that we define. */
type Known = {
  readonly lockDuration?: string
  readonly maxDeliveryCount?: number
  readonly defaultMessageTimeToLive?: string
  readonly deadLetteringOnMessageExpiration?: boolean
}

/** One kind of entity: the administration client has separate methods for each. */
type Desk<T extends Known> = {
  readonly entity: string
  readonly wanted: Known
  readonly read: () => Promise<T>
  readonly create: () => Promise<unknown>
  readonly update: (changed: T) => Promise<unknown>
}

/**
 * Creates the platform's missing entities in a namespace, and corrects differing ones; idempotent. Other messages and
 * entities stay unchanged. Needs the *Manage* right on the namespace, and HTTPS: the emulator reads its `Config.json`
 * instead.
 * @throws {BUS_FORBIDDEN} transient: names the role that is missing
 * @throws {ConfigError} terminal: an incomplete connection string
 */
export async function createEntities(
  entrance: ServiceBusEntrance,
  { queues, topic, subscriptions, properties }: BusEntities,
  options: ServiceBusAdministrationClientOptions = {},
): Promise<EntityOutcome[]> {
  const client = createAdministrationClient(entrance, options)
  const wanted = knownOf(properties)
  const { defaultMessageTimeToLive = '' } = wanted
  const outcomes: EntityOutcome[] = []
  for (const queue of queues) {
    outcomes.push(
      await ensure({
        entity: queue,
        wanted,
        read: () => client.getQueue(queue),
        create: () => client.createQueue(queue, wanted),
        update: (changed) => client.updateQueue(changed),
      }),
    )
  }
  outcomes.push(
    await ensure({
      entity: topic,
      wanted: { defaultMessageTimeToLive },
      read: () => client.getTopic(topic),
      create: () => client.createTopic(topic, { defaultMessageTimeToLive }),
      update: (changed) => client.updateTopic(changed),
    }),
  )
  for (const subscription of subscriptions) {
    outcomes.push(
      await ensure({
        entity: `${topic}/${subscription}`,
        wanted,
        read: () => client.getSubscription(topic, subscription),
        create: () => client.createSubscription(topic, subscription, wanted),
        update: (changed) => client.updateSubscription(changed),
      }),
    )
  }
  return outcomes
}

async function ensure<T extends Known>({ entity, wanted, read, create, update }: Desk<T>): Promise<EntityOutcome> {
  try {
    const known = await readIfThere(read)
    if (known === undefined) {
      await create()
      return { entity, outcome: 'created' }
    }
    const differs = Object.entries(wanted).some(([name, value]) => known[name as keyof Known] !== value)
    if (!differs) return { entity, outcome: 'unchanged' }
    await update({ ...known, ...wanted })
    return { entity, outcome: 'updated' }
  } catch (error) {
    throw translateBusError(error, { entity, doing: `make ${entity}`, role: 'manage' })
  }
}

async function readIfThere<T>(read: () => Promise<T>): Promise<T | undefined> {
  try {
    return await read()
  } catch (error) {
    if (error instanceof Error && 'statusCode' in error && error.statusCode === 404) return undefined
    throw error
  }
}

function knownOf({ lockMs, maxDeliveryCount, timeToLiveMs, deadLetteringOnExpiration }: EntityProperties): Known {
  return {
    lockDuration: iso8601(lockMs),
    maxDeliveryCount,
    defaultMessageTimeToLive: iso8601(timeToLiveMs),
    deadLetteringOnMessageExpiration: deadLetteringOnExpiration,
  }
}
