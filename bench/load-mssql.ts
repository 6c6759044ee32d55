import { fork } from 'node:child_process'
import { once } from 'node:events'
import { createRequire } from 'node:module'
import { parseArgs } from 'node:util'
import { silentLog } from '../libs/core/src/index.ts'
import { startMssqlEndpoint } from '../libs/testkit/src/mssql.ts'
import { bulkLoad } from '../libs/warehouse/src/sql-server/staging.ts'
import { openMssqlDatabase } from '../libs/database/src/sql-server/sql-server.ts'
import type { MssqlSession } from '../libs/database/src/sql-server/session.ts'
import { createTable, SET_UP, stagingTable, typedColumns } from '../libs/warehouse/src/sql-server/sql.ts'
import { medianOf, verdict } from './verdict.ts'
import { viewingBatches, viewingColumns, type ViewingRow } from './viewing-rows.ts'

// Sends the same rows by the warehouse's bulk load and by a loop over the bare driver, in turns: to the server that
// CINELAKE_TEST_MSSQL names (a database that may be written to), or to an endpoint in a process of its own that takes the
// rows and throws them away, which measures the client alone.

const { TYPES } = createRequire(new URL('../libs/warehouse/package.json', import.meta.url))('tedious')
const ENDPOINT = 'endpoint'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { rows: { type: 'string', default: '500000' }, pairs: { type: 'string', default: '3' } },
})
const rowCount = Number(values.rows)
const COLUMNS = typedColumns({ name: 'viewings', columns: viewingColumns('VARCHAR(20)'), primaryKey: [] })

async function byHand(
  connection: MssqlSession['connection'],
  into: string,
  batches: readonly ViewingRow[][],
): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const load = connection.newBulkLoad(into, { checkConstraints: true, lockTable: true }, (error) =>
      error == null ? resolve() : reject(error),
    )
    load.addColumn('viewing_id', TYPES.BigInt, { nullable: false })
    load.addColumn('user_id', TYPES.NVarChar, { nullable: false, length: 40 })
    load.addColumn('title', TYPES.NVarChar, { nullable: false, length: Infinity })
    load.addColumn('started_at', TYPES.DateTimeOffset, { nullable: false, scale: 6 })
    load.addColumn('minutes', TYPES.Int, { nullable: true })
    load.addColumn('score', TYPES.Decimal, { nullable: true, precision: 4, scale: 2 })
    load.addColumn('device', TYPES.NVarChar, { nullable: true, length: Infinity })
    load.setTimeout(0)
    async function* rows() {
      for (const batch of batches) yield* batch
    }
    connection.execBulkLoad(load, rows())
  })
}

async function bench(url: string): Promise<void> {
  const credential = async () => {
    throw new Error('a password is enough here')
  }
  const batches = viewingBatches(rowCount)
  async function* stream() {
    yield* batches
  }
  await using database = await openMssqlDatabase({ url }, { credential, log: silentLog })
  await database.pool.use(async (session) => {
    for (const statement of SET_UP) await session.run(statement)
    const into = stagingTable('bench_viewings')
    const measure = async (load: () => Promise<unknown>) => {
      await session.run(createTable('bench_viewings', COLUMNS))
      const begun = performance.now()
      await load()
      const perSecond = rowCount / ((performance.now() - begun) / 1000)
      await session.run(`DROP TABLE ${into}`)
      return perSecond
    }
    const bareLoop = async () => await measure(async () => await byHand(session.connection, into, batches))
    const warehouse = async () =>
      await measure(async () => await bulkLoad(session, { into, table: 'viewings', columns: COLUMNS }, stream()))
    await bareLoop()
    await warehouse()
    const ratios: number[] = []
    for (let pair = 0; pair < Number(values.pairs); pair += 1) {
      const [bare, ours] = [await bareLoop(), await warehouse()]
      ratios.push(ours / bare)
      const rate = (perSecond: number) => `${Math.round(perSecond / 1000)}k rows/s`
      console.log(`  bare driver ${rate(bare)}, warehouse ${rate(ours)}, ratio ${(ours / bare).toFixed(2)}`)
    }
    verdict('bulk load into SQL Server, warehouse / bare driver', medianOf(ratios), { atLeast: 0.9 })
  })
}

if (positionals[0] === ENDPOINT) {
  const endpoint = await startMssqlEndpoint({ keepsRows: false })
  process.send?.(endpoint.url)
} else if (process.env['CINELAKE_TEST_MSSQL'] === undefined) {
  console.log('  without CINELAKE_TEST_MSSQL: against an endpoint that throws the rows away')
  const child = fork(import.meta.filename, [ENDPOINT], { execArgv: process.execArgv })
  const [url] = await once(child, 'message')
  await bench(String(url)).finally(() => child.kill())
} else {
  await bench(process.env['CINELAKE_TEST_MSSQL'])
}
