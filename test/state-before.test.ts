// @module-tag slow: takes long
import { cp, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { cinelake } from '../apps/cli/src/testing.fixture.ts'
import { openPgliteDatabase } from '../libs/warehouse/src/pglite.ts'
import { temporaryDirectory } from '../libs/testkit/src/index.ts'

const BEFORE = fileURLToPath(new URL('fixtures/state-before', import.meta.url))

/** Tests go on from one to the next: they are the days after an upgrade. */
describe('a state of the version before pipelines had folders of their own', () => {
  let directory: Awaited<ReturnType<typeof temporaryDirectory>>
  let settings: Record<string, string>
  const json = async (...args: string[]): Promise<Record<string, unknown>> => {
    const { exitCode, out, notes } = await cinelake([...args, '--state', `${directory.path}/state`, '--json'], settings)
    if (exitCode !== 0) throw new Error(`cinelake ${args.join(' ')} ended with ${exitCode}: ${notes}${out}`)
    return JSON.parse(out) as Record<string, unknown>
  }
  const run = async (pipeline: string, window: string) =>
    await json('run', join(directory.path, pipeline), '--window', window)
  const query = async (sql: string) => (await json('query', sql))['rows']
  const ids = async (table: string) => {
    const rows = (await query(`SELECT order_id FROM ${table} ORDER BY order_id`)) as { order_id: number }[]
    return rows.map(({ order_id }) => order_id)
  }

  beforeAll(async () => {
    directory = await temporaryDirectory()
    await cp(BEFORE, directory.path, { recursive: true })
    await cp(join(BEFORE, 'lake'), `${directory.path}/state/lake`, { recursive: true })
    for (const pipeline of ['starter', 'copy']) {
      await cp(join(BEFORE, 'orders_2026-03-03.csv'), join(directory.path, pipeline, 'orders', 'orders_2026-03-03.csv'))
    }
    await using database = await openPgliteDatabase<unknown>(`${directory.path}/state/warehouse`)
    await database.pglite.exec(await readFile(join(BEFORE, 'database.sql'), 'utf8'))
    settings = {
      STARTER_ORDERS: `${directory.path}/starter/orders`,
      COPY_ORDERS: `${directory.path}/copy/orders`,
      WEB_KEY: 'k',
    }
  })
  afterAll(async () => await directory[Symbol.asyncDispose]())

  test('can be looked at as it is: history, rejects and tables of before are found', async () => {
    expect(await json('history', 'starter.orders')).toMatchObject({
      versions: [
        { version: 2, txn: { appId: 'copy@2026-03-02/refine orders' } },
        { version: 1, txn: { appId: 'starter@2026-03-02/refine orders' } },
        { version: 0, txn: { appId: 'starter@2026-03-01/refine orders' } },
      ],
    })
    expect(await json('history', 'orders')).toMatchObject({ versions: [{ version: 2 }, {}, {}] })
    expect(await json('rejects', 'orders', '--window', '2026-03-01')).toMatchObject({
      counts: [{ count: 1 }, { count: 1 }],
    })
    expect(await ids('orders')).toEqual([1001, 1002, 1004, 1005, 1006, 2001])
  })

  test('the pipeline that made the tables goes on with them, in lake and mart, with all its rows', async () => {
    await run('starter', '2026-03-03')

    expect(await json('history', 'orders')).toMatchObject({
      versions: [{ version: 3, txn: { appId: 'starter@2026-03-03/refine orders' } }, {}, {}, {}],
    })
    expect(await query('SELECT order_id, amount FROM mart.orders ORDER BY order_id')).toMatchObject([
      { order_id: 1001 },
      { order_id: 1002 },
      { order_id: 1004 },
      { order_id: 1005 },
      { order_id: 1006, amount: '99.00' },
      { order_id: 1007, amount: '30.00' },
      { order_id: 2001 },
    ])
    expect(await json('rejects', 'orders')).toMatchObject({
      counts: [{ window_label: '2026-03-01' }, { window_label: '2026-03-01' }, {}, { window_label: '2026-03-03' }],
    })
    const { tables } = await json('tables')
    expect(tables).toMatchObject([
      { schema: 'mart', name: 'orders', pipeline: 'starter', version: 3 },
      { schema: 'mart', name: 'sales_by_day', pipeline: 'starter' },
    ])
  })

  test('a window of before that is run again takes the place of what it was', async () => {
    await json('run', join(directory.path, 'starter'), '--window', '2026-03-02', '--again')

    expect(await ids('mart.orders')).toEqual([1001, 1002, 1004, 1005, 1006, 1007, 2001])
  })

  test('the other pipeline, whose rows are in the tables of the first, is told the way to tables of its own', async () => {
    const before = await ids('mart.orders')
    const folder = `${directory.path}/copy`
    const state = ['--state', `${directory.path}/state`]

    const refused = await cinelake(['run', folder, '--window', '2026-03-03', ...state], settings)
    expect({ exitCode: refused.exitCode, out: refused.out }).toEqual({
      exitCode: 1,
      out: expect.stringMatching(/TABLE_LOST[\s\S]*`cinelake rebuild DIR orders`/),
    })
    const rebuilt = await cinelake(['rebuild', folder, '--all', ...state], settings)
    expect({ exitCode: rebuilt.exitCode, out: rebuilt.out }).toMatchObject({ exitCode: 0 })

    expect(await ids('copy.orders')).toEqual([1006, 1007, 2001])
    expect(await ids('mart.orders')).toEqual(before)
    const { exitCode, notes } = await cinelake(['history', 'orders', ...state])
    expect([exitCode, notes]).toEqual([2, expect.stringContaining('expected one of copy.orders, starter.orders')])
  })

  test('what was pushed before and not landed is landed', async () => {
    await run('web', '2026-03-02')

    expect(await query('SELECT page, seconds FROM clicks ORDER BY page')).toEqual([
      { page: '/a', seconds: 3 },
      { page: '/b', seconds: 5 },
    ])
  })
})
