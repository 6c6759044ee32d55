// @module-tag slow: takes long
import { DuckDBInstance } from '@duckdb/node-api'
import { temporaryDirectory } from '@cinelake/testkit'
import { existsSync } from 'node:fs'
import { rename, rm } from 'node:fs/promises'
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
  // The run history is where it is with any embedded mart.
  expect(await cinelake(['status', ...state], settings)).toMatchObject({
    exitCode: 0,
    out: expect.stringMatching(/starter@2026-03-01 +succeeded/),
  })
  expect(existsSync(join(given.state, 'warehouse', 'PG_VERSION'))).toBe(true)
  expect(existsSync(join(given.state, 'database'))).toBe(false)
  // DuckDB would end the process.
  const logging = `SELECT * FROM enable_logging('QueryLog', storage => 'file', storage_config => {'path': '/tmp/x'})`
  expect(await cinelake(['query', logging, ...state], settings)).toMatchObject({
    exitCode: 2,
    notes: expect.stringContaining('`enable_logging` is none of the functions that a query may call'),
  })

  // DuckDB itself calls the file by its name, which is that of no schema here.
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

test('another mart keeps the run history: a table of the lake that was lost is noticed', async () => {
  await using given = await aStarter()
  const state = ['--state', given.state]
  const run = async (window: string, settings: Record<string, string>) =>
    await cinelake(['run', given.folder, '--window', window, ...state], settings)
  const first = await run('2026-03-01', {})
  expect(first).toMatchObject({ exitCode: 0 })
  expect(first.notes).not.toContain('warning: the run history')
  await rm(join(given.state, 'lake/refined/starter/orders'), { recursive: true })
  const duckdb = { CINELAKE_WAREHOUSE: `duckdb:${join(given.state, 'm1.duckdb')}` }

  const second = await run('2026-03-02', duckdb)

  expect(second).toMatchObject({ exitCode: 1, out: expect.stringContaining('cinelake rebuild DIR orders') })
  expect(second.notes).not.toContain('warning: the run history')
  expect((await cinelake(['status', ...state], duckdb)).out).toMatch(/starter@2026-03-01 +succeeded/)
}, 120_000)

test('a run history in the former place goes on, and a run that does not find it says so', async () => {
  await using given = await aStarter()
  const state = ['--state', given.state]
  const run = async (window: string, settings: Record<string, string>) =>
    await cinelake(['run', given.folder, '--window', window, ...state], settings)
  const duckdb = { CINELAKE_WAREHOUSE: `duckdb:${join(given.state, 'm1.duckdb')}` }
  expect(await run('2026-03-01', duckdb)).toMatchObject({ exitCode: 0 })
  const former = join(given.state, 'database')
  await rename(join(given.state, 'warehouse'), former)

  const second = await run('2026-03-02', duckdb)
  expect(second).toMatchObject({ exitCode: 0 })
  expect(second.notes).not.toContain('warning: the run history')
  expect((await cinelake(['status', ...state], duckdb)).out).toMatch(/starter@2026-03-01 +succeeded/)

  const unaware = await run('2026-03-02', {})
  expect(unaware).toMatchObject({
    exitCode: 0,
    notes: expect.stringContaining(
      `warning: the run history has no runs of pipeline starter, but the lake has its data [lake=file:${join(given.state, 'lake')}`,
    ),
  })
  expect(unaware.notes).toContain(`set CINELAKE_DATABASE to pglite:${former} and run again`)
  const aware = await run('2026-03-02', { CINELAKE_DATABASE: `pglite:${former}` })
  expect(aware.notes).not.toContain('warning: the run history')
}, 180_000)

test.each(['postgress://u:hunter2@h/d', 'duckdbb:mart.duckdb', 'mart.duckdb'])(
  'the mistyped address %s is told with the schemes that there are, whatever the state directory has',
  async (address) => {
    await using directory = await temporaryDirectory()
    for (const command of [['status'], ['tables']]) {
      const said = await cinelake([...command, '--state', directory.path], { CINELAKE_WAREHOUSE: address })
      expect(said).toMatchObject({
        exitCode: 2,
        notes: expect.stringMatching(/CINELAKE_WAREHOUSE cannot be used[^]*`pglite:` or `postgres:`[^]*`duckdb:`/),
      })
      expect(said.screen).not.toContain('hunter2')
    }
  },
)
