import { QUEUES } from '@cinelake/contracts'

/** The broker's settings of a queue or a subscription. */
export type EntityProperties = {
  /**
   * Lock duration of a message; renewed while the work lasts. A killed worker's message is redelivered after this time.
   */
  readonly lockMs: number
  /** Deliveries before a message is dead-lettered. */
  readonly maxDeliveryCount: number
  /** Time to live of a message that no consumer receives; then it is dead-lettered. */
  readonly timeToLiveMs: number
  readonly deadLetteringOnExpiration: boolean
}

/** All broker entities of the platform: the one definition that all other forms are generated from. */
export type BusEntities = {
  readonly queues: readonly string[]
  readonly topic: string
  readonly subscriptions: readonly string[]
  readonly properties: EntityProperties
}

/** The topic that all events go to. */
export const EVENTS_TOPIC = 'events'

/** The subscription that the scheduler receives events from. */
const SCHEDULER = 'scheduler'

const DAY_MS = 24 * 60 * 60 * 1000

/**
 * - A lock of a minute: a killed worker's message is redelivered after it. A longer lock delays that, a shorter one
 * costs renewals.
 * - Ten deliveries, the service's own default and the emulator's limit.
 * - Two weeks until a message expires: an agent whose site is offline for that long needs an operator.
 */
export const ENTITY_PROPERTIES: EntityProperties = {
  lockMs: 60_000,
  maxDeliveryCount: 10,
  timeToLiveMs: 14 * DAY_MS,
  deadLetteringOnExpiration: true,
}

export type EntityChoice = {
  /** Sites with agents of their own: each gets the queue `ingest-files.<site>`. */
  readonly sites?: readonly string[]
  /** Further subscribers of the events, in addition to the scheduler. */
  readonly subscriptions?: readonly string[]
}

/** The queues, the topic and the subscriptions of an installation. */
export function busEntities({ sites = [], subscriptions = [] }: EntityChoice = {}): BusEntities {
  return {
    queues: [...QUEUES, ...sites.map((site) => `ingest-files.${site}`)],
    topic: EVENTS_TOPIC,
    subscriptions: [...new Set([SCHEDULER, ...subscriptions])],
    properties: ENTITY_PROPERTIES,
  }
}

/**
 * Letters, digits, dots, dashes and underscores. Source:
 * learn.microsoft.com/azure/azure-resource-manager/management/resource-name-rules, Microsoft.ServiceBus
 */
export function isEntityName(name: string): boolean {
  return /^[a-z0-9](?:[\w.-]{0,48}[a-z0-9])?$/i.test(name)
}

/** The emulator's limits. Source: learn.microsoft.com/azure/service-bus-messaging/overview-emulator, "Usage quotas" */
const EMULATOR = { namespace: 'sbemulatorns', maxLockMs: 300_000, maxTimeToLiveMs: 3_600_000, maxDeliveryCount: 10 }

/**
 * The `Config.json` of Microsoft's emulator, which the loopback broker reads as well. Values beyond the emulator's
 * limits are reduced to them.
 */
export function emulatorConfig({ queues, topic, subscriptions, properties }: BusEntities) {
  const timeToLiveMs = Math.min(properties.timeToLiveMs, EMULATOR.maxTimeToLiveMs)
  const Properties = {
    LockDuration: iso8601(Math.min(properties.lockMs, EMULATOR.maxLockMs)),
    MaxDeliveryCount: Math.min(properties.maxDeliveryCount, EMULATOR.maxDeliveryCount),
    DefaultMessageTimeToLive: iso8601(timeToLiveMs),
    DeadLetteringOnMessageExpiration: properties.deadLetteringOnExpiration,
  }
  return {
    UserConfig: {
      Namespaces: [
        {
          Name: EMULATOR.namespace,
          Queues: queues.map((Name) => ({ Name, Properties })),
          Topics: [
            {
              Name: topic,
              Properties: { DefaultMessageTimeToLive: iso8601(timeToLiveMs) },
              Subscriptions: subscriptions.map((Name) => ({ Name, Properties })),
            },
          ],
        },
      ] as [
        { Name: string; Queues: EmulatorEntity[]; Topics: (EmulatorEntity & { Subscriptions: EmulatorEntity[] })[] },
      ],
      Logging: { Type: 'File' },
    },
  }
}

type EmulatorEntity = { Name: string; Properties: Readonly<Record<string, string | number | boolean>> }

/** Version of the resource provider's schema. Source: learn.microsoft.com/azure/templates/microsoft.servicebus */
const API_VERSION = '2024-01-01'

/**
 * An ARM template of the entities in an existing namespace, for `az deployment group create` or as a module of a
 * Bicep file. JSON and not Bicep: it is generated, and checked without a compiler.
 */
export function armTemplate({ queues, topic, subscriptions, properties }: BusEntities) {
  const inNamespace = (...names: string[]) => `[concat(parameters('namespace'), '/${names.join('/')}')]`
  const entity = armProperties(properties)
  return {
    $schema: 'https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#',
    contentVersion: '1.0.0.0',
    parameters: {
      namespace: {
        type: 'string',
        metadata: { description: 'Name of the Service Bus namespace, without its domain.' },
      },
    },
    resources: [
      ...queues.map((queue) => ({
        type: 'Microsoft.ServiceBus/namespaces/queues',
        apiVersion: API_VERSION,
        name: inNamespace(queue),
        properties: entity,
      })),
      {
        type: 'Microsoft.ServiceBus/namespaces/topics',
        apiVersion: API_VERSION,
        name: inNamespace(topic),
        properties: { defaultMessageTimeToLive: entity.defaultMessageTimeToLive },
      },
      ...subscriptions.map((subscription) => ({
        type: 'Microsoft.ServiceBus/namespaces/topics/subscriptions',
        apiVersion: API_VERSION,
        name: inNamespace(topic, subscription),
        dependsOn: [`[resourceId('Microsoft.ServiceBus/namespaces/topics', parameters('namespace'), '${topic}')]`],
        properties: entity,
      })),
    ],
  }
}

function armProperties({ lockMs, maxDeliveryCount, timeToLiveMs, deadLetteringOnExpiration }: EntityProperties) {
  return {
    lockDuration: iso8601(lockMs),
    maxDeliveryCount,
    defaultMessageTimeToLive: iso8601(timeToLiveMs),
    deadLetteringOnMessageExpiration: deadLetteringOnExpiration,
  }
}

/** A duration in milliseconds as Azure writes it: `PT1M`, `P14D`, `PT1.5S`. */
export function iso8601(milliseconds: number): string {
  const seconds = milliseconds / 1000
  if (seconds >= 86_400 && seconds % 86_400 === 0) return `P${seconds / 86_400}D`
  if (seconds >= 60 && seconds % 60 === 0) return `PT${seconds / 60}M`
  return `PT${seconds}S`
}
