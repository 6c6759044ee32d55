import type { TokenCredential } from '@azure/core-auth'
import {
  RetryMode,
  type RetryOptions,
  ServiceBusAdministrationClient,
  type ServiceBusAdministrationClientOptions,
  ServiceBusClient,
  type ServiceBusClientOptions,
  type ServiceBusReceiver,
} from '@azure/service-bus'
import { ConfigError } from '@cinelake/core'
import { EVENTS_TOPIC } from '../entities.ts'

/** Milliseconds that the broker may take to confirm a close. */
const CLOSE_MS = 5000

/** A namespace's address and credentials. */
export type ServiceBusEntrance =
  | { readonly connectionString: string }
  | {
      /** `NAMESPACE.servicebus.windows.net` */
      readonly host: string
      readonly credential: TokenCredential
    }

/** AMQP over WebSockets on port 443, which is open where 5671 is not. */
export type WebSockets = NonNullable<ServiceBusClientOptions['webSocketOptions']>

/**
 * The first retries follow quickly, so that a broker restart is hardly noticed; in a long outage there is one retry
 * every quarter of a minute. An answer that takes longer than 20 s is considered lost.
 */
const RETRY: RetryOptions = {
  mode: RetryMode.Exponential,
  maxRetries: 4,
  retryDelayInMs: 500,
  maxRetryDelayInMs: 15_000,
  timeoutInMs: 20_000,
}

/**
 * One connection to a namespace. Nothing is sent before its first use.
 * @throws {ConfigError} terminal: an incomplete connection string
 */
export function createClient(
  entrance: ServiceBusEntrance,
  { webSockets, retry = {} }: { readonly webSockets?: WebSockets | undefined; readonly retry?: RetryOptions },
): ServiceBusClient {
  const options: ServiceBusClientOptions = {
    // A copy: the client library modifies it.
    retryOptions: { ...RETRY, ...retry },
    ...(webSockets === undefined ? {} : { webSocketOptions: webSockets }),
  }
  if ('host' in entrance) return new ServiceBusClient(entrance.host, entrance.credential, options)
  const { connectionString } = entrance
  return opened(() => new ServiceBusClient(connectionString, options))
}

/**
 * Manages the entities of a namespace over HTTPS. Nothing is sent before its first use.
 * @throws {ConfigError} terminal: an incomplete connection string
 */
export function createAdministrationClient(
  entrance: ServiceBusEntrance,
  options: ServiceBusAdministrationClientOptions,
): ServiceBusAdministrationClient {
  if ('host' in entrance) return new ServiceBusAdministrationClient(entrance.host, entrance.credential, options)
  const { connectionString } = entrance
  return opened(() => new ServiceBusAdministrationClient(connectionString, options))
}

function opened<Client>(open: () => Client): Client {
  try {
    return open()
  } catch (error) {
    // Not its message as such: it may contain the key.
    throw new ConfigError(
      'the connection string of the message bus cannot be used',
      [
        'expected Endpoint=sb://NAMESPACE.servicebus.windows.net/;SharedAccessKeyName=…;SharedAccessKey=…, as the portal shows it, got something else',
      ],
      { cause: new Error(error instanceof Error ? error.name : 'unknown') },
    )
  }
}

/**
 * Closes a link or a connection, and continues after a timeout if the broker does not answer: if the connection is lost
 * while a link is being closed, the client library waits for ever (rhea-promise 3.0.3, link.js).
 */
export async function closeInTime(open: { close(): Promise<void> }): Promise<void> {
  await waitAtMost(CLOSE_MS, open.close())
}

/** Waits for a promise with a timeout in milliseconds. @returns undefined on timeout */
export async function waitAtMost<T>(milliseconds: number, coming: Promise<T>): Promise<T | undefined> {
  const late = Promise.withResolvers<undefined>()
  const timer = setTimeout(() => late.resolve(undefined), milliseconds)
  try {
    return await Promise.race([coming, late.promise])
  } finally {
    clearTimeout(timer)
  }
}

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
