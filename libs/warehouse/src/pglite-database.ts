import { lockDirectory, reasonOf, type DirectoryHolder } from '@cinelake/core'
import { PGlite } from '@electric-sql/pglite'
import { Kysely, PGliteDialect } from 'kysely'
import { mkdir, rename, rm, stat } from 'node:fs/promises'
import path from 'node:path'
import type { Database } from './database.ts'
import {
  WarehouseDirectoryError,
  WarehouseDirectoryUnusableError,
  WarehouseDiskFullError,
  WarehouseInUseError,
} from './errors.ts'

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
 * @throws {WarehouseDiskFullError} transient @throws {WarehouseDirectoryUnusableError} transient
 * @throws {WarehouseDirectoryError} terminal: what is in the directory cannot be opened as a database
 */
export async function openPgliteDatabase<Schema>(directory?: string): Promise<PgliteDatabase<Schema>> {
  await using opening = new AsyncDisposableStack()
  if (directory !== undefined) {
    opening.use(await lock(directory))
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
    throw fileSystemError(directory, error) ?? new WarehouseDirectoryError(directory, reasonOf(error), { cause: error })
  }
}

async function lock(directory: string): Promise<AsyncDisposable> {
  const inUse = ({ holder, lockFile }: DirectoryHolder) => new WarehouseInUseError(directory, holder, lockFile)
  try {
    await mkdir(path.dirname(path.resolve(directory)), { recursive: true })
    return await lockDirectory(directory, inUse)
  } catch (error) {
    throw fileSystemError(directory, error) ?? error
  }
}

/** Numbers of errors in WebAssembly, where PGlite runs. Source: github.com/WebAssembly/WASI, `errno` of snapshot preview 1 */
const WASI_ERRORS: Readonly<Record<number, string>> = {
  2: 'EACCES',
  19: 'EDQUOT',
  29: 'EIO',
  33: 'EMFILE',
  51: 'ENOSPC',
  63: 'EPERM',
  69: 'EROFS',
}
const OF_THE_DISK = new Set(Object.values(WASI_ERRORS))

/**
 * The error of a disk that is full or may not be used; undefined for every other. PGlite throws objects that are no
 * errors, `{ name: 'ErrnoError', errno }`, and Node.js errors with a code; PostgreSQL says it in words.
 */
function fileSystemError(directory: string, thrown: unknown): Error | undefined {
  if (typeof thrown !== 'object' || thrown === null) return undefined
  const named = 'code' in thrown && typeof thrown.code === 'string' ? thrown.code : undefined
  const numbered = 'errno' in thrown && typeof thrown.errno === 'number' ? WASI_ERRORS[thrown.errno] : undefined
  const code = named ?? numbered ?? ''
  const cause = thrown instanceof Error ? { cause: thrown } : {}
  if (code === 'ENOSPC' || code === 'EDQUOT' || /no space left/i.test(reasonOf(thrown))) {
    return new WarehouseDiskFullError(directory, cause)
  }
  return OF_THE_DISK.has(code) ? new WarehouseDirectoryUnusableError(directory, code, cause) : undefined
}

/** A database gets its name when it is whole: a process killed while it makes one leaves nothing that looks like one. */
async function initialize(target: string): Promise<void> {
  const draft = `${target}.new`
  await rm(draft, { recursive: true, force: true })
  try {
    const pglite = await start(draft)
    await pglite.close()
    await rename(draft, target)
  } catch (error) {
    // A draft that did not fit would keep the disk full.
    await rm(draft, { recursive: true, force: true }).catch(() => undefined)
    throw error
  }
}

async function start(dataDir?: string): Promise<PGlite> {
  return await PGlite.create({
    ...(dataDir === undefined ? {} : { dataDir }),
    startParams: [...PGlite.defaultStartParams, '-c', `shared_buffers=${SHARED_BUFFERS}`, '-c', 'max_wal_size=128MB'],
  })
}
