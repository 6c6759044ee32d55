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
