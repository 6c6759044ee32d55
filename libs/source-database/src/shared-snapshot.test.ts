// @module-tag slow: needs a server or a container
import { join } from 'node:path'
import { CancelledError } from '@cinelake/core'
import type { DatabaseSource } from './config/index.ts'
import { until } from '@cinelake/testkit'
import { findPostgres } from '@cinelake/testkit/postgres'
import pg from 'pg'
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest'
import { givenAgent, type Agent } from './source-database.fixture.ts'
import { said, startCopy } from './copy/start-copy.fixture.ts'

const { server, missing } = await findPostgres()
afterAll(() => server?.[Symbol.asyncDispose]())

let stack: AsyncDisposableStack
let url: string
beforeEach(async () => {
  stack = new AsyncDisposableStack()
  if (server !== undefined) ({ url } = stack.use(await server.createDatabase()))
})
afterEach(() => stack.disposeAsync())

async function client(): Promise<pg.Client> {
  const opened = new pg.Client({ connectionString: url })
  // Databases are dropped with whoever is still connected.
  opened.on('error', () => {})
  await opened.connect()
  stack.defer(() => opened.end())
  return opened
}
async function given(source: Partial<DatabaseSource> = {}): Promise<Agent> {
  const tables = { include: ['public.*'], exclude: [], datasets: [] }
  return stack.use(await givenAgent({ sources: [{ type: 'database', name: 'billing', url, ...tables, ...source }] }))
}
const copy = async (agent: Agent, name: string, fields: Parameters<Agent['ingest']>[0] = {}, signal?: AbortSignal) => {
  const about = { source: 'billing', dataset: `public.${name}`, table: { schema: 'public', name } }
  return await agent.ingest({ ...about, task: `ingest ${name}`, ...fields }, signal)
}
async function idsOf(agent: Agent, name: string): Promise<unknown[]> {
  const files = (await agent.manifest(`ingest ${name}`))?.files ?? []
  await using session = await agent.session()
  const names = files.map(({ path }) => `'${join(agent.directory, 'lake', path)}'`)
  return (await session.rows(`SELECT id FROM read_parquet([${names.join(', ')}]) ORDER BY 1`)).map(({ id }) => id)
}
/** Waits until somebody waits for a lock. */
const someoneWaits = async (db: pg.Client) =>
  await until('the copy waits', async () => (await db.query('SELECT FROM pg_locks WHERE NOT granted')).rowCount !== 0)

