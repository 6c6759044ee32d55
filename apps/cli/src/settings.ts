import { busEnv, busSettings, type BusSettings } from '@cinelake/bus'
import { engineEnv, engineSettings, modelRunnerEnv, type EngineLimits } from '@cinelake/engine'
import { lakeEnv, lakeSettings, type LakeSettings } from '@cinelake/lake'
import { MAX_WINDOWS, queueEnv, queueSettings, type QueueSettings } from '@cinelake/scheduler'
import { secretsEnv, secretsSettings, type SecretsSettings } from '@cinelake/secrets'
import { LOG_LEVELS, readEnv, type Settings } from '@cinelake/service'
import { unpackEnv, unpackLimits, type UnpackLimits } from '@cinelake/transformer'
import { QUERY_TIMEOUT_MS, warehouseEnv, warehouseSettings, type WarehouseSettings } from '@cinelake/warehouse'
import path from 'node:path'
import { z } from 'zod'
import { DEFAULT_STATE } from './options.ts'

const apiEnv = {
  /** Address of a deployed scheduler's API: `http://localhost:8080`. */
  CINELAKE_API: z
    .string()
    .refine(isApiAddress, 'expected http:// or https://, a host and at most a path, without user and password')
    .optional(),
  /** For the proxy before it that asks who calls. */
  CINELAKE_API_TOKEN: z.string().optional(),
}

/** Where the parts of a platform are: all of it, or what is not set is kept below the state directory. */
const addressEnv = { ...busEnv, ...lakeEnv, ...warehouseEnv, ...queueEnv, ...apiEnv }

const PlatformEnv = z.object({
  ...addressEnv,
  ...secretsEnv,
  ...engineEnv(1024),
  ...modelRunnerEnv,
  ...unpackEnv,
  /** Windows that one command may run. */
  CINELAKE_MAX_WINDOWS: z.coerce.number().int().min(1).max(100_000).default(MAX_WINDOWS),
  CINELAKE_QUERY_TIMEOUT_S: z.coerce
    .number()
    .positive()
    .max(86_400)
    .default(QUERY_TIMEOUT_MS / 1000),
  CINELAKE_LOG_LEVEL: z.enum(LOG_LEVELS).default('silent'),
})

/** Addresses of the platform's parts, and what its engine may use. */
export type PlatformConfig = {
  readonly stateDirectory: string
  readonly bus: BusSettings
  readonly lake: LakeSettings
  /** Whether the lake is in the state directory, and no address of another one is set. */
  readonly isOwnLake: boolean
  readonly warehouse: WarehouseSettings
  readonly queue: QueueSettings
  readonly secrets: SecretsSettings
  readonly engine: EngineLimits
  /** Address of what models are run with. */
  readonly runner: string
  readonly unpacking: UnpackLimits
  /** What a query may take, where the command does not say. */
  readonly queryTimeoutMs: number
  readonly logLevel: (typeof LOG_LEVELS)[number]
  /** The scheduler that was deployed. */
  readonly api?: SchedulerAddress
  readonly maxWindows: number
}

export type SchedulerAddress = {
  /** Without a slash at its end. */
  readonly url: string
  readonly token?: string
}

/**
 * The platform's configuration from the environment; what is not set there is embedded, below the state directory.
 * @param state the directory that was asked for, if any. It means this machine: where the environment has the addresses of
 *   a deployed platform, none of them is used
 * @throws {ConfigError} terminal: every setting that is wrong
 */
export function platformConfig(environment: Settings, state?: string): PlatformConfig {
  const settings = state !== undefined && isDeployed(environment) ? withoutAddresses(environment) : environment
  const stateDirectory = state ?? DEFAULT_STATE
  const below = (name: string) => path.join(stateDirectory, name)
  const embedded = {
    CINELAKE_LAKE: `file:${below('lake')}`,
    CINELAKE_WAREHOUSE: `pglite:${below('warehouse')}`,
    CINELAKE_SCRATCH: below('scratch'),
  }
  const env = readEnv(PlatformEnv, { ...embedded, ...settings })
  return {
    stateDirectory,
    bus: busSettings(env),
    lake: lakeSettings(env),
    isOwnLake: env.CINELAKE_LAKE === embedded.CINELAKE_LAKE,
    warehouse: warehouseSettings(env),
    queue: queueSettings(env),
    secrets: secretsSettings(env),
    engine: engineSettings(env),
    runner: env.CINELAKE_ENGINE,
    unpacking: unpackLimits(env),
    queryTimeoutMs: env.CINELAKE_QUERY_TIMEOUT_S * 1000,
    logLevel: env.CINELAKE_LOG_LEVEL,
    maxWindows: env.CINELAKE_MAX_WINDOWS,
    ...(env.CINELAKE_API === undefined ? {} : { api: addressOf(env.CINELAKE_API, env.CINELAKE_API_TOKEN) }),
  }
}

/** Settings that only a deployed platform has: its scheduler, its broker, the queue of its timers. */
export function deployedSettings(settings: Settings): string[] {
  const { CINELAKE_API: api, CINELAKE_BUS: bus, CINELAKE_QUEUE: queue } = settings
  const isBroker = (url: string | undefined) => url !== undefined && !url.toLowerCase().startsWith('memory:')
  return [
    ...(api === undefined ? [] : ['CINELAKE_API']),
    ...(isBroker(bus) ? ['CINELAKE_BUS'] : []),
    ...(isBroker(queue) ? ['CINELAKE_QUEUE'] : []),
  ]
}

const isDeployed = (settings: Settings) => deployedSettings(settings).length > 0

/** The proxy stays: it is this machine's. */
function withoutAddresses(settings: Settings): Settings {
  return Object.fromEntries(
    Object.entries(settings).filter(([name]) => !(name in addressEnv && name.startsWith('CINELAKE_'))),
  )
}

function isApiAddress(text: string): boolean {
  const url = URL.parse(text)
  return url !== null && /^https?:$/.test(url.protocol) && url.username + url.password + url.search + url.hash === ''
}

function addressOf(url: string, token: string | undefined): SchedulerAddress {
  return { url: url.replace(/\/+$/, ''), ...(token === undefined ? {} : { token }) }
}
