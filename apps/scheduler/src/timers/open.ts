import { openByScheme, type Log } from '@cinelake/core'
import { createMemoryTimers } from './memory/timers.ts'
import type { QueueSettings } from './settings.ts'
import type { Timers } from './timers.ts'

/**
 * Opens the timers that the scheme of `CINELAKE_QUEUE` names. Does not fail while Redis is down.
 * @throws {ConfigError} terminal: the address is invalid
 */
export async function openTimers(settings: QueueSettings, { log }: { readonly log: Log }): Promise<Timers> {
  const redis = async () => {
    // The embedded mode must not load the Redis client.
    const { createBullmqTimers } = await import('./bullmq/timers.ts')
    return createBullmqTimers(settings, { log })
  }
  const memory = async () => createMemoryTimers({ log })
  return await openByScheme<() => Promise<Timers>>(
    settings.url,
    { memory: () => memory, redis: () => redis, rediss: () => redis },
    'CINELAKE_QUEUE',
  )()
}
