import {
  RetryMode,
  ServiceBusAdministrationClient,
  ServiceBusClient,
  type RetryOptions,
  type ServiceBusAdministrationClientOptions,
  type ServiceBusClientOptions,
} from '@azure/service-bus'
import type { TokenCredential } from '@azure/core-auth'
import { ConfigError } from '@cinelake/core'
import { waitAtMost } from './wait-at-most.ts'

/** Milliseconds that the broker may take to answer that something is closed. */
const CLOSE_MS = 5000

/** Where a namespace is and how it is entered. */
export type ServiceBusEntrance =
  | { readonly connectionString: string }
  | {
      /** `NAMESPACE.servicebus.windows.net` */
      readonly host: string
      readonly credential: TokenCredential
    }

/** AMQP over WebSockets on port 443, which passes where 5671 does not. */
export type WebSockets = NonNullable<ServiceBusClientOptions['webSocketOptions']>

/**
 * The first tries follow quickly, so that a broker that is restarted is hardly noticed; in a long outage there is one
 * every quarter of a minute. An answer that does not come in 20 s does not come.
 */
const RETRY: RetryOptions = {
  mode: RetryMode.Exponential,
  maxRetries: 4,
  retryDelayInMs: 500,
  maxRetryDelayInMs: 15_000,
  timeoutInMs: 20_000,
}

/**
 * One connection to a namespace. Nothing is sent before it is used.
 * @throws {ConfigError} terminal: a connection string without what has to be in it
 */
export function createClient(
  entrance: ServiceBusEntrance,
  { webSockets, retry = {} }: { readonly webSockets?: WebSockets | undefined; readonly retry?: RetryOptions },
): ServiceBusClient {
  const options: ServiceBusClientOptions = {
    // A copy: the client library fills in what is missing.
    retryOptions: { ...RETRY, ...retry },
    ...(webSockets === undefined ? {} : { webSocketOptions: webSockets }),
  }
  if ('host' in entrance) return new ServiceBusClient(entrance.host, entrance.credential, options)
  const { connectionString } = entrance
  return opened(() => new ServiceBusClient(connectionString, options))
}

/**
 * Manages the entities of a namespace over HTTPS. Nothing is sent before it is used.
 * @throws {ConfigError} terminal: a connection string without what has to be in it
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
    // Not its words as such: nobody promises that they leave out the key.
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
 * Closes a link, or all of a connection, and goes on without the broker's answer when that does not come: a connection
 * that is lost while a link is being closed leaves the client library waiting for ever (rhea-promise 3.0.3, link.js).
 */
export async function closeInTime(open: { close(): Promise<void> }): Promise<void> {
  await waitAtMost(CLOSE_MS, open.close())
}
