import { QUEUES } from '@cinelake/contracts'

/** What a broker has to know of a queue or a subscription. */
export type EntityProperties = {
  /** How long a message is locked; renewed for as long as the work takes, and what a killed worker's message waits. */
  readonly lockMs: number
  /** How often a message is handed out before it goes to the dead letters. */
  readonly maxDeliveryCount: number
  /** How long a message that nobody takes is kept; then it goes to the dead letters. */
  readonly timeToLiveMs: number
  readonly deadLetteringOnExpiration: boolean
}

/** Everything that the platform needs of a message broker: the one definition that all others are made from. */
export type BusEntities = {
  readonly queues: readonly string[]
  readonly topic: string
  readonly subscriptions: readonly string[]
  readonly properties: EntityProperties
}

/** The topic that all events go to. */
export const EVENTS_TOPIC = 'events'

/** The subscription that the scheduler hears events by. */
const SCHEDULER = 'scheduler'

const DAY_MS = 24 * 60 * 60 * 1000

/**
 * - A lock of a minute: the work of a worker that was killed begins again after that long. Longer would cost time there,
 *   shorter would cost renewals.
 * - Ten deliveries, the service's own default and the emulator's limit.
 * - Two weeks until a message expires: an agent whose site is cut off for that long is a case for a person.
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
  /** Who hears the events besides the scheduler. */
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

/** Letters, digits, dots, dashes and underscores. Source: learn.microsoft.com/azure/azure-resource-manager/management/resource-name-rules, Microsoft.ServiceBus */
export function isEntityName(name: string): boolean {
  return /^[a-z0-9](?:[\w.-]{0,48}[a-z0-9])?$/i.test(name)
}
