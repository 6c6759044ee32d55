import type { DatabaseSource } from './config/index.ts'
import type { Fill } from '@cinelake/secrets'
import type { AzureCredential } from '@cinelake/database'
import type { ConnectionSemaphore } from './connection-semaphore.ts'
import { fillAddress, hasSecret, parseAddress } from './database-address.ts'
import { DatabaseLoginRefusedError, databaseSourceErrors } from './errors.ts'
import { openPostgres } from './postgres/postgres.ts'
import type { OpenDatabase, SourceDatabase } from './source-database.ts'
import { openMssql } from './sql-server/sql-server.ts'

export type DatabaseDeps = {
  readonly fill: Fill
  /** If absent, connections are not limited. */
  readonly connections?: ConnectionSemaphore
  /** For Azure databases that are opened without a password. */
  readonly credential?: AzureCredential | undefined
  readonly signal: AbortSignal
}

/** Milliseconds. Sorting a large table without an index takes long before its first row arrives. */
const TIMEOUT_MS = 10 * 60_000

/**
 * Opens a source's database as soon as the source has a free connection permit, and closes it after use. A refused login is
 * retried once with refreshed secrets, which may have been rotated since they were last read.
 */
export async function withDatabase<T>(
  source: DatabaseSource,
  deps: DatabaseDeps,
  work: (database: SourceDatabase) => Promise<T>,
): Promise<T> {
  using _permit = await deps.connections?.take(source, deps.signal)
  return await openFor(source, deps, work)
}

/** Opens an additional connection if the source has a free permit. */
export async function withAnother(
  source: DatabaseSource,
  deps: DatabaseDeps,
  work: (database: SourceDatabase) => Promise<void>,
): Promise<void> {
  using permit = deps.connections?.tryTake(source)
  if (permit !== undefined) await openFor(source, deps, work)
}

async function openFor<T>(
  source: DatabaseSource,
  { fill, signal, credential }: DatabaseDeps,
  work: (database: SourceDatabase) => Promise<T>,
): Promise<T> {
  const attempt = async (refresh: boolean) => {
    const url = await fillAddress(fill, source.url, { refresh })
    const timeoutMs = source.timeoutMs ?? TIMEOUT_MS
    await using database = openDatabase({
      source: source.name,
      url,
      template: source.url,
      timeoutMs,
      signal,
      credential,
    })
    return await work(database)
  }
  try {
    return await attempt(false)
  } catch (error) {
    if (!(error instanceof DatabaseLoginRefusedError) || !hasSecret(source.url)) throw error
    return await attempt(true)
  }
}

/**
 * The database of an address, by its scheme. Does not connect yet.
 * @throws {DATABASE_ADDRESS_INVALID} terminal
 */
export const openDatabase: OpenDatabase = ({ source, url, ...limits }) => {
  const address = parseAddress(source, url)
  if (address.scheme === 'postgres' || address.scheme === 'postgresql')
    return openPostgres({ source, address, ...limits })
  if (address.scheme === 'mssql') return openMssql({ source, address, ...limits })
  throw databaseSourceErrors.DATABASE_ADDRESS_INVALID(source, `the scheme ${address.scheme}:`)
}
