// @module-tag slow: starts programs
import { temporaryDirectory, until } from '@cinelake/testkit'
import { execFile, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { promisify } from 'node:util'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { batches, manyTitles, titles } from './contract/given.fixture.ts'
import { failureOf } from './postgres.fixture.ts'
import {
  createPgliteWarehouse,
  MART_DATABASE,
  MART_USER,
  openPgliteDatabase,
  startMartServer,
  type MartServer,
} from './pglite.ts'

const PASSWORD = 'a-password'
const ENDLESS = 'SELECT count(*) FROM generate_series(1, 1000000000) a, generate_series(1, 1000000000) b'

let state: Awaited<ReturnType<typeof temporaryDirectory>>
let directory: string
let server: MartServer
beforeAll(async () => {
  state = await temporaryDirectory()
  directory = join(state.path, 'warehouse')
  await using database = await openPgliteDatabase(directory)
  const warehouse = await createPgliteWarehouse(database)
  await warehouse.replace(titles, batches(manyTitles(5000)), { task: 't', version: 1 })
  server = await startMartServer({
    directory,
    host: '127.0.0.1',
    port: 0,
    password: PASSWORD,
    timeoutMs: 60_000,
    idleTimeoutMs: 1500,
  })
})
afterAll(async () => {
  await server[Symbol.asyncDispose]()
  await state[Symbol.asyncDispose]()
})

async function aClient(options: pg.ClientConfig = {}): Promise<pg.Client & AsyncDisposable> {
  const config = { host: '127.0.0.1', port: server.port, user: MART_USER, password: PASSWORD, database: MART_DATABASE }
  const client = new pg.Client({ ...config, ...options })
  client.on('error', () => {})
  await client.connect()
  return Object.assign(client, { [Symbol.asyncDispose]: async () => await client.end() })
}

const count = async (client: pg.Client) =>
  (await client.query<{ count: number }>('SELECT count(*)::int AS count FROM titles')).rows[0]?.count

describe('the mart, served to tools', () => {
  test('many clients ask at once; each has its own settings and prepared statements', async () => {
    const clients = await Promise.all(Array.from({ length: 8 }, async () => await aClient()))
    await Promise.all(
      clients.map(async (client, index) => {
        await client.query(`SET application_name = 'tool ${index}'`)
        for (let round = 0; round < 5; round += 1) {
          const named = await client.query({
            name: 'same',
            text: `SELECT ${index}::int + $1::int AS sum`,
            values: [round],
          })
          expect(named.rows).toEqual([{ sum: index + round }])
          expect((await client.query('SHOW application_name')).rows).toEqual([{ application_name: `tool ${index}` }])
          expect(await count(client)).toBe(5000)
        }
      }),
    )
    await Promise.all(clients.map(async (client) => await client.end()))
  })

  test('several statements, large results and empty ones are answered as a server does', async () => {
    await using client = await aClient()

    const results = (await client.query(`SELECT 1 AS one; ; SELECT ';' AS two`)) as unknown as pg.QueryResult[]
    expect(results.map(({ rows }) => rows)).toEqual([[{ one: 1 }], [{ two: ';' }]])
    expect((await client.query('SELECT title_id FROM mart.titles ORDER BY title_id')).rows).toHaveLength(5000)
    expect((await client.query('SELECT title_id FROM titles WHERE title_id > $1', [4990])).rowCount).toBe(10)
    expect((await client.query('')).rows).toEqual([])
    await expect(client.query('SELECT nothing FROM titles')).rejects.toMatchObject({ code: '42703', position: '8' })
  })

  test.each([
    ['DELETE FROM titles', '25006'],
    ['WITH gone AS (DELETE FROM titles RETURNING 1) SELECT * FROM gone', /25006|42501/],
    ['CREATE TABLE mart.mine (a int)', '25006'],
    ['SELECT * INTO mine FROM titles', /25006|42501/],
    ['SELECT * FROM loader.loaded_tables', '42501'],
    [`SELECT pg_read_file('/etc/passwd')`, '42501'],
    [`SELECT set_config('session_authorization', 'postgres', false)`, '42501'],
    [`SELECT query_to_xml('SELECT set_config(''role'', ''postgres'', false)', true, true, '')`, '42501'],
    ['SET SESSION AUTHORIZATION postgres', '25006'],
    ['SET ROLE postgres', '25006'],
    [`SELECT 1; SET ROLE postgres; SELECT pg_read_file('/etc/passwd')`, '25006'],
    [`BEGIN; RESET SESSION AUTHORIZATION; RESET ROLE; SELECT pg_read_file('/etc/passwd')`, '42501'],
    [`COMMIT; SELECT pg_read_file('/etc/passwd')`, '42501'],
    [`DO $$ BEGIN PERFORM 1; END $$`, '25006'],
    [`COPY titles TO '/tmp/x'`, '25006'],
    [`EXPLAIN ANALYZE DELETE FROM titles`, /25006|42501/],
  ])('%s is refused, and the client goes on', async (sql, code) => {
    await using client = await aClient()

    await expect(client.query(sql)).rejects.toMatchObject({ code: expect.stringMatching(code) })
    await client.query('ROLLBACK')

    expect(await count(client)).toBe(5000)
    expect((await client.query('SELECT current_user AS me, session_user AS us')).rows).toEqual([
      { me: 'cinelake_reader', us: 'cinelake_reader' },
    ])
  })

  test('a transaction that failed stays failed to its end, and savepoints bring it back', async () => {
    await using client = await aClient()
    await client.query('BEGIN')
    await expect(client.query('SELECT 1/0')).rejects.toMatchObject({ code: '22012' })
    await expect(client.query('SELECT 1')).rejects.toMatchObject({ code: '25P02' })
    expect((await client.query('COMMIT')).command).toBe('ROLLBACK')

    await client.query('BEGIN')
    await client.query('SAVEPOINT here')
    await expect(client.query('SELECT 1/0')).rejects.toMatchObject({ code: '22012' })
    await client.query('ROLLBACK TO SAVEPOINT here')
    expect((await client.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }])
    expect((await client.query('COMMIT')).command).toBe('COMMIT')
  })

  test('cursors are read to their end, and an open transaction does not hold up others', async () => {
    await using client = await aClient()
    await using other = await aClient()
    await client.query('BEGIN')
    expect(await count(client)).toBe(5000)
    expect(await count(other)).toBe(5000)
    await client.query('DECLARE c CURSOR FOR SELECT title_id FROM titles ORDER BY title_id')
    const sizes: number[] = []
    for (let size = -1; size !== 0; sizes.push(size)) size = (await client.query('FETCH 3000 FROM c')).rows.length
    await client.query('COMMIT')

    expect(sizes).toEqual([3000, 2000, 0])
  })

  test('who holds a snapshot while others wait is ended, and so is the transaction of one that goes away', async () => {
    const holder = await aClient()
    await using other = await aClient()
    await holder.query('BEGIN ISOLATION LEVEL REPEATABLE READ')
    expect(await count(holder)).toBe(5000)
    expect(await count(other)).toBe(5000)
    expect(await failureOf(holder.query('SELECT 1'))).toBeInstanceOf(Error)

    const leaver = await aClient()
    await leaver.query('BEGIN ISOLATION LEVEL REPEATABLE READ')
    await leaver.query('SELECT 1')
    leaver.connection.stream.destroy()
    expect(await count(other)).toBe(5000)
  })

  test('a statement that does not end is ended by its client, by its going away, and by time', async () => {
    await using other = await aClient()
    const busy = await aClient()
    const { processID, secretKey } = busy as unknown as { processID: number; secretKey: number }
    const failure = failureOf(busy.query(ENDLESS))
    const waiting = count(other)
    await sendTo(server.port, cancelRequest(processID, secretKey))
    expect(await failure).toMatchObject({ code: '57014' })
    expect(await waiting).toBe(5000)
    expect(await count(busy)).toBe(5000)

    busy.query(ENDLESS).catch(() => {})
    await new Promise((resolve) => setImmediate(resolve))
    busy.connection.stream.destroy()
    expect(await count(other)).toBe(5000)

    await using hasty = await startMartServer({
      directory,
      host: '127.0.0.1',
      port: 0,
      password: PASSWORD,
      timeoutMs: 800,
    })
    await using short = await aClient({ port: hasty.port })
    await expect(short.query(ENDLESS)).rejects.toMatchObject({
      code: '57014',
      message: expect.stringContaining('0.8 s'),
    })
    expect(await count(other)).toBe(5000)
  })

  test('a client that does not read its answer is dropped', async () => {
    await using other = await aClient()
    const slow = await aClient()
    slow.connection.stream.pause()
    slow.query(`SELECT repeat('x', 20000) FROM generate_series(1, 5000)`).catch(() => {})
    await new Promise((resolve) => setImmediate(resolve))

    expect(await count(other)).toBe(5000)
    slow.connection.stream.destroy()
  })

  test('nobody gets in without the password, or with anything but the protocol', async () => {
    await expect(aClient({ password: 'wrong' })).rejects.toMatchObject({ code: '28P01' })
    await expect(aClient({ user: 'postgres' })).rejects.toMatchObject({ code: '28P01' })
    await expect(aClient({ database: 'postgres' })).rejects.toMatchObject({ code: '3D000' })
    for (const bytes of ['GET / HTTP/1.1\r\n\r\n', '\0\0\0\b\xFF\xFF\xFF\xFF', '\x7F\xFF\xFF\xFF\0\x03\0\0']) {
      const socket = await sendTo(server.port, Buffer.from(bytes, 'latin1'))
      await until('it is hung up', () => socket.closed)
    }
    await using client = await aClient()
    client.connection.stream.write(Buffer.from('nonsense nonsense'))
    expect(await failureOf(client.query('SELECT 1'))).toBeInstanceOf(Error)

    await using other = await aClient()
    expect(await count(other)).toBe(5000)
  })

  test('a process that works on the database gets it, and its new rows are read beside it and after it', async () => {
    await using client = await aClient()
    expect(await count(client)).toBe(5000)
    {
      await using database = await openPgliteDatabase(directory)
      const warehouse = await createPgliteWarehouse(database)
      expect(await count(client)).toBe(5000)
      await warehouse.replace(titles, batches(manyTitles(7)), { task: 't', version: 2 })
      expect(await count(client)).toBe(7)
      // Whoever was served left the session of the process that works as it was.
      const task = 'shop@2026-03-01/load films/1'
      const films = { ...titles, schema: 'shop', name: 'films' }
      await warehouse.replace(films, batches(manyTitles(3)), { task, version: 1 })
      expect((await client.query('SELECT count(*)::int AS count FROM films')).rows).toEqual([{ count: 3 }])
    }
    expect(await count(client)).toBe(7)
    await using database = await openPgliteDatabase(directory)
    const warehouse = await createPgliteWarehouse(database)
    await warehouse.replace(titles, batches(manyTitles(5000)), { task: 't', version: 3 })
  })
})

