import { Semaphore } from '@cinelake/core'
import type { DatabaseSource } from './config/index.ts'
import type { Fill } from '@cinelake/secrets'
import type { AzureCredential } from '@cinelake/database'
import { fillAddress, hasSecret, parseAddress } from './address.ts'
import { DatabaseLoginRefusedError, databaseSourceErrors } from './errors.ts'
import { openPostgres } from './postgres/postgres.ts'
import type { SourceDatabase } from './source-database.ts'
import { openMssql } from './sql-server/sql-server.ts'
import type { OpenOptions } from './technology.ts'

/** The number of open connections to each database in this process, and the waiting callers. */
export class ConnectionSemaphore {
  readonly #permits = new Map<string, Semaphore>()

  /** Waits for a connection permit of a source. */
  take(source: DatabaseSource, signal: AbortSignal): Promise<Disposable> {
    return this.#of(source).acquire(signal)
  }

  /** An additional connection, if a permit is free. A caller that already holds a permit must not wait for another (deadlock). */
  tryTake(source: DatabaseSource): Disposable | undefined {
    return this.#of(source).tryAcquire()
  }

  #of({ url, maxConnections = Infinity }: DatabaseSource): Semaphore {
    const key = `${maxConnections} ${url}`
    const permits = this.#permits.get(key) ?? new Semaphore(maxConnections)
    this.#permits.set(key, permits)
    return permits
  }
}

export type DatabaseDeps = {
  readonly fill: Fill
  /** If absent, connections are not limited. */
  readonly connections?: ConnectionSemaphore
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

/** The database of an address, by its scheme; not connected yet. @throws {DATABASE_ADDRESS_INVALID} terminal */
export function openDatabase({
  url,
  ...options
}: OpenOptions & {
  /** With every placeholder filled in. */
  readonly url: string
}): SourceDatabase {
  const { source } = options
  const address = parseAddress(source, url)
  const { scheme } = address
  if (scheme === 'postgres' || scheme === 'postgresql') return openPostgres({ ...options, address })
  if (scheme === 'mssql') return openMssql({ ...options, address })
  throw databaseSourceErrors.DATABASE_ADDRESS_INVALID(source, `the scheme ${scheme}:`)
}
