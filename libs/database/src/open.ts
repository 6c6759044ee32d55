import { defineErrors, openByScheme, transient, type Log } from '@cinelake/core'
import path from 'node:path'
import type { PgliteDatabase } from './postgres/pglite.ts'
import type { PostgresConnections, PostgresDatabase } from './postgres/postgres.ts'
import type { AzureCredential, DatabaseSettings } from './database.ts'
import { tryLock } from './sql-server/locks.ts'
import type { MssqlDatabase, MssqlPool } from './sql-server/sql-server.ts'

export type AnyDatabase<Schema> = PgliteDatabase<Schema> | PostgresDatabase<Schema> | MssqlDatabase<Schema>

export type DatabaseDeps = { readonly credential: AzureCredential; readonly log: Log }

/** Opens the database that an address names. @throws {ConfigError} terminal: unknown scheme, incomplete address */
export async function openDatabase<Schema>(
  settings: DatabaseSettings,
  deps: DatabaseDeps,
): Promise<AnyDatabase<Schema>> {
  // Each adapter has a driver of several megabytes: only the chosen one is loaded.
  const onPostgres = () => async () =>
    await (await import('./postgres/postgres.ts')).openPostgresDatabase<Schema>(settings, deps)
  const open = openByScheme<() => Promise<AnyDatabase<Schema>>>(
    settings.url,
    {
      pglite: (directory) => async () =>
        await (
          await import('./postgres/pglite.ts')
        ).openPgliteDatabase<Schema>(directory === '' ? undefined : directory),
      postgres: onPostgres,
      postgresql: onPostgres,
      mssql: () => async () =>
        await (await import('./sql-server/sql-server.ts')).openMssqlDatabase<Schema>(settings, deps),
    },
    settings.setting ?? 'CINELAKE_DATABASE',
  )
  return await open()
}

/** As `openDatabase`, to read only: beside the process that works on an embedded database, if there is one. */
export async function openDatabaseToRead<Schema>(
  settings: DatabaseSettings,
  deps: DatabaseDeps,
): Promise<AnyDatabase<Schema>> {
  const directory = embeddedDirectory(settings)
  if (directory === undefined) return await openDatabase(settings, deps)
  return await (await import('./postgres/pglite.ts')).openPgliteReader<Schema>(directory, deps.log)
}

/** The directory of the embedded database, where the address names one. */
export function embeddedDirectory({ url }: Pick<DatabaseSettings, 'url'>): string | undefined {
  const [, directory] = /^pglite:(?:\/\/)?(.+)$/i.exec(url) ?? []
  return directory
}

/** The databases of one process: each is opened once for all callers, and closed with them. */
export interface Databases extends AsyncDisposable {
  open<Schema>(settings: DatabaseSettings): Promise<AnyDatabase<Schema>>
}

/** @param isReadOnly as `openDatabaseToRead` */
export function createDatabases(
  deps: DatabaseDeps,
  { isReadOnly = false }: { readonly isReadOnly?: boolean } = {},
): Databases {
  const open = isReadOnly ? openDatabaseToRead<unknown> : openDatabase<unknown>
  const opened = new Map<string, Promise<AnyDatabase<unknown>>>()
  return {
    async open<Schema>(settings: DatabaseSettings) {
      const key = identityOf(settings)
      const database = opened.get(key) ?? open(settings, deps)
      opened.set(key, database)
      // A retry may find it.
      database.catch(() => opened.delete(key))
      return (await database) as AnyDatabase<Schema>
    },
    async [Symbol.asyncDispose]() {
      const settled = await Promise.allSettled(opened.values())
      await using closing = new AsyncDisposableStack()
      for (const one of settled) if (one.status === 'fulfilled') closing.use(one.value)
    },
  }
}

/** Spellings of one directory share one embedded database; `postgresql:` is `postgres:`. */
function identityOf(settings: DatabaseSettings): string {
  const directory = embeddedDirectory(settings)
  return JSON.stringify(
    directory === undefined
      ? [settings.url.replace(/^postgresql:/i, 'postgres:'), settings.password]
      : ['pglite:', path.resolve(directory)],
  )
}

/**
 * Locks a database for one process with all services until it is disposed; an embedded one is one process's anyway.
 * @throws {WAREHOUSE_TAKEN} transient: another process, which continues the same runs, has it
 */
export async function takeDatabase<Schema>(database: AnyDatabase<Schema>): Promise<AsyncDisposable> {
  if (database.adapter === 'pglite') return { async [Symbol.asyncDispose]() {} }
  return database.adapter === 'sql-server' ? await takeMssql(database) : await takePostgres(database)
}

const takingErrors = defineErrors({
  /** Another process has taken the database. */
  WAREHOUSE_TAKEN: transient((location: string) => [
    `another process runs pipelines on the database [database=${location}]: expected none, since a run continues whatever is unfinished, theirs as well; wait until it has ended, or use a database of your own`,
    { database: location },
  ]),
})

const LOCK = 'cinelake runs of one process'

/** @returns held until it is disposed, or the connection ends @throws {WAREHOUSE_TAKEN} transient */
async function takePostgres(database: Pick<PostgresConnections, 'acquire' | 'location'>): Promise<AsyncDisposable> {
  const client = await database.acquire()
  try {
    const { rows } = await client.query<{ held: boolean }>(
      'SELECT pg_try_advisory_lock(hashtextextended($1, 0)) AS held',
      [LOCK],
    )
    if (rows[0]?.held !== true) throw takingErrors.WAREHOUSE_TAKEN(database.location)
  } catch (error) {
    client.release(true)
    throw error
  }
  // The lock is the connection's, and ends with it.
  return { [Symbol.asyncDispose]: async () => client.release(true) }
}

/** As `takePostgres`. */
async function takeMssql({ pool }: { readonly pool: MssqlPool }): Promise<AsyncDisposable> {
  const taken = Promise.withResolvers<boolean>()
  const released = Promise.withResolvers<void>()
  const held = pool.use(async (session) => {
    const isHeld = await tryLock(session, LOCK, 'Session', 0)
    taken.resolve(isHeld)
    if (!isHeld) return
    await released.promise
    session.discard()
  })
  held.catch(taken.reject)
  if (!(await taken.promise)) throw takingErrors.WAREHOUSE_TAKEN(pool.location)
  return {
    async [Symbol.asyncDispose]() {
      released.resolve()
      await held
    },
  }
}
