// @module-tag slow: takes long
import { DuckDBInstance } from '@duckdb/node-api'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { aStarter, cinelake } from './testing.fixture.ts'

test('a pipeline is run into a DuckDB file, asked with `query`, and the file opens with DuckDB', async () => {
  await using given = await aStarter()
  const file = join(given.state, '..', 'mart.duckdb')
  const settings = { CINELAKE_WAREHOUSE: `duckdb:${file}` }
  const state = ['--state', given.state]
  const run = async () => await cinelake(['run', given.folder, '--window', '2026-03-01', ...state], settings)

  expect(await cinelake(['query', 'SELECT 1 AS one', ...state], settings)).toMatchObject({
    exitCode: 2,
    notes: expect.stringContaining('there is nothing to look into yet'),
  })
  expect(await run()).toMatchObject({ exitCode: 0 })

  const asked = await cinelake(['query', 'SELECT count(*) AS n FROM starter.orders', '--json', ...state], settings)
  expect(asked).toMatchObject({ exitCode: 0 })
  const tables = await cinelake(['tables', ...state], settings)
  expect(tables).toMatchObject({ exitCode: 0, out: expect.stringContaining('orders') })
  // The run history is in a database of its own, beside which nothing is in the default place of the mart.
  expect(await cinelake(['status', ...state], settings)).toMatchObject({
    exitCode: 0,
    out: expect.stringMatching(/starter@2026-03-01 +succeeded/),
  })
  expect(existsSync(join(given.state, 'database', 'PG_VERSION'))).toBe(true)
  expect(existsSync(join(given.state, 'warehouse'))).toBe(false)

  const instance = await DuckDBInstance.create(file)
  const connection = await instance.connect()
  const [row] = (await connection.runAndReadAll('SELECT count(*) AS n FROM starter.orders')).getRowObjects()
  connection.disconnectSync()
  instance.closeSync()
  expect(JSON.parse(asked.out)).toMatchObject({ rows: [{ n: Number(row?.['n']) }] })
  expect(Number(row?.['n'])).toBeGreaterThan(0)

  expect(await cinelake(['serve', ...state], settings)).toMatchObject({
    exitCode: 2,
    notes: expect.stringContaining('open that file with it'),
  })
  expect(await run()).toMatchObject({ exitCode: 0 })
}, 120_000)
