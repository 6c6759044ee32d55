import { createMemoryBus } from '@cinelake/bus/memory'
import type { MessageBus } from '@cinelake/bus'
import type { SqlEngine } from '@cinelake/engine'
import { createDuckDbEngine } from '@cinelake/engine/duckdb'
import type { Lake } from '@cinelake/lake'
import { createDirectoryLake } from '@cinelake/lake/directory'
import type { OpsSchema, Timers } from '@cinelake/scheduler'
import { createMemoryTimers } from '@cinelake/scheduler/memory-timers'
import { guardSecrets, type GuardedSecrets } from '@cinelake/secrets'
import { createEnvSecrets } from '@cinelake/secrets/env'
import { createFileSecrets } from '@cinelake/secrets/file'
import { createLog, type Settings } from '@cinelake/service'
import { ConfigError, openByScheme, silentLog, type Log } from '@cinelake/core'
import { createPgliteWarehouse, openPgliteDatabase, type PgliteDatabase } from '@cinelake/warehouse/pglite'
import type { Warehouse } from '@cinelake/warehouse'
import { existsSync } from 'node:fs'
import type { Terminal } from './output/terminal.ts'
import type { PlatformConfig } from './settings.ts'

// Each part by the scheme of its address: the only place of the command line that names a technology.

export function openLake({ lake }: Pick<PlatformConfig, 'lake'>): Promise<Lake> {
  return openByScheme(lake, { file: (root) => createDirectoryLake(root) }, 'CINELAKE_LAKE')
}

export function openEngine({ engine }: Pick<PlatformConfig, 'engine'>): Promise<SqlEngine> {
  return createDuckDbEngine(engine)
}

export function openDatabase({ warehouse }: Pick<PlatformConfig, 'warehouse'>): Promise<PgliteDatabase<OpsSchema>> {
  return openByScheme(
    warehouse,
    { pglite: (directory) => openPgliteDatabase<OpsSchema>(directory) },
    'CINELAKE_WAREHOUSE',
  )
}

/**
 * The database of a state directory for those who only look into it.
 * @throws {ConfigError} terminal: nothing was run there yet
 */
export async function openExistingDatabase(
  config: Pick<PlatformConfig, 'warehouse'>,
): Promise<PgliteDatabase<OpsSchema>> {
  requireThere(openByScheme(config.warehouse, { pglite: (directory) => directory }, 'CINELAKE_WAREHOUSE'))
  return await openDatabase(config)
}

/**
 * The lake of a state directory for those who only look into it.
 * @throws {ConfigError} terminal: nothing was run there yet
 */
export async function openExistingLake(config: Pick<PlatformConfig, 'lake'>): Promise<Lake> {
  requireThere(openByScheme(config.lake, { file: (root) => root }, 'CINELAKE_LAKE'))
  return await openLake(config)
}

/** Looking makes nothing. */
function requireThere(directory: string): void {
  if (existsSync(directory)) return
  throw new ConfigError('there is nothing to look into yet', [
    `${directory}: expected a directory that a run made, got none; run a pipeline first, or name another place with --state`,
  ])
}

export function openWarehouse(database: PgliteDatabase<OpsSchema>): Promise<Warehouse> {
  return createPgliteWarehouse(database)
}

export function openBus({ bus }: Pick<PlatformConfig, 'bus'>, log: Log): MessageBus {
  return openByScheme(bus, { memory: () => createMemoryBus({ log }) }, 'CINELAKE_BUS')
}

export function openTimers({ queue }: Pick<PlatformConfig, 'queue'>, log: Log): Timers {
  return openByScheme(queue, { memory: () => createMemoryTimers({ log }) }, 'CINELAKE_QUEUE')
}

export function openSecrets({ secrets }: Pick<PlatformConfig, 'secrets'>, settings: Settings): GuardedSecrets {
  return guardSecrets(
    openByScheme(
      secrets,
      { env: () => createEnvSecrets(settings), file: (directory) => createFileSecrets(directory) },
      'CINELAKE_SECRETS',
    ),
  )
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