const hasPsql = spawnSync('psql', ['--version']).status === 0
const reason = hasPsql ? '' : ' (the program psql is not on this machine)'

describe.skipIf(!hasPsql)(`the mart and psql${reason}`, () => {
  const psql = async (...args: string[]) => {
    const address = `postgresql://${MART_USER}@127.0.0.1:${server.port}/${MART_DATABASE}`
    const env = { ...process.env, PGPASSWORD: PASSWORD }
    return await promisify(execFile)('psql', ['-X', '-v', 'ON_ERROR_STOP=1', '-At', address, ...args], { env })
  }

  test('shows tables, their columns and rows', async () => {
    expect((await psql('-c', '\\dt')).stdout).toContain('mart|titles|table')
    expect((await psql('-c', '\\d titles')).stdout).toContain('score|numeric(3,1)')
    expect(
      (await psql('-v', 'FETCH_COUNT=1000', '-c', 'SELECT title_id FROM titles')).stdout.trim().split('\n'),
    ).toHaveLength(5000)
    await expect(psql('-c', 'DROP TABLE titles')).rejects.toMatchObject({
      stderr: expect.stringContaining('read only'),
    })
  })
})

async function sendTo(port: number, bytes: Buffer): Promise<Socket> {
  const socket = connect(port, '127.0.0.1')
  socket.on('error', () => {})
  socket.resume()
  await once(socket, 'connect')
  socket.write(bytes)
  return socket
}

function cancelRequest(processId: number, secret: number): Buffer {
  const bytes = Buffer.alloc(16)
  bytes.writeInt32BE(16, 0)
  bytes.writeInt32BE(80_877_102, 4)
  bytes.writeInt32BE(processId, 8)
  bytes.writeInt32BE(secret, 12)
  return bytes
}
