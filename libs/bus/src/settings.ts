import { z } from 'zod'

/** The settings of the message bus, as they come from the environment; an app spreads them into its own. */
export const busEnv = {
  /** `memory:` or `sb://NAMESPACE.servicebus.windows.net`, with `?transport=websockets` where only port 443 is open. */
  CINELAKE_BUS: z.string().default('memory:'),
  /** Provides endpoint and key; without it, the identity of the process is used. */
  CINELAKE_BUS_CONNECTION_STRING: z.string().optional(),
  /** The outbound proxy, used where the bus goes over WebSockets. */
  HTTPS_PROXY: z.string().optional(),
  NO_PROXY: z.string().optional(),
}

/** The message bus and its credentials. */
export type BusSettings = {
  readonly url: string
  /** Secret. */
  readonly connectionString?: string
  readonly proxy?: { readonly HTTPS_PROXY: string; readonly NO_PROXY?: string }
}

type BusEnv = z.output<z.ZodObject<typeof busEnv>>

/** The settings of the bus among those of a process. */
export function busSettings(env: BusEnv): BusSettings {
  const { CINELAKE_BUS: url, CINELAKE_BUS_CONNECTION_STRING: connectionString, HTTPS_PROXY, NO_PROXY } = env
  return {
    url,
    ...(connectionString === undefined ? {} : { connectionString }),
    ...(HTTPS_PROXY === undefined
      ? {}
      : { proxy: NO_PROXY === undefined ? { HTTPS_PROXY } : { HTTPS_PROXY, NO_PROXY } }),
  }
}
