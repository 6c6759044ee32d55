import { literal } from '@cinelake/sql'
import { mkdtemp, realpath, rm } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { makeDirectory, reasonOf, Semaphore } from '@cinelake/core'
import { DuckDBInstance, type DuckDBConnection } from '@duckdb/node-api'
import { DuckDbSession } from './session.ts'
import type { EngineLimits, SqlEngine, SqlSession } from '../engine.ts'
import { engineErrors } from '../errors.ts'

/**
 * Statements. Each takes one of Node's four threads for files and native work while it runs; the one left over keeps the
 * process able to read and write files. Source: nodejs.org/api/cli.html#uv_threadpool_sizesize
 */
const STATEMENTS_AT_ONCE = 3

/**
 * An in-memory DuckDB: one per process, since its limits are the process's. Deterministic where order is relied on
 * (insertion order is kept), in UTC, and locked: SQL reaches its folders and nothing else, no extensions, no settings.
 * @throws {ENGINE_FILE_UNUSABLE} transient: the scratch directory cannot be made
 */
export async function createDuckDbEngine(limits: EngineLimits): Promise<SqlEngine> {
  const scratchDirectory = await makeScratch(limits.scratchDirectory)
  const instance = await DuckDBInstance.create(':memory:', {
    memory_limit: `${Math.floor(limits.memoryBytes * COUNTED_SHARE)}B`,
    threads: String(limits.threads),
    temp_directory: scratchDirectory,
    preserve_insertion_order: 'true',
    autoinstall_known_extensions: 'false',
    autoload_known_extensions: 'false',
  })
  const first = await instance.connect()
  // Errors as JSON carry their kind and position; nothing has to be read out of sentences.
  await first.run("SET GLOBAL TimeZone = 'UTC'; SET GLOBAL errors_as_json = true")
  // Not among the options above: there, what comes with the directory overrides it.
  if (limits.spillBytes !== undefined) await first.run(`SET GLOBAL max_temp_directory_size = '${limits.spillBytes}B'`)
  await lock(first, [scratchDirectory, limits.scratchDirectory, ...(limits.directories ?? [])])
  const sessions = new Set<SqlSession>()
  const statements = new Semaphore(STATEMENTS_AT_ONCE)
  return {
    async session() {
      const connection = await instance.connect()
      const session = new DuckDbSession({
        connection,
        statements,
        scratchDirectory,
        onClose: () => sessions.delete(session),
      })
      sessions.add(session)
      return session
    },
    async [Symbol.asyncDispose]() {
      await Promise.all([...sessions].map(async (session) => await session[Symbol.asyncDispose]()))
      first.disconnectSync()
      instance.closeSync()
      await rm(scratchDirectory, { recursive: true, force: true })
    },
  }
}

/**
 * Closes the engine to everything outside of some folders, for all its connections and for good. Links are followed
 * before a path is looked at, so that folders are named by where they really are as well.
 */
async function lock(connection: DuckDBConnection, directories: readonly string[]): Promise<void> {
  const places = await Promise.all(
    directories.map(async (directory) => [resolve(directory), await realpath(directory).catch(() => undefined)]),
  )
  const allowed = [...new Set(places.flat())].filter((place) => place !== undefined).map(literal)
  await connection.run(`
    SET GLOBAL allow_community_extensions = false;
    SET GLOBAL allow_persistent_secrets = false;
    SET GLOBAL allowed_directories = [${allowed.join(', ')}];
    SET GLOBAL enable_external_access = false;
    SET GLOBAL lock_configuration = true`)
}

/** Part of the limit that DuckDB is told: buffers of its CSV and Parquet readers and writers come on top, uncounted. Source: measured, `bench/` */
const COUNTED_SHARE = 0.9

/** A directory of its own: DuckDB names its files the same in every process. */
async function makeScratch(parent: string): Promise<string> {
  try {
    await makeDirectory(parent)
    return await mkdtemp(join(parent, 'engine-'))
  } catch (error) {
    throw engineErrors.ENGINE_FILE_UNUSABLE(reasonOf(error))
  }
}
