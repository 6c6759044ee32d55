import type { ServiceBusClient, ServiceBusReceiver } from '@azure/service-bus'
import { EVENTS_TOPIC } from '../entities.ts'

const SUBSCRIPTION = `${EVENTS_TOPIC}/`

/** The subscription that an entity's name means; undefined: it is a queue. */
function subscriptionOf(entity: string): string | undefined {
  return entity.startsWith(SUBSCRIPTION) ? entity.slice(SUBSCRIPTION.length) : undefined
}

/** How the entity of a subscription is named wherever an entity is asked for. */
export function entityOfSubscription(subscription: string): string {
  return `${SUBSCRIPTION}${subscription}`
}

/** Where a message has to be sent to get into an entity: a subscription is reached through its topic. */
export function targetOf(entity: string): string {
  return subscriptionOf(entity) === undefined ? entity : EVENTS_TOPIC
}

/** Receives from an entity or its dead letters, with every lock and every settlement in our own hands. */
export function receiverOf(client: ServiceBusClient, entity: string, isForDeadLetters = false): ServiceBusReceiver {
  const options = {
    receiveMode: 'peekLock' as const,
    maxAutoLockRenewalDurationInMs: 0,
    skipParsingBodyAsJson: true,
    ...(isForDeadLetters ? { subQueueType: 'deadLetter' as const } : {}),
  }
  const subscription = subscriptionOf(entity)
  return subscription === undefined
    ? client.createReceiver(entity, options)
    : client.createReceiver(EVENTS_TOPIC, subscription, options)
}
