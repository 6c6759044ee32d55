// @module-tag slow: kills processes
import { execFile, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import { reasonOf } from '@cinelake/core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createPgliteWarehouse } from './pglite.ts'
import { openPgliteDatabase, type PgliteDatabase } from '@cinelake/database/pglite'
import { postgresObjectsContract } from '../contract/postgres-objects-contract.ts'
import { postgresReaderContract } from '../contract/postgres-reader-contract.ts'
import { limitsContract } from '../contract/limits-contract.ts'
import { warehouseContract } from '../contract/warehouse-contract.ts'
import { POSTGRES_LIMITS } from './limits.ts'

let directory: string
beforeAll(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'cinelake-warehouse-'))
})
afterAll(async () => {
  await rm(directory, { recursive: true, force: true })
})

describe('with one database for all tests', () => {
  let database: PgliteDatabase<unknown>
  beforeAll(async () => {
    database = await openPgliteDatabase(path.join(directory, 'contract'))
  })
  afterAll(async () => {
    await database[Symbol.asyncDispose]()
  })

  const open = async () => {
    await database.pglite.exec('DROP SCHEMA IF EXISTS mart, loader, shop, common CASCADE')
    const warehouse = await createPgliteWarehouse(database)
    return {
      warehouse,
      sql: async <Row>(statement: string) => (await database.pglite.exec(statement)).at(-1)?.rows as Row[],
      [Symbol.asyncDispose]: async () => await warehouse[Symbol.asyncDispose](),
    }
  }
  warehouseContract('pglite', open)
  limitsContract(open, POSTGRES_LIMITS)
  postgresObjectsContract('pglite', open)
  postgresReaderContract('pglite', open)

  const table = {
    name: 'films',
    description: 'Films; "best" ones.',
    columns: [
      { name: 'id', type: 'INTEGER', required: true, description: "It's the key." },
      { name: 'score', type: 'DOUBLE', required: false },
    ],
    primaryKey: ['id'],
  }
  async function* one() {
    yield [{ id: 1, score: null }]
  }

  test('no staging table is left behind, neither by a failure nor by a killed process', async () => {
    const warehouse = await createPgliteWarehouse(database)
    await database.pglite.exec('CREATE TABLE loader.staging_of_a_killed_process (id int)')
    await createPgliteWarehouse(database)
    async function* broken() {
      yield [{ id: 1, score: 1 }]
      throw new Error('broken')
    }
    await expect(warehouse.replace(table, broken(), { task: 't', version: 3 })).rejects.toThrow('broken')

    const { rows } = await database.pglite.query(`SELECT tablename FROM pg_tables WHERE schemaname = 'loader'`)
    expect(rows).toEqual([{ tablename: 'loaded_tables' }])
  })

  test('a transaction of the scheduler and a load do not disturb one another', async () => {
    const warehouse = await createPgliteWarehouse(database)
    await database.pglite.exec('CREATE TABLE IF NOT EXISTS public.runs (id int)')
    const rolledBack = database.db.transaction().execute(async (trx) => {
      await trx
        .insertInto('runs' as never)
        .values({ id: 1 })
        .execute()
      await new Promise((resolve) => setImmediate(resolve))
      throw new Error('rolled back')
    })

    const [run, load] = await Promise.allSettled([
      rolledBack,
      warehouse.replace(table, one(), { task: 't', version: 20 }),
    ])

    expect([run.status, load.status]).toEqual(['rejected', 'fulfilled'])
    expect(await warehouse.loaded({ name: 'films' })).toMatchObject({ version: 20 })
  })
})

/** A file system of this size. Skips the test, saying why, where none can be mounted: only root may. */
async function smallDisk(
  mebibytes: number,
  skip: (reason: string) => never,
): Promise<AsyncDisposable & { readonly path: string }> {
  const mountPoint = await mkdtemp(path.join(tmpdir(), 'cinelake-small-'))
  const run = promisify(execFile)
  try {
    await run('mount', ['-t', 'tmpfs', '-o', `size=${mebibytes}m`, 'tmpfs', mountPoint])
  } catch (error) {
    await rm(mountPoint, { recursive: true })
    return skip(`no small file system can be mounted here: ${reasonOf(error).split('\n', 1)[0]}`)
  }
  return {
    path: mountPoint,
    async [Symbol.asyncDispose]() {
      // Lazily: the embedded database keeps files open that it could not fill.
      await run('umount', ['--lazy', mountPoint])
      await rm(mountPoint, { recursive: true })
    },
  }
}

test.for([5, 33])('a disk of %i MiB is told to be full, by its directory', async (mebibytes, { skip }) => {
  await using disk = await smallDisk(mebibytes, skip)
  const place = path.join(disk.path, 'warehouse')

  const opening = openPgliteDatabase(place)

  await expect(opening).rejects.toMatchObject({
    code: 'WAREHOUSE_DISK_FULL',
    retryable: true,
    message: expect.stringMatching(new RegExp(`directory=${place}.*no space left on device`)),
  })
  await expect(opening).rejects.not.toThrow(/object Object|move the directory away/)
  expect(await readdir(disk.path)).toEqual([])
})

describe('the database directory', () => {
  test('a second opening to work on it is refused, and says who has it', async () => {
    const taken = path.join(directory, 'taken')
    await using _first = await openPgliteDatabase(taken)

    await expect(openPgliteDatabase(taken)).rejects.toMatchObject({
      code: 'WAREHOUSE_IN_USE',
      retryable: true,
      message: expect.stringContaining(`process ${process.pid} on `),
    })
  })

  const main = new URL('pglite-child.fixture.ts', import.meta.url)

  test('a directory that is not a database is left as it is', async () => {
    const wrong = path.join(directory, 'wrong')
    await writeFile(wrong, 'not a directory')

    await expect(openPgliteDatabase(wrong)).rejects.toMatchObject({ code: 'WAREHOUSE_DIRECTORY_INVALID' })
    expect(await readFile(wrong, 'utf8')).toBe('not a directory')
    expect(await readdir(directory)).not.toContain('wrong.lock')
  })

  test('what was committed is there after the process was killed, at whatever moment', async () => {
    const killed = path.join(directory, 'killed')
    for (const afterMs of [150, 1, 60, 20]) {
      const child = fork(main, [killed], { execArgv: process.execArgv, stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
      let lastReported = -1
      child.on('message', (version) => {
        lastReported = Number(version)
      })
      await once(child, 'message')
      await new Promise((resolve) => setTimeout(resolve, afterMs))
      child.kill('SIGKILL')
      await once(child, 'close')

      await using database = await openPgliteDatabase(killed)
      const warehouse = await createPgliteWarehouse(database)
      const now = await warehouse.loaded({ name: 'numbers' })
      expect(now?.version).toBeGreaterThanOrEqual(lastReported)
      const { rows } = await warehouse.query(
        'SELECT count(*) AS rows, count(DISTINCT version) AS kinds, min(version) AS version FROM numbers',
      )
      expect(rows).toEqual([{ rows: now?.rowCount, kinds: 1, version: now?.version }])
    }
  })

  test('a process killed while it makes the database leaves nothing in the way of the next', async () => {
    const young = path.join(directory, 'young')
    const child = fork(main, [young], { execArgv: process.execArgv, stdio: 'ignore' })
    await expect.poll(async () => (await readdir(directory)).includes('young.new')).toBe(true)
    child.kill('SIGKILL')
    await once(child, 'close')

    await using database = await openPgliteDatabase(young)

    expect(await (await createPgliteWarehouse(database)).tables()).toEqual([])
  })
})
