// @module-tag slow: needs a server or a container
import { once } from 'node:events'
import { join } from 'node:path'
import { until } from '@cinelake/testkit'
import { findPostgres } from '@cinelake/testkit/postgres'
import pg from 'pg'
import { afterAll, expect, test } from 'vitest'
import { givenAgent } from '../source-database.fixture.ts'
import { said, startCopy } from './start-copy.fixture.ts'

const { server, missing } = await findPostgres()
afterAll(() => server?.[Symbol.asyncDispose]())

const ROWS = 240_000
const RANGES = 8

test.skipIf(server === undefined)(
  `an agent killed while it copies a table in ranges: another goes on with those that are missing, and each row is there once${missing === undefined ? '' : ` (${missing})`}`,
  async () => {
    await using database = await server?.createDatabase()
    const url = database?.url ?? ''
    await using db = Object.assign(new pg.Client(url), { [Symbol.asyncDispose]: async () => await db.end() })
    await db.connect()
    await db.query(
      `CREATE TABLE rows (id int PRIMARY KEY, v text); INSERT INTO rows SELECT g, md5(g::text) FROM generate_series(1, ${ROWS}) g; ANALYZE rows`,
    )
    await using agent = await givenAgent({
      sources: [
        {
          type: 'database',
          name: 'billing',
          url,
          include: ['public.*'],
          exclude: [],
          maxConnections: 1,
          split: { ranges: RANGES, minRows: 0, resume: true },
          datasets: [],
        },
      ],
    })
    const table = { schema: 'public', name: 'rows' }
    const command = agent.command({ source: 'billing', dataset: 'public.rows', table, task: 'ingest rows' })
    const landed = async () => (await agent.pathsInRaw()).filter((path) => /range-\d+\.json$/.test(path)).length

    const first = startCopy(agent, command)
    await until('two ranges landed', async () => (await landed()) >= 2)
    first.kill('SIGKILL')
    await once(first, 'close')
    const kept = await landed()
    expect(await agent.manifest('ingest rows')).toBeUndefined()
    await db.query('UPDATE rows SET v = upper(v)')
    const second = startCopy(agent, { ...command, attempt: 2 })

    expect(await said(second)).toMatchObject({ in: ROWS, out: ROWS })
    const files = (await agent.manifest('ingest rows'))?.files ?? []
    const names = files.map(({ path }) => `'${join(agent.directory, 'lake', path)}'`)
    await using session = await agent.session()
    const [found] = await session.rows(
      `SELECT count(*) AS rows, count(DISTINCT id) AS ids, min(id) AS low, max(id) AS high,
        count(*) FILTER (v = md5(id::VARCHAR)) AS former, count(*) FILTER (v = upper(md5(id::VARCHAR))) AS later
      FROM read_parquet([${names.join(', ')}])`,
    )
    const former = Number(found?.['former'])
    expect(found).toMatchObject({ rows: ROWS, ids: ROWS, low: 1, high: ROWS, later: ROWS - former })
    // What had landed was not read again: its rows are as they were before the kill, and all others as they are after it.
    const rowsKept = files.slice(0, kept).reduce((sum, { rowCount = 0 }) => sum + rowCount, 0)
    expect(former).toBe(rowsKept)
    expect(kept).toBeGreaterThanOrEqual(2)
    expect(kept).toBeLessThan(RANGES)
    expect((await agent.pathsInRaw()).filter((path) => path.startsWith('raw/_landing'))).toEqual([])
  },
)
