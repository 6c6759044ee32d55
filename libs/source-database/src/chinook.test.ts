// @module-tag slow: needs a server or a container
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { sharedData } from '@cinelake/testkit'
import { findPostgres } from '@cinelake/testkit/postgres'
import pg from 'pg'
import { afterAll, expect, test } from 'vitest'
import { givenAgent } from './source-database.fixture.ts'
import { startPostgres } from './postgres/server.fixture.ts'

const chinook = sharedData('tsql_chinook')
const { server } = chinook === undefined ? {} : await findPostgres()
afterAll(() => server?.[Symbol.asyncDispose]())

/** Of a PostgreSQL server where there is one, else of the embedded one behind a socket. */
async function aDatabase(): Promise<AsyncDisposable & { readonly url: string }> {
  return server === undefined ? await startPostgres() : await server.createDatabase()
}

/** Runs a script, and says what a query gives then. */
async function asked(url: string, script: string, query = ''): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    await client.query(script)
    return query === '' ? [] : (await client.query<Record<string, unknown>>(query)).rows
  } finally {
    await client.end()
  }
}

const snake = (name: string) => name.replace(/(?<=[a-z])[A-Z]/g, (letter) => `_${letter}`).toLowerCase()

test.skipIf(chinook === undefined)(
  `Chinook is copied whole from ${server === undefined ? 'the embedded PostgreSQL' : 'a PostgreSQL server'}, every table with every row (needs the shared data)`,
  async () => {
    const folder = chinook ?? ''
    const text = await readFile(join(folder, 'Chinook_PostgreSql.sql'), 'utf8')
    const script = text.replace(/^(?:DROP|CREATE) DATABASE.*$|^\\c .*$/gm, '')
    const counts = JSON.parse(await readFile(join(folder, 'expected_row_counts.json'), 'utf8')) as Record<
      string,
      number
    >
    await using database = await aDatabase()
    const sums = await asked(
      database.url,
      script,
      "SELECT sum(milliseconds)::text AS ms, sum(unit_price)::text AS price, md5(string_agg(name, '|' ORDER BY track_id)) AS titles FROM track",
    )
    const { url } = database
    const tables = { include: ['public.*'], exclude: [], datasets: [] }
    // The embedded one has a single session for all clients, of which a held moment would be the only one.
    const moment = server === undefined ? {} : { snapshot: { keepForMs: 60_000 } }
    await using agent = await givenAgent({
      sources: [{ type: 'database', name: 'shop', url, verify: 'checksum', ...moment, ...tables }],
    })

    const { output } = await agent.discover('shop')
    const found = output.kind === 'tables' ? output.tables : []
    const outcomes = await Promise.all(
      found.map(async (table) => await agent.ingest({ source: 'shop', dataset: `public.${table.name}`, table })),
    )

    expect(Object.fromEntries(outcomes.map(({ balance }, index) => [found[index]?.name, balance.out]))).toEqual(
      Object.fromEntries(Object.entries(counts).map(([name, count]) => [snake(name), count])),
    )
    const track = await agent.manifest('ingest shop/public.track')
    expect(track?.primaryKey).toEqual(['track_id'])
    expect(track?.columns).toContainEqual({ name: 'unit_price', type: 'DECIMAL(10,2)' })
    await using session = await agent.session()
    const file = join(agent.directory, 'lake', track?.files[0]?.path ?? '')
    expect(
      await session.rows(
        `SELECT sum(milliseconds)::VARCHAR AS ms, sum(unit_price)::VARCHAR AS price, md5(string_agg(name, '|' ORDER BY track_id)) AS titles FROM read_parquet('${file}')`,
      ),
    ).toEqual(sums)
  },
)
