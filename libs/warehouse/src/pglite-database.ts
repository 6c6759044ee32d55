import { lockDirectory, makeDirectory, type DirectoryHolder } from '@cinelake/core'
import { PGlite } from '@electric-sql/pglite'
import { Kysely, PGliteDialect } from 'kysely'
import { rename, rm, stat } from 'node:fs/promises'
import path from 'node:path'
import type { Database } from './database.ts'
import { WarehouseDirectoryError, WarehouseInUseError } from './errors.ts'

/** The embedded PostgreSQL of one process, with the handle that bulk loads need. */
export interface PgliteDatabase<Schema> extends Database<Schema> {
  readonly dialect: 'postgres'
  readonly pglite: PGlite
}

/** PGlite's own default takes 160 MiB at once; for one connection and a mart that is mostly read through this is enough. */
const SHARED_BUFFERS = '32MB'

/**
 * Opens the embedded PostgreSQL in a directory, making it when there is none. What was committed is there again after
 * the process was killed. One process at a time: a second one is refused.
 *
 * @param directory without one, a database in memory that is gone when it is disposed (slower; for tests and trials)
 * @throws {WarehouseInUseError} terminal: another process has the directory open
 * @throws {WarehouseDirectoryError} terminal: what is in the directory cannot be opened as a database
 */
export async function openPgliteDatabase<Schema>(directory?: string): Promise<PgliteDatabase<Schema>> {
  await using opening = new AsyncDisposableStack()
  if (directory !== undefined) {
    await makeDirectory(path.dirname(path.resolve(directory)))
    const inUse = ({ holder, lockFile }: DirectoryHolder) => new WarehouseInUseError(directory, holder, lockFile)
    opening.use(await lockDirectory(directory, inUse))
  }
  const pglite = await open(directory)
  opening.defer(() => pglite.close())
  await pglite.exec(`SET TIME ZONE 'UTC'`)
  const db = new Kysely<Schema>({ dialect: new PGliteDialect({ pglite }) })
  const owned = opening.move()
  return {
    db,
    pglite,
    dialect: 'postgres',
    location: directory === undefined ? 'pglite:' : `pglite:${directory}`,
    async [Symbol.asyncDispose]() {
      await owned.disposeAsync()
    },
  }
}

async function open(directory: string | undefined): Promise<PGlite> {
  if (directory === undefined) return await start()
  const target = path.resolve(directory)
  try {
    const found = await stat(target).catch(() => undefined)
    if (found === undefined) await initialize(target)
    else if (!found.isDirectory()) throw new Error('it is a file, not a directory')
    return await start(target)
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw new WarehouseDirectoryError(directory, reason, { cause: error })
  }
}

/** A database gets its name when it is whole: a process killed while it makes one leaves nothing that looks like one. */
async function initialize(target: string): Promise<void> {
  const draft = `${target}.new`
  await rm(draft, { recursive: true, force: true })
  const pglite = await start(draft)
  await pglite.close()
  await rename(draft, target)
}

async function start(dataDir?: string): Promise<PGlite> {
  return await PGlite.create({
    ...(dataDir === undefined ? {} : { dataDir }),
    startParams: [...PGlite.defaultStartParams, '-c', `shared_buffers=${SHARED_BUFFERS}`, '-c', 'max_wal_size=128MB'],
  })
}
