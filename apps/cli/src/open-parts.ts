import path from 'node:path'
import type { MessageBus } from '@cinelake/bus'
import { openBus as openAnyBus } from '@cinelake/bus/open'
import { ConfigError, type Log, silentLog } from '@cinelake/core'
import {
  type AnyDatabase,
  type Databases,
  createDatabases as createAnyDatabases,
  openDatabaseToRead,
} from '@cinelake/database/open'
import type { SqlEngine } from '@cinelake/engine'
import { createDuckDbEngine } from '@cinelake/engine/duckdb'
import type { Lake } from '@cinelake/lake'
import { openLake as openAnyLake } from '@cinelake/lake/open'
import { openPlace as openServer, placeSchemeOf } from '@cinelake/file-places'
import { type DeliveryPlace, onServer, type PlaceSettings } from '@cinelake/loader'
import { type OpsSchema, type RunHistory, openRunHistory } from '@cinelake/run-store'
import { type GuardedSecrets, guardSecrets } from '@cinelake/secrets'
import { openSecrets as openAnySecrets } from '@cinelake/secrets/open'
import { type Settings, createLog } from '@cinelake/service'
import { type AzureCredential, azureCredential as credential } from '@cinelake/service/azure'
import { type Warehouse, WarehouseUnavailableError } from '@cinelake/warehouse'
import { openWarehouse as openAnyWarehouse } from '@cinelake/warehouse/open'
import { existsSync } from 'node:fs'
import type { Terminal } from './output/terminal.ts'
import { createSchedulerClient } from './scheduler-client.ts'
import type { PlatformConfig } from './settings.ts'

// The platform's parts as configured. The default log is discarded: failures are reported by errors.

export async function openLake({ lake }: Pick<PlatformConfig, 'lake'>): Promise<Lake> {
  return await openAnyLake(lake, { credential })
}

/** A place that files are delivered to. */
export async function openPlace(
  { lake }: Pick<PlatformConfig, 'lake'>,
  { path, access }: PlaceSettings,
  identity: AzureCredential,
): Promise<DeliveryPlace> {
  if (placeSchemeOf(path) === undefined)
    return await openAnyLake({ url: `file:${path}`, scratch: lake.scratch }, { credential: identity })
  return onServer(await openServer(path, access, { credential: identity }))
}

/** @param lake whose files the engine reads and writes, if any */
export function openEngine(
  { engine }: Pick<PlatformConfig, 'engine'>,
  lake?: Pick<Lake, 'localDirectories'>,
): Promise<SqlEngine> {
  return createDuckDbEngine({ ...engine, directories: lake?.localDirectories ?? [] })
}

/** The run history and the mart may share a database. */
export function createDatabases(log: Log): Databases {
  return createAnyDatabases({ credential, log })
}

/** The database of the run history, read-only. @throws {ConfigError} terminal: no run has been made there yet */
export async function openExistingDatabase({
  database,
}: Pick<PlatformConfig, 'database'>): Promise<AnyDatabase<OpsSchema>> {
  requireThere(database.url, 'pglite', 'PG_VERSION')
  return await openDatabaseToRead<OpsSchema>(database, { credential, log: silentLog })
}

export async function openWarehouse(
  { warehouse }: Pick<PlatformConfig, 'warehouse'>,
  log: Log,
  databases: Databases,
): Promise<Warehouse> {
  return await openAnyWarehouse(warehouse, { credential, log, databases })
}

/** The mart, read-only. @throws {ConfigError} terminal: no run has been made there yet */
async function openExistingWarehouse(config: Pick<PlatformConfig, 'warehouse'>): Promise<Warehouse> {
  requireWarehouse(config)
  return await openAnyWarehouse(config.warehouse, { credential, log: silentLog, isReadOnly: true })
}

/** @throws {ConfigError} terminal: no run has been made there yet */
export function requireWarehouse({ warehouse }: Pick<PlatformConfig, 'warehouse'>): void {
  requireThere(warehouse.url, 'pglite', 'PG_VERSION')
}

