import type { BusEntities, EntityProperties } from './entities.ts'

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
