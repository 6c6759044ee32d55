import type { MessageBus } from '@cinelake/bus'
import { openBus as openAnyBus } from '@cinelake/bus/open'
import { ConfigError, silentLog, type Log } from '@cinelake/core'
import type { SqlEngine } from '@cinelake/engine'
import { createDuckDbEngine } from '@cinelake/engine/duckdb'
import type { Lake } from '@cinelake/lake'
import { openLake as openAnyLake } from '@cinelake/lake/open'
import type { OpsSchema } from '@cinelake/run-store'
import { guardSecrets, type GuardedSecrets } from '@cinelake/secrets'
import { openSecrets as openAnySecrets } from '@cinelake/secrets/open'
import { createLog, type Settings } from '@cinelake/service'
import { azureCredential as credential } from '@cinelake/service/azure'
import { openDatabase as openAnyDatabase, openDatabaseToRead, type AnyDatabase } from '@cinelake/warehouse/open'
import { existsSync } from 'node:fs'
import path from 'node:path'
import type { Terminal } from './output/terminal.ts'
import type { PlatformConfig } from './settings.ts'

// The platform's parts as the configuration names them. A log that nobody reads is the default: what fails is told.

export async function openLake({ lake }: Pick<PlatformConfig, 'lake'>): Promise<Lake> {
  return await openAnyLake(lake, { credential })
}

/** @param lake whose files it reads and writes, if any */
export function openEngine(
  { engine }: Pick<PlatformConfig, 'engine'>,
  lake?: Pick<Lake, 'localDirectories'>,
): Promise<SqlEngine> {
  return createDuckDbEngine({ ...engine, directories: lake?.localDirectories ?? [] })
}

export async function openDatabase(
  { warehouse }: Pick<PlatformConfig, 'warehouse'>,
  log: Log = silentLog,
): Promise<AnyDatabase<OpsSchema>> {
  return await openAnyDatabase<OpsSchema>(warehouse, { credential, log })
}

/**
 * The database of a state directory for those who only look into it.
 * @throws {ConfigError} terminal: nothing was run there yet
 */
export async function openExistingDatabase(config: Pick<PlatformConfig, 'warehouse'>): Promise<AnyDatabase<OpsSchema>> {
  requireDatabase(config)
  return await openDatabaseToRead<OpsSchema>(config.warehouse, { credential, log: silentLog })
}

/** @throws {ConfigError} terminal: nothing was run there yet */
export function requireDatabase({ warehouse }: Pick<PlatformConfig, 'warehouse'>): void {
  requireThere(warehouse.url, 'pglite', 'PG_VERSION')
}

/**
 * The lake of a state directory for those who only look into it.
 * @throws {ConfigError} terminal: nothing was run there yet
 */
export async function openExistingLake(config: Pick<PlatformConfig, 'lake'>): Promise<Lake> {
  requireThere(config.lake.url, 'file', '.')
  return await openLake(config)
}

/** A lake in a directory may be gone, or never have been here: the mart is looked into all the same. */
export async function openLakeIfThere(config: Pick<PlatformConfig, 'lake'>): Promise<Lake | undefined> {
  const [, directory] = /^file:(?:\/\/)?(.+)$/i.exec(config.lake.url) ?? []
  return directory !== undefined && !existsSync(directory) ? undefined : await openLake(config)
}

/**
 * Looking makes nothing.
 * @param scheme of the adapter that keeps all in a directory
 * @param mark what is in that directory once there is something to look into
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

/** What the services have to say to an operator: nothing, unless CINELAKE_LOG_LEVEL asks for it; then beside the result. */
export function openLog(
  { logLevel }: Pick<PlatformConfig, 'logLevel'>,
  terminal: Terminal,
  redact: (text: string) => string,
): Log {
  if (logLevel === 'silent') return silentLog
  return createLog({ service: 'cinelake', level: logLevel, redact, destination: { write: terminal.note } })
}
