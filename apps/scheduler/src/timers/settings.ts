import { z } from 'zod'

/** The settings of the timers' queue, as read from the environment; spread into a service's schema. */
export const queueEnv = {
  /** `memory:`, `redis://[USER[:PASSWORD]@]HOST[:PORT][/DB]`, or `rediss://…` for TLS. */
  CINELAKE_QUEUE: z.string().default('memory:'),
  CINELAKE_QUEUE_PASSWORD: z.string().optional(),
  /** Prefix of all keys in Redis: several platforms may share one. */
  CINELAKE_QUEUE_PREFIX: z.string().min(1).default('cinelake'),
}

export type QueueSettings = {
  readonly url: string
  /** Overrides a password in the address. */
  readonly password?: string
  readonly prefix: string
}

export function queueSettings(env: {
  readonly CINELAKE_QUEUE: string
  readonly CINELAKE_QUEUE_PASSWORD?: string | undefined
  readonly CINELAKE_QUEUE_PREFIX: string
}): QueueSettings {
  const { CINELAKE_QUEUE: url, CINELAKE_QUEUE_PASSWORD: password, CINELAKE_QUEUE_PREFIX: prefix } = env
  return { url, prefix, ...(password === undefined ? {} : { password }) }
}