/** The lake of a state directory, read-only. @throws {ConfigError} terminal: no run has been made there yet */
export async function openExistingLake(config: Pick<PlatformConfig, 'lake'>): Promise<Lake> {
  requireThere(config.lake.url, 'file', '.')
  return await openLake(config)
}

/** A lake in a directory may be missing; the mart is readable all the same. */
export async function openLakeIfThere(config: Pick<PlatformConfig, 'lake'>): Promise<Lake | undefined> {
  const [, directory] = /^file:(?:\/\/)?(.+)$/i.exec(config.lake.url) ?? []
  return directory !== undefined && !existsSync(directory) ? undefined : await openLake(config)
}

/**
 * Read-only commands create nothing.
 * @param scheme of the adapter that keeps everything in a directory
 * @param mark file in that directory that exists once there is something to read
 */
function requireThere(url: string, scheme: string, mark: string): void {
  const prefix = `${scheme}:`
  if (!url.toLowerCase().startsWith(prefix)) return
  const directory = url.slice(prefix.length).replace(/^\/\//, '')
  if (existsSync(path.join(directory, mark))) return
  throw new ConfigError('there is nothing to look into yet', [
    `${directory}: expected a directory that a run made, got none; run a pipeline first, or name another place with --state`,
  ])
}

export async function openBus({ bus }: Pick<PlatformConfig, 'bus'>, log: Log): Promise<MessageBus> {
  return await openAnyBus(bus, { credential, log })
}

export async function openSecrets(
  { secrets }: Pick<PlatformConfig, 'secrets'>,
  settings: Settings,
): Promise<GuardedSecrets> {
  return guardSecrets(await openAnySecrets(secrets, { settings, credential }))
}

/** The services' log for an operator: off, unless CINELAKE_LOG_LEVEL enables it; then on standard error. */
export function openLog(
  { logLevel }: Pick<PlatformConfig, 'logLevel'>,
  terminal: Terminal,
  redact: (text: string) => string,
): Log {
  if (logLevel === 'silent') return silentLog
  return createLog({ service: 'cinelake', level: logLevel, redact, destination: { write: terminal.note } })
}

/**
 * Opens the mart for a read-only command. The process that owns it may end meanwhile: then it is opened again, once.
 * @param mayRepeat whether the work can be repeated without loss or duplication
 */
export async function readWarehouse<Result>(
  config: Pick<PlatformConfig, 'warehouse'>,
  work: (warehouse: Warehouse) => Promise<Result>,
  mayRepeat: () => boolean = () => true,
): Promise<Result> {
  try {
    return await once(config, work)
  } catch (error) {
    if (!(error instanceof WarehouseUnavailableError) || !mayRepeat()) throw error
    return await once(config, work)
  }
}

async function once<Result>(
  config: Pick<PlatformConfig, 'warehouse'>,
  work: (warehouse: Warehouse) => Promise<Result>,
): Promise<Result> {
  await using warehouse = await openExistingWarehouse(config)
  return await work(warehouse)
}

/**
 * The run history, read-only: of the scheduler that `CINELAKE_API` names, otherwise from the database. Opens neither
 * the bus nor the timers, from which a process could consume messages of a platform.
 */
export async function openHistory(
  config: Pick<PlatformConfig, 'api' | 'database'>,
  signal: AbortSignal,
): Promise<AsyncDisposable & RunHistory> {
  if (config.api !== undefined) {
    return { ...createSchedulerClient(config.api, signal), [Symbol.asyncDispose]: async () => {} }
  }
  await using opening = new AsyncDisposableStack()
  const database = opening.use(await openExistingDatabase(config))
  const history = await openRunHistory(database)
  const owned = opening.move()
  return { ...history, [Symbol.asyncDispose]: async () => await owned.disposeAsync() }
}