describe.skipIf(server === undefined)(
  `of which moment a copy is${missing === undefined ? '' : ` (${missing})`}`,
  () => {
    test.each([
      ['a table', 'rows', 'TRUNCATE rows; INSERT INTO rows VALUES (3), (4)'],
      ['a table with partitions', 'parted', 'TRUNCATE parted; INSERT INTO parted VALUES (3), (4)'],
      ['a view', 'seen', 'TRUNCATE rows; INSERT INTO rows VALUES (3), (4)'],
      ['a materialized view', 'kept', 'UPDATE rows SET id = id + 2; REFRESH MATERIALIZED VIEW kept'],
    ])('%s that is filled anew meanwhile is read before or after that, never empty', async (_, name, refill) => {
      const [db, writer] = [await client(), await client()]
      await db.query(`CREATE TABLE rows (id int); INSERT INTO rows VALUES (1), (2);
        CREATE TABLE parted (id int) PARTITION BY RANGE (id);
        CREATE TABLE p1 PARTITION OF parted DEFAULT; INSERT INTO parted VALUES (1), (2);
        CREATE VIEW seen AS SELECT * FROM rows; CREATE MATERIALIZED VIEW kept AS SELECT * FROM rows`)
      const agent = await given({ verify: 'count' })
      await writer.query(`BEGIN; ${refill}`)

      const copying = copy(agent, name)
      await someoneWaits(db)
      await writer.query('COMMIT')

      expect(await copying).toMatchObject({ balance: { out: 2 } })
      expect(await idsOf(agent, name)).toEqual([3, 4])
    })

    describe('where the tables of a source share one', () => {
      const TABLES =
        'CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE b (id int PRIMARY KEY); INSERT INTO a VALUES (1); INSERT INTO b VALUES (1)'
      const MORE = 'INSERT INTO a VALUES (2); INSERT INTO b VALUES (2)'
      const shared = { snapshot: { keepForMs: 60_000 } }
      const take = async (agent: Agent, name: string, fields = {}, signal?: AbortSignal) =>
        await copy(agent, name, { task: `ingest billing/public.${name}`, ...fields }, signal)
      const manifestOf = async (agent: Agent, name: string) => await agent.manifest(`ingest billing/public.${name}`)
      const holders = async (db: pg.Client) =>
        (
          await db.query(
            "SELECT FROM pg_stat_activity WHERE datname = current_database() AND state = 'idle in transaction'",
          )
        ).rowCount
      const moment = (failed: number, detail: string) => [
        { rule: 'same_moment', severity: 'warn', checked: 1, failed, detail: expect.stringContaining(detail) },
      ]

      test('what is written after the tables were found is in none of them, until all have landed', async () => {
        const db = await client()
        await db.query(TABLES)
        const agent = await given(shared)
        expect(await agent.discover('billing')).toMatchObject({ balance: { out: 2 } })
        await db.query(MORE)

        const outcomes = [await take(agent, 'a'), await take(agent, 'b')]

        expect(outcomes).toMatchObject([{ balance: { out: 1 } }, { balance: { out: 1 } }])
        expect(outcomes[0]?.quality).toEqual(moment(0, 'of the same moment'))
        const manifests = [await manifestOf(agent, 'a'), await manifestOf(agent, 'b')]
        expect(manifests[0]?.snapshot).toBeDefined()
        expect(manifests[1]?.snapshot).toBe(manifests[0]?.snapshot)
        await until('the moment has ended', async () => (await holders(db)) === 0)
      })

      test('an agent in another process reads as of it too', async () => {
        const db = await client()
        await db.query(TABLES)
        const agent = await given(shared)
        await agent.discover('billing')
        await db.query(MORE)
        const table = { schema: 'public', name: 'b' }
        const command = agent.command({ source: 'billing', dataset: 'public.b', table, task: 'ingest b' })

        expect(await said(startCopy(agent, command))).toMatchObject({ out: 1 })
        expect((await agent.manifest('ingest b'))?.quality).toEqual(moment(0, 'of the same moment'))
      })

      test('a table in ranges is of it on all its connections', async () => {
        const db = await client()
        await db.query(`${TABLES}; INSERT INTO a SELECT generate_series(2, 20000); ANALYZE a`)
        const agent = await given({ ...shared, split: { ranges: 4, minRows: 1000, resume: true } })
        await agent.discover('billing')
        await db.query('DELETE FROM a WHERE id > 100')

        expect(await take(agent, 'a')).toMatchObject({ balance: { out: 20_000 }, output: { fileCount: 4 } })
        expect((await manifestOf(agent, 'a'))?.snapshot).toBeDefined()
      })

      test.each([
        [
          'the agent that held it is gone',
          "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND state = 'idle in transaction'",
          'it has ended',
        ],
        [
          'the table was filled anew since',
          'BEGIN; TRUNCATE a; INSERT INTO a VALUES (1); COMMIT',
          'public.a was rewritten since',
        ],
      ])('a table that cannot have it any more, as %s, is of its own, and that is told', async (_, event, detail) => {
        const db = await client()
        await db.query(TABLES)
        const agent = await given(shared)
        await agent.discover('billing')
        await db.query(event)
        await db.query(MORE)

        const outcome = await take(agent, 'a')

        expect(outcome).toMatchObject({ balance: { out: 2 } })
        expect(outcome.quality).toEqual(moment(1, detail))
        expect((await manifestOf(agent, 'a'))?.snapshot).toBeUndefined()
      })

      test('a table of which another attempt read ranges as of another moment is told to be of several', async () => {
        const db = await client()
        await db.query(`${TABLES}; INSERT INTO a SELECT generate_series(2, 100000); ANALYZE a`)
        const split = { ranges: 16, minRows: 1000, resume: true }
        const agent = await given({ ...shared, split, maxConnections: 1 })
        await agent.discover('billing')
        const stop = new AbortController()
        const cut = take(agent, 'a', {}, stop.signal)
        cut.catch(() => {})
        await until('a range landed', async () => (await agent.pathsInRaw()).some((path) => /range-\d/.test(path)))
        stop.abort()
        await expect(cut).rejects.toBeInstanceOf(CancelledError)
        await agent.discover('billing')

        const outcome = await take(agent, 'a', { attempt: 2 })

        expect(outcome).toMatchObject({ balance: { out: 100_000 } })
        expect(outcome.quality).toEqual(moment(1, 'ranges of it'))
        expect((await manifestOf(agent, 'a'))?.snapshot).toBeUndefined()
      })

      test('a table that is being filled anew is waited for, and then is of a moment of its own', async () => {
        const [db, writer] = [await client(), await client()]
        await db.query(`${TABLES}; ANALYZE a`)
        const agent = await given(shared)
        await agent.discover('billing')
        await writer.query('BEGIN; TRUNCATE a; INSERT INTO a VALUES (1), (2)')
        const waiters = async (other: string) => {
          const sql = 'SELECT virtualtransaction AS id FROM pg_locks WHERE NOT granted AND virtualtransaction <> $1'
          return (await db.query<{ id: string }>(sql, [other])).rows.map(({ id }) => id)
        }

        const taking = take(agent, 'a')
        taking.catch(() => {})
        let first = ''
        await until('it waits to see the moment', async () => ([first = ''] = await waiters('')).length > 0)
        await until('it waits for the table itself', async () => (await waiters(first)).length > 0)
        await writer.query('COMMIT')

        const outcome = await taking
        expect(outcome).toMatchObject({ balance: { out: 2 } })
        expect(outcome.quality).toEqual(moment(1, 'another session keeps public.a locked'))
      })

      test('it is held no longer than is allowed', async () => {
        const db = await client()
        await db.query(TABLES)
        const agent = await given({ snapshot: { keepForMs: 50 } })
        await agent.discover('billing')

        await until('the moment has ended', async () => (await holders(db)) === 0)

        expect((await take(agent, 'a')).quality).toEqual(moment(1, 'it has ended'))
      })

      test('it ends with the agent, and when the tables are looked for again', async () => {
        const db = await client()
        await db.query(TABLES)
        const agent = await given(shared)
        await agent.discover('billing')
        await agent.discover('billing')
        expect(await holders(db)).toBe(1)

        await agent[Symbol.asyncDispose]()

        await until('the moment has ended', async () => (await holders(db)) === 0)
      })

      test('a window that was not looked into for tables has none', async () => {
        const db = await client()
        await db.query(TABLES)
        const agent = await given(shared)

        expect((await take(agent, 'a')).quality).toEqual(moment(1, 'none is held'))
      })
    })
  },
)
