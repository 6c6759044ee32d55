import type { ServiceBusClient, ServiceBusReceiver } from '@azure/service-bus'
import { EVENTS_TOPIC } from '../entities.ts'

const SUBSCRIPTION = `${EVENTS_TOPIC}/`

/** The subscription of an entity name; undefined for a queue. */
function subscriptionOf(entity: string): string | undefined {
  return entity.startsWith(SUBSCRIPTION) ? entity.slice(SUBSCRIPTION.length) : undefined
}

/** The entity name of a subscription. */
export function entityOfSubscription(subscription: string): string {
  return `${SUBSCRIPTION}${subscription}`
}

/** The address to send to in order to reach an entity: a subscription is reached through its topic. */
export function targetOf(entity: string): string {
  return subscriptionOf(entity) === undefined ? entity : EVENTS_TOPIC
}

/** Receives from an entity or its dead letters; locks and settlements are handled by us, not by the client library. */
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
