import {
  lockDirectory,
  makeDirectory,
  PipelineError,
  reasonOf,
  silentLog,
  type DirectoryHolder,
  type Log,
} from '@cinelake/core'
import { Kysely, PGliteDialect } from 'kysely'
import path from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { Database } from '../database.ts'
import { databaseErrors, DatabaseInUseError } from '../errors.ts'
import { askToLeave, connectBeside, serveBeside } from './pglite-beside.ts'
import { fileSystemError } from './pglite-disk.ts'
import { EmbeddedPostgres } from './pglite-thread.ts'
import type { PostgresDatabase } from './postgres.ts'

export { besideSessions, LEAVE_NOTHING } from './pglite-beside.ts'
export type { EmbeddedPostgres, EmbeddedSession, ExclusiveSessions } from './pglite-thread.ts'

/** The embedded PostgreSQL of one process, with the handle that bulk loads need. */
export interface PgliteDatabase<Schema> extends Database<Schema> {
  readonly dialect: 'postgres'
  readonly adapter: 'pglite'
  readonly pglite: EmbeddedPostgres
}

/** Milliseconds that a process that only reads is given to leave the directory to one that works on it. */
const LEAVE_TIMEOUT_MS = 20_000
const LEAVE_INTERVAL_MS = 50

/**
 * Opens the embedded PostgreSQL in a directory, making it when there is none. What was committed is there again after
 * the process was killed. One process at a time works on it: a second one is refused. Others may read beside this one,
 * through `connectBeside`; one that has it open only to read is asked to leave.
 *
 * @param directory without one, a database in memory that is gone when it is disposed (slower; for tests and trials)
 * @throws {DatabaseInUseError} transient: another process works on the directory
 * @throws {WAREHOUSE_DISK_FULL} transient @throws {WAREHOUSE_DIRECTORY_UNUSABLE} transient
 * @throws {WAREHOUSE_DIRECTORY_INVALID} terminal: what is in the directory cannot be opened as a database
 */
export async function openPgliteDatabase<Schema>(directory?: string): Promise<PgliteDatabase<Schema>> {
  if (directory === undefined) return await openLocked(undefined, new AsyncDisposableStack())
  const giveUpAt = performance.now() + LEAVE_TIMEOUT_MS
  for (;;) {
    try {
      return await openHere(directory)
    } catch (error) {
      if (!(error instanceof DatabaseInUseError) || performance.now() > giveUpAt) throw error
      if (!(await askToLeave(directory))) throw error
      await pause(LEAVE_INTERVAL_MS)
    }
  }
}

/**
 * Opens the directory if no other process has it, and serves others that read meanwhile.
 * @param onLeave a process wants to work on it; without, it is told that this one does
 * @throws {DatabaseInUseError} transient @throws {WAREHOUSE_DIRECTORY_INVALID} terminal
 * @throws {WAREHOUSE_DISK_FULL} transient @throws {WAREHOUSE_DIRECTORY_UNUSABLE} transient
 */
export async function openHere<Schema>(directory: string, onLeave?: () => void): Promise<PgliteDatabase<Schema>> {
  const opening = new AsyncDisposableStack()
  try {
    opening.use(await lock(directory))
    return await openLocked(directory, opening, onLeave)
  } catch (error) {
    await opening.disposeAsync()
    throw error
  }
}

async function openLocked<Schema>(
  directory: string | undefined,
  owned: AsyncDisposableStack,
  onLeave?: () => void,
): Promise<PgliteDatabase<Schema>> {
  const pglite = await EmbeddedPostgres.open(directory && path.resolve(directory)).catch((error: unknown) => {
    if (directory === undefined || error instanceof PipelineError) throw error
    throw databaseErrors.WAREHOUSE_DIRECTORY_INVALID(directory, reasonOf(error), { cause: error })
  })
  owned.defer(() => pglite.close())
  const beside = directory === undefined ? undefined : await serveBeside(directory, pglite, onLeave)
  if (beside !== undefined) owned.use(beside)
  return {
    db: new Kysely<Schema>({ dialect: new PGliteDialect({ pglite }) }),
    pglite,
    dialect: 'postgres',
    adapter: 'pglite',
    location: `pglite:${directory ?? ''}`,
    async [Symbol.asyncDispose]() {
      await owned.disposeAsync()
    },
  }
}

async function lock(directory: string): Promise<AsyncDisposable> {
  const inUse = ({ holder, lockFile }: DirectoryHolder) => new DatabaseInUseError(directory, holder, lockFile)
  try {
    await makeDirectory(path.dirname(path.resolve(directory)))
    return await lockDirectory(directory, inUse)
  } catch (error) {
    throw fileSystemError(directory, error) ?? error
  }
}

/** Milliseconds in which a process that opens or closes the database comes to serve it, or leaves. */
const WAIT_MS = 20_000
const WAIT_INTERVAL_MS = 50

/**
 * Opens an embedded PostgreSQL to read it: beside the process that has it open, or in this one, and others beside that.
 * @throws {DatabaseInUseError} transient: another process has it open, and lets no process read beside it
 * @throws {WAREHOUSE_DIRECTORY_INVALID} terminal: what is in the directory cannot be opened as a database
 */
export async function openPgliteReader<Schema>(
  directory: string,
  log: Log = silentLog,
): Promise<PgliteDatabase<Schema> | PostgresDatabase<Schema>> {
  const giveUpAt = performance.now() + WAIT_MS
  for (;;) {
    const beside = await connectBeside<Schema>(directory, log)
    if (beside !== undefined) return beside
    try {
      // It is open for as long as a command reads: who wants to work on it waits that long.
      return await openHere(directory, () => {})
    } catch (error) {
      if (!(error instanceof DatabaseInUseError) || performance.now() > giveUpAt) throw error
    }
    await pause(WAIT_INTERVAL_MS)
  }
}
