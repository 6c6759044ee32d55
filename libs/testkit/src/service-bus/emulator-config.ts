import { z } from 'zod'
import type { EntitySettings } from './entity.ts'

const Properties = z.object({
  LockDuration: z.string().optional(),
  MaxDeliveryCount: z.number().int().min(1).optional(),
  DefaultMessageTimeToLive: z.string().optional(),
  DeadLetteringOnMessageExpiration: z.boolean().optional(),
  RequiresSession: z.literal(false).optional(),
  RequiresDuplicateDetection: z.literal(false).optional(),
  ForwardTo: z.literal('').optional(),
  ForwardDeadLetteredMessagesTo: z.literal('').optional(),
})
type Properties = z.infer<typeof Properties>

const Entity = z.object({ Name: z.string().min(1), Properties: Properties.default({}) })

/**
 * The `Config.json` of Microsoft's emulator, as far as this broker goes: no sessions, no duplicate detection, no
 * forwarding, no filters. Anything else is refused rather than ignored.
 * Source: learn.microsoft.com/azure/service-bus-messaging/test-locally-with-service-bus-emulator
 */
export const EmulatorConfig = z.object({
  UserConfig: z.object({
    Namespaces: z.tuple([
      z.object({
        Name: z.string().min(1),
        Queues: z.array(Entity).default([]),
        Topics: z
          .array(
            Entity.extend({
              Subscriptions: z.array(Entity.extend({ Rules: z.array(z.never()).default([]) })).default([]),
            }),
          )
          .default([]),
      }),
    ]),
  }),
})
export type EmulatorConfig = z.input<typeof EmulatorConfig>

/** What a namespace has: every queue and subscription by path, and each topic with the paths of its subscriptions. */
export type Definition = {
  readonly entities: ReadonlyMap<string, EntitySettings>
  readonly topics: ReadonlyMap<string, readonly string[]>
}

export function definitionOf(config: EmulatorConfig): Definition {
  const [namespace] = EmulatorConfig.parse(config).UserConfig.Namespaces
  const entities = new Map<string, EntitySettings>()
  const topics = new Map<string, readonly string[]>()
  for (const queue of namespace.Queues) entities.set(queue.Name, settingsOf(queue.Properties))
  for (const topic of namespace.Topics) {
    const topicTtl = durationMs(topic.Properties.DefaultMessageTimeToLive)
    const paths = topic.Subscriptions.map((subscription) => {
      const path = `${topic.Name}/Subscriptions/${subscription.Name}`
      const settings = settingsOf(subscription.Properties)
      entities.set(path, { ...settings, timeToLiveMs: Math.min(settings.timeToLiveMs, topicTtl ?? Infinity) })
      return path
    })
    topics.set(topic.Name, paths)
  }
  return { entities, topics }
}

/** The service's own defaults. Source: learn.microsoft.com/rest/api/servicebus/controlplane-stable/queues */
const DEFAULT_LOCK_MS = 60_000
const DEFAULT_MAX_DELIVERY_COUNT = 10

function settingsOf(properties: Properties): EntitySettings {
  return {
    lockMs: durationMs(properties.LockDuration) ?? DEFAULT_LOCK_MS,
    maxDeliveryCount: properties.MaxDeliveryCount ?? DEFAULT_MAX_DELIVERY_COUNT,
    timeToLiveMs: durationMs(properties.DefaultMessageTimeToLive) ?? Infinity,
    deadLetterOnExpiration: properties.DeadLetteringOnMessageExpiration ?? false,
  }
}

/** Milliseconds of an ISO 8601 duration of days and less: `PT1M`, `P14D`. */
function durationMs(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const match = /^P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?$/.exec(text)
  if (match === null) throw new Error(`duration is wrong: expected ISO 8601 such as PT1M or P14D, got ${text}`)
  const [days = 0, hours = 0, minutes = 0, seconds = 0] = match.slice(1).map((part) => Number(part ?? 0))
  return (((days * 24 + hours) * 60 + minutes) * 60 + seconds) * 1000
}
