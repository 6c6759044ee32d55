import { pipeline } from 'node:stream/promises'
import { Readable } from 'node:stream'
import { parseArgs } from 'node:util'
import pg from 'pg'
import { from as copyFrom } from 'pg-copy-streams'
import { silentLog } from '../libs/core/src/index.ts'
import { findPostgres } from '../libs/testkit/src/postgres.ts'
import type { WarehouseTable } from '../libs/warehouse/src/index.ts'
import { createPostgresWarehouse } from '../libs/warehouse/src/postgres/postgres.ts'
import { openPostgresDatabase } from '../libs/database/src/postgres/postgres.ts'
import { medianOf, verdict } from './verdict.ts'
import { viewingBatches, viewingColumns } from './viewing-rows.ts'

// Loads the same rows by the warehouse and by a loop that an expert would write by hand for this one table, in turns.

const { values } = parseArgs({
  options: { rows: { type: 'string', default: '1000000' }, pairs: { type: 'string', default: '3' } },
})
const rowCount = Number(values.rows)
const table: WarehouseTable = { name: 'viewings', columns: viewingColumns('VARCHAR'), primaryKey: ['viewing_id'] }
const batches = viewingBatches(rowCount)

async function* stream() {
  yield* batches
}

async function byHand(url: string): Promise<void> {
  const client = new pg.Client(url)
  await client.connect()
  await client.query(
    'CREATE TABLE viewings (viewing_id bigint NOT NULL, user_id text NOT NULL, title text NOT NULL, started_at timestamptz NOT NULL, minutes integer, score numeric(4,2), device text)',
  )
  const escape = (text: string) =>
    text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n').replaceAll('\r', '\\r').replaceAll('\t', '\\t')
  const text = (value: string | null) => (value === null ? '\\N' : escape(value))
  async function* lines() {
    for await (const batch of stream()) {
      let chunk = ''
      for (const row of batch)
        chunk += `${row.viewing_id}\t${text(row.user_id)}\t${text(row.title)}\t${row.started_at}\t${row.minutes ?? '\\N'}\t${row.score}\t${text(row.device)}\n`
      yield chunk
    }
  }
  await pipeline(Readable.from(lines()), client.query(copyFrom('COPY viewings FROM STDIN')))
  await client.query('ALTER TABLE viewings ADD PRIMARY KEY (viewing_id)')
  await client.end()
}

async function byWarehouse(url: string): Promise<void> {
  const credential = async () => {
    throw new Error('a password is enough here')
  }
  await using database = await openPostgresDatabase({ url }, { credential, log: silentLog })
  await using warehouse = await createPostgresWarehouse(database)
  await warehouse.replace(table, stream(), { task: 'bench', version: 1, rowCount })
}

const { server, missing } = await findPostgres()
if (server === undefined) throw new Error(missing)
await using _server = server

/** @returns rows a second */
async function measure(load: (url: string) => Promise<void>): Promise<number> {
  await using database = await server.createDatabase()
  const begun = performance.now()
  await load(database.url)
  return rowCount / ((performance.now() - begun) / 1000)
}

await measure(byHand)
await measure(byWarehouse)
const ratios: number[] = []
for (let pair = 0; pair < Number(values.pairs); pair += 1) {
  const bare = await measure(byHand)
  const ours = await measure(byWarehouse)
  ratios.push(ours / bare)
  const rate = (perSecond: number) => `${Math.round(perSecond / 1000)}k rows/s`
  console.log(`  by hand ${rate(bare)}, warehouse ${rate(ours)}, ratio ${(ours / bare).toFixed(2)}`)
}
verdict('load into PostgreSQL, warehouse / bare COPY loop', medianOf(ratios), { atLeast: 0.9 })
