import { busEnv, busSettings } from '@cinelake/bus'
import { engineEnv, engineSettings, modelRunnerEnv } from '@cinelake/engine'
import { lakeEnv, lakeSettings } from '@cinelake/lake'
import { databaseEnv, databaseSettings, isDatabaseAddress } from '@cinelake/database'
import { MAX_WINDOWS, queueEnv, queueSettings } from '@cinelake/scheduler'
import { secretsEnv, secretsSettings } from '@cinelake/secrets'
import { LOG_LEVELS, readEnv, type Settings } from '@cinelake/service'
import { unpackEnv, unpackLimits } from '@cinelake/transformer'
import { QUERY_TIMEOUT_MS, warehouseEnv, warehouseSettings } from '@cinelake/warehouse'
import { existsSync } from 'node:fs'
import path from 'node:path'
import { z } from 'zod'
import { DEFAULT_STATE } from './options.ts'

const apiEnv = {
  /** Address of a deployed scheduler's API: `http://localhost:8080`. */
  CINELAKE_API: z
    .string()
    .refine(isApiAddress, 'expected http:// or https://, a host and at most a path, without user and password')
    .optional(),
  /** For an authenticating proxy in front of it. */
  CINELAKE_API_TOKEN: z.string().optional(),
}

/** Addresses of a platform's parts; a part that is not set is kept below the state directory. */
const addressEnv = { ...busEnv, ...lakeEnv, ...warehouseEnv, ...databaseEnv, ...queueEnv, ...apiEnv }

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

/** Addresses of the platform's parts, and the limits of its engine. */
export type PlatformConfig = ReturnType<typeof platformConfig>

/** The deployed scheduler. */
export type SchedulerAddress = {
  /** Without a trailing slash. */
  readonly url: string
  readonly token?: string
}

/**
 * The platform's configuration from the environment; parts that are not set are embedded, below the state directory.
 * @param state the requested directory, if any. It means this machine: where the environment has the addresses of a
 * deployed platform, none of them is used
 * @throws {ConfigError} terminal: every invalid setting
 */
export function platformConfig(environment: Settings, state?: string) {
  const settings = state !== undefined && isDeployed(environment) ? withoutAddresses(environment) : environment
  const stateDirectory = state ?? DEFAULT_STATE
  const below = (name: string) => path.join(stateDirectory, name)
  const embedded = {
    CINELAKE_LAKE: `file:${below('lake')}`,
    CINELAKE_WAREHOUSE: `pglite:${below('warehouse')}`,
    CINELAKE_SCRATCH: below('scratch'),
  }
  const env = readEnv(PlatformEnv, { ...embedded, ...settings })
  const ownDatabase = isDatabaseAddress(env.CINELAKE_WAREHOUSE)
    ? undefined
    : `pglite:${embeddedHistory(stateDirectory)}`
  return {
    stateDirectory,
    bus: busSettings(env),
    lake: lakeSettings(env),
    /** Whether the lake is in the state directory, and no address of another one is set. */
    isOwnLake: env.CINELAKE_LAKE === embedded.CINELAKE_LAKE,
    warehouse: warehouseSettings(env),
    /** Of the run history: by default the warehouse, where that is one. */
    database: databaseSettings({ ...env, CINELAKE_DATABASE: env.CINELAKE_DATABASE ?? ownDatabase }),
    queue: queueSettings(env),
    secrets: secretsSettings(env),
    engine: engineSettings(env),
    /** Address of the runner of models. */
    runner: env.CINELAKE_ENGINE,
    unpacking: unpackLimits(env),
    /** Limit of a query, where the command sets none. */
    queryTimeoutMs: env.CINELAKE_QUERY_TIMEOUT_S * 1000,
    logLevel: env.CINELAKE_LOG_LEVEL,
    maxWindows: env.CINELAKE_MAX_WINDOWS,
    api: env.CINELAKE_API === undefined ? undefined : addressOf(env.CINELAKE_API, env.CINELAKE_API_TOKEN),
  }
}

/** The directories below the state directory in which a run history may be. */
export function historyDirectories(stateDirectory: string): { readonly usual: string; readonly former: string } {
  return { usual: path.join(stateDirectory, 'warehouse'), former: path.join(stateDirectory, 'database') }
}

/**
 * Where the run history is that a warehouse without a database has beside it: where it is without any setting, since it
 * is the memory of the lake, whichever mart is filled from it; or where an earlier version began one for such a warehouse.
 */
function embeddedHistory(stateDirectory: string): string {
  const { usual, former } = historyDirectories(stateDirectory)
  return existsSync(path.join(former, 'PG_VERSION')) ? former : usual
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

/** The proxy stays: it belongs to this machine. */
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
