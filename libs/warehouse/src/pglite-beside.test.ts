// @module-tag slow: starts programs
import { temporaryDirectory } from '@cinelake/testkit'
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { chmod, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { sql } from 'kysely'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { batches, manyTitles, titles } from './contract/given.fixture.ts'
import { createWarehouse } from './open.ts'
import { failureOf } from './postgres.fixture.ts'
import { createPgliteWarehouse, openPgliteDatabase, openPgliteReader } from './pglite.ts'
import type { Warehouse } from './warehouse.ts'

const ENDLESS = 'SELECT count(*) FROM generate_series(1, 1000000000) a, generate_series(1, 1000000000) b'
const COUNT = 'SELECT count(*) AS count FROM titles'

let state: Awaited<ReturnType<typeof temporaryDirectory>>
let directory: string
beforeEach(async () => {
  state = await temporaryDirectory()
  directory = join(state.path, 'warehouse')
})
afterEach(async () => {
  await state[Symbol.asyncDispose]()
})

async function load(warehouse: Warehouse, count: number, version: number): Promise<void> {
  await warehouse.replace(titles, batches(manyTitles(count)), { task: 't', version })
}

/** A warehouse to read, beside whichever process or part of this one has the directory. */
async function aReader() {
  await using opening = new AsyncDisposableStack()
  const database = opening.use(await openPgliteReader<unknown>(directory))
  const warehouse = opening.use(await createWarehouse(database))
  const owned = opening.move()
  return { database, warehouse, [Symbol.asyncDispose]: async () => await owned.disposeAsync() }
}

describe('reading the embedded database beside who works on it', () => {
  test('several read at once, between the loads, and see whole versions', async () => {
    await using database = await openPgliteDatabase(directory)
    const warehouse = await createPgliteWarehouse(database)
    await load(warehouse, 10, 1)
    await using one = await aReader()
    await using other = await aReader()

    const counts: unknown[] = []
    const loading = (async () => {
      for (let version = 2; version <= 6; version += 1) await load(warehouse, version * 10, version)
    })()
    for (let round = 0; round < 10; round += 1) {
      const answers = await Promise.all([one, other].map(async (reader) => await reader.warehouse.query(COUNT)))
      counts.push(...answers.flatMap(({ rows }) => rows.map(({ count }) => count)))
    }
    await loading

    expect(new Set(counts)).toSatisfy((seen: Set<number>) => [...seen].every((count) => count % 10 === 0 && count > 0))
    expect((await one.warehouse.query(COUNT)).rows).toEqual([{ count: 60 }])
    expect(await other.warehouse.tables()).toMatchObject([{ name: 'titles', version: 6, rowCount: 60 }])
  })

  test('tables of the platform are read, and nothing is written', async () => {
    await using database = await openPgliteDatabase<unknown>(directory)
    await load(await createPgliteWarehouse(database), 10, 1)
    await database.pglite.exec('CREATE SCHEMA ops; CREATE TABLE ops.runs (id int); INSERT INTO ops.runs VALUES (1)')
    await using reader = await aReader()

    const { rows } = await sql`SELECT id FROM ops.runs`.execute(reader.database.db)
    expect(rows).toEqual([{ id: 1 }])
    await expect(sql`INSERT INTO ops.runs VALUES (2)`.execute(reader.database.db)).rejects.toMatchObject({
      code: '25006',
    })
    await expect(load(reader.warehouse, 5, 2)).rejects.toMatchObject({ code: 'WAREHOUSE_REFUSED' })
    // Settings of a reader are not left on the session of the one that works.
    await database.pglite.exec('INSERT INTO ops.runs VALUES (3)')
    expect(await database.pglite.query('SHOW search_path')).toMatchObject({ rows: [{ search_path: 'public' }] })
  })

  test('a query that is stopped ends at once, and the loads that waited go on', async () => {
    await using database = await openPgliteDatabase(directory)
    const warehouse = await createPgliteWarehouse(database)
    await load(warehouse, 10, 1)
    await using reader = await aReader()
    const stop = new AbortController()

    const stopped = failureOf(reader.warehouse.query(ENDLESS, { signal: stop.signal }))
    const late = failureOf(warehouse.query(ENDLESS, { timeoutMs: 2000 }))
    const loading = load(warehouse, 20, 2)
    stop.abort(new Error('Ctrl-C'))
    await loading

    expect(await stopped).toMatchObject({ code: 'WORK_CANCELLED' })
    expect(await late).toMatchObject({ code: 'WAREHOUSE_QUERY_INVALID' })

    expect((await warehouse.query(COUNT)).rows).toEqual([{ count: 20 }])
    expect((await reader.warehouse.query(COUNT)).rows).toEqual([{ count: 20 }])
  })

  test('a process that only reads serves others, and leaves to one that works', async () => {
    {
      await using database = await openPgliteDatabase(directory)
      await load(await createPgliteWarehouse(database), 10, 1)
    }
    const first = await aReader()
    await using second = await aReader()
    expect((await second.warehouse.query(COUNT)).rows).toEqual([{ count: 10 }])
    const working = openPgliteDatabase(directory)
    expect((await first.warehouse.query(COUNT)).rows).toEqual([{ count: 10 }])
    await second[Symbol.asyncDispose]()
    await first[Symbol.asyncDispose]()

    await using database = await working
    await load(await createPgliteWarehouse(database), 20, 2)
  })

  test('a process that was killed leaves nothing in the way of those who read next', async () => {
    const main = new URL('pglite-child.fixture.ts', import.meta.url)
    const child = fork(main, [directory], { execArgv: process.execArgv, stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
    await once(child, 'message')
    {
      await using reader = await aReader()
      expect((await reader.warehouse.query('SELECT count(DISTINCT version) AS kinds FROM numbers')).rows).toEqual([
        { kinds: 1 },
      ])
    }
    child.kill('SIGKILL')
    await once(child, 'close')

    await using reader = await aReader()
    expect((await reader.warehouse.query('SELECT count(DISTINCT version) AS kinds FROM numbers')).rows).toEqual([
      { kinds: 1 },
    ])
  })
})

describe.skipIf(process.platform === 'win32')(
  'the socket beside the directory (needs an operating system with Unix sockets)',
  () => {
    test('is the user’s alone, asks for the password, and is gone with the process', async () => {
      {
        await using _database = await openPgliteDatabase(directory)
        expect((await stat(`${directory}.sock`)).mode & 0o777).toBe(0o600)
        expect((await stat(`${directory}.key`)).mode & 0o777).toBe(0o600)
        const password = await readFile(`${directory}.key`, 'utf8')
        expect(password).toMatch(/^[\w-]{32}$/)

        await chmod(`${directory}.key`, 0o600)
        await writeFile(`${directory}.key`, 'wrong')
        const socket = connect(`${directory}.sock`)
        const startup = Buffer.from('\0\0\0\0\0\x03\0\0user\0cinelake_local\0database\0cinelake\0\0', 'latin1')
        startup.writeInt32BE(startup.length, 0)
        socket.write(Buffer.concat([startup, Buffer.from('p\0\0\0\x0Awrong\0', 'latin1')]))
        const answer = Buffer.concat(await socket.toArray())
        expect(answer.toString()).toContain('28P01')
      }
      expect(await readdir(state.path)).toEqual(['warehouse'])
    })

    test('a directory whose path is too long for a socket is read beside all the same', async () => {
      directory = join(state.path, 'a'.repeat(120), 'warehouse')
      await using database = await openPgliteDatabase(directory)
      await load(await createPgliteWarehouse(database), 10, 1)
      await using reader = await aReader()

      expect((await reader.warehouse.query(COUNT)).rows).toEqual([{ count: 10 }])
    })
  },
)
