// @module-tag slow: takes long
import { cp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { openPgliteDatabase } from '@cinelake/warehouse/pglite'
import { describe, expect, test } from 'vitest'
import { aStarter, cinelake } from './testing.fixture.ts'

const [FIRST, SECOND] = ['2026-03-01', '2026-03-02']
const FINAL = [
  { ordered_on: '2026-03-01', orders: 3, sales: '1236.65' },
  { ordered_on: '2026-03-02', orders: 2, sales: '100.00' },
]

/** A starter whose first window has run. */
async function afterFirst() {
  const starter = await aStarter()
  const lake = join(starter.state, 'lake')
  const run = async (window: string, ...more: string[]) =>
    await cinelake(['run', starter.folder, '--window', window, '--state', starter.state, ...more])
  expect((await run(FIRST)).exitCode).toBe(0)
  const mart = async (table: string) =>
    JSON.parse((await cinelake(['query', `SELECT * FROM ${table} ORDER BY 1`, '--state', starter.state, '--json'])).out)
      .rows as unknown[]
  return { ...starter, lake, run, mart, [Symbol.asyncDispose]: () => starter[Symbol.asyncDispose]() }
}
type Place = Awaited<ReturnType<typeof afterFirst>>

/** The folder of a refined table. */
const folderOf = (place: Place, table: string) => join(place.lake, 'refined/starter', table)

describe('state that is gone', () => {
  test.each([
    [
      'a refined table',
      async (place: Place) => await rm(folderOf(place, 'orders'), { recursive: true }),
      /TABLE_LOST|lost/,
    ],
    [
      'the log of a refined table',
      async (place: Place) => await rm(join(folderOf(place, 'orders'), '_delta_log'), { recursive: true }),
      /damaged/,
    ],
    ['all refined tables', async (place: Place) => await rm(join(place.lake, 'refined'), { recursive: true }), /lost/],
  ])('%s: the next window is red, names the way back and leaves the mart as it is', async (_, lose, told) => {
    await using place = await afterFirst()
    const before = [await place.mart('orders'), await place.mart('sales_by_day')]
    await lose(place)

    const { exitCode, out } = await place.run(SECOND)

    expect(exitCode).toBe(1)
    expect(out).toMatch(told)
    expect(out).toContain('cinelake rebuild DIR orders')
    expect([await place.mart('orders'), await place.mart('sales_by_day')]).toEqual(before)
  })

  test.each([
    ['a table that this window would leave as it is', 'sales_by_day', FIRST, ['--again']],
    ['a table to which this window adds', 'orders', SECOND, []],
  ])('the data files of %s: red, with the files and a way back that works', async (_, table, window, more) => {
    await using place = await afterFirst()
    const before = await place.mart(table)
    const folder = folderOf(place, table)
    const files = (await readdir(folder)).filter((name) => name.endsWith('.parquet'))
    for (const name of files) await rm(join(folder, name))

    const { exitCode, out } = await place.run(window, ...more)

    expect(exitCode).toBe(1)
    expect(out).toContain(`data files of a table are gone or cut off [table=${table} path=refined/starter/${table}`)
    expect(out).toContain(`cinelake rebuild DIR ${table}`)
    for (const name of files) expect(out).toContain(name)
    expect(await place.mart(table)).toEqual(before)

    const rebuilt = await cinelake(['rebuild', place.folder, table, '--state', place.state])
    expect(rebuilt).toMatchObject({ exitCode: 0 })
    expect(await place.run(SECOND)).toMatchObject({ exitCode: 0 })
    expect(await place.mart('sales_by_day')).toEqual(FINAL)
  })

  test('the rejected rows of a table: red, and the way back has them again', async () => {
    await using place = await afterFirst()
    const rejects = async () => (await cinelake(['rejects', 'orders', '--state', place.state])).out
    const before = await rejects()
    expect(before).toContain('1005,soon')
    await rm(join(place.lake, 'refined/starter/_rejects'), { recursive: true })

    const { exitCode, out } = await place.run(SECOND)

    expect(exitCode).toBe(1)
    expect(out).toMatch(/lost what it held .*path=refined\/starter\/_rejects\/orders.*cinelake rebuild DIR orders/)
    expect(await cinelake(['rebuild', place.folder, 'orders', '--state', place.state])).toMatchObject({ exitCode: 0 })
    expect(await rejects()).toBe(before)
    expect(await place.run(SECOND)).toMatchObject({ exitCode: 0 })
  })

  test('tables of a window that is done already: it is not called done, and the way back is told', async () => {
    await using place = await afterFirst()
    const lost = async (...folders: string[]) => {
      for (const folder of folders) await rm(folderOf(place, folder), { recursive: true })
      return await place.run(FIRST)
    }

    expect(await lost('_rejects')).toMatchObject({
      exitCode: 1,
      notes: expect.stringMatching(/lost what it held .*path=refined\/starter\/_rejects\/orders.* rebuild DIR orders`/),
    })
    expect(await lost('orders', 'sales_by_day')).toMatchObject({
      exitCode: 1,
      notes: expect.stringMatching(/tables=orders, sales_by_day\].*`cinelake rebuild DIR orders sales_by_day`/),
    })
    expect(await cinelake(['rebuild', place.folder, 'orders', 'sales_by_day', '--state', place.state])).toMatchObject({
      exitCode: 0,
    })
    expect(await place.run(FIRST)).toMatchObject({ exitCode: 0, notes: expect.stringContaining('is done already') })
  })

  test('commands that look tell a table that is lost from one that never was', async () => {
    await using place = await afterFirst()
    const look = async (...args: string[]) => await cinelake([...args, '--state', place.state])
    const lost = (path: string) => ({
      exitCode: 1,
      out: '',
      notes: expect.stringMatching(
        new RegExp(`lost what it held \\[table=orders path=${path}\\].* got no table.*\`cinelake rebuild DIR orders\``),
      ),
    })
    const rejects = lost('refined/starter/_rejects/orders')
    const orders = lost('refined/starter/orders')
    const select = async (from: string) => await look('query', '--lake', `SELECT * FROM ${from}`)

    await rm(folderOf(place, '_rejects'), { recursive: true })
    expect(await look('rejects', 'orders')).toMatchObject(rejects)
    expect(await look('rejects', 'starter.orders', '--window', FIRST)).toMatchObject(rejects)
    expect(await select('_rejects.orders')).toMatchObject(rejects)
    expect(await look('rejects', 'sales_by_day')).toMatchObject({ exitCode: 0 })
    expect(await look('history', 'orders')).toMatchObject({ exitCode: 0 })
    expect(await select('orders')).toMatchObject({ exitCode: 0 })

    await rm(folderOf(place, 'orders'), { recursive: true })
    expect(await look('rejects', 'orders')).toMatchObject({
      exitCode: 1,
      notes: expect.stringContaining('rebuild DIR'),
    })
    expect(await look('history', 'orders')).toMatchObject({
      exitCode: 1,
      notes: expect.stringContaining('rebuild DIR'),
    })
    for (const from of ['orders', 'starter.orders', '"orders@0"']) expect(await select(from)).toMatchObject(orders)
    for (const args of [['history'], ['rejects']])
      expect(await look(...args, 'clicks')).toMatchObject({
        exitCode: 2,
        notes: expect.stringContaining('there is no such table'),
      })
    expect(await select('clicks')).toMatchObject({ exitCode: 2, notes: expect.stringContaining('no table clicks') })

    await rm(place.lake, { recursive: true })
    expect(await look('history', 'sales_by_day')).toMatchObject({
      exitCode: 1,
      notes: expect.stringContaining('`cinelake rebuild DIR sales_by_day`'),
    })
    expect(await look('rejects', 'orders')).toMatchObject({ exitCode: 1 })
    expect(await select('orders')).toMatchObject(orders)
    expect(await look('history', 'clicks')).toMatchObject({
      exitCode: 2,
      notes: expect.stringContaining('run a pipeline first'),
    })
  })

  test('the history of a table of which only rejected rows are left is not empty', async () => {
    await using place = await afterFirst()
    await rm(folderOf(place, 'orders'), { recursive: true })
    const look = async (command: string) => await cinelake([command, 'orders', '--state', place.state])

    expect(await look('history')).toMatchObject({
      exitCode: 1,
      notes: expect.stringContaining('path=refined/starter/orders'),
    })
    expect(await look('rejects')).toMatchObject({ exitCode: 0, out: expect.stringContaining('1005,soon') })
  })

  test('without a run history, commands that look say what the lake has', async () => {
    await using place = await afterFirst()
    await rm(folderOf(place, 'orders'), { recursive: true })
    await rm(folderOf(place, '_rejects'), { recursive: true })
    await rm(join(place.state, 'warehouse'), { recursive: true })

    expect(await cinelake(['history', 'orders', '--state', place.state])).toMatchObject({
      exitCode: 2,
      notes: expect.stringContaining('there is no such table'),
    })
  })

  test('an older copy in place of a table is told, whatever is asked for', async () => {
    await using place = await afterFirst()
    await cp(folderOf(place, 'orders'), join(place.state, 'backup'), { recursive: true })
    await place.run(SECOND)
    const before = await place.mart('orders')
    await rm(folderOf(place, 'orders'), { recursive: true })
    await cp(join(place.state, 'backup'), folderOf(place, 'orders'), { recursive: true })

    for (const window of [SECOND, FIRST]) {
      const { exitCode, out } = await place.run(window, '--again')
      expect(exitCode).toBe(1)
      expect(out).toMatch(/expected version 1 .*cinelake rebuild DIR orders/)
    }
    expect(await place.mart('orders')).toEqual(before)
  })

  test('two tables whose folders changed places are told apart', async () => {
    await using place = await afterFirst()
    const before = await place.mart('sales_by_day')
    await rename(folderOf(place, 'orders'), join(place.state, 'aside'))
    await rename(folderOf(place, 'sales_by_day'), folderOf(place, 'orders'))
    await rename(join(place.state, 'aside'), folderOf(place, 'sales_by_day'))

    const { exitCode, out } = await place.run(SECOND)

    expect(exitCode).toBe(1)
    expect(out).toMatch(/another table is in the place .*table=orders .*cinelake rebuild DIR orders/)
    expect(await place.mart('sales_by_day')).toEqual(before)
  })

  test('what landed: the run that is asked for again lands it again', async () => {
    await using starter = await aStarter()
    const run = async () => await cinelake(['run', starter.folder, '--window', FIRST, '--state', starter.state])
    const file = join(starter.folder, 'orders', `orders_${FIRST}.csv`)
    const text = await readFile(file, 'utf8')
    await writeFile(file, 'nothing,known\n1,2\n')
    expect((await run()).out).toMatch(/header does not fit/)
    await writeFile(file, text)
    await rm(join(starter.state, 'lake'), { recursive: true })

    const first = await run()
    expect(first).toMatchObject({ exitCode: 1 })
    expect(first.out).toMatch(/what landed is gone .*`cinelake run DIR --window 2026-03-01`/)
    expect(await run()).toMatchObject({ exitCode: 0 })
  })

  test('the embedded database: nothing counts twice, and the mart is made again from the lake', async () => {
    await using place = await afterFirst()
    await place.run(SECOND)
    const before = [await place.mart('orders'), await place.mart('sales_by_day')]
    await rm(join(place.state, 'warehouse'), { recursive: true })

    for (const window of [FIRST, SECOND]) expect(await place.run(window)).toMatchObject({ exitCode: 0 })

    expect([await place.mart('orders'), await place.mart('sales_by_day')]).toEqual(before)
    expect(before[1]).toEqual(FINAL)
  })

  test('the mart alone: it is loaded whole', async () => {
    await using place = await afterFirst()
    {
      await using database = await openPgliteDatabase(join(place.state, 'warehouse'))
      await database.pglite.exec('DROP SCHEMA starter CASCADE')
    }

    expect(await place.run(SECOND)).toMatchObject({ exitCode: 0 })
    expect(await place.mart('sales_by_day')).toEqual(FINAL)
  })

  test.each([
    ['gone', async (file: string) => await rm(file)],
    ['garbled', async (file: string) => await writeFile(file, '{"format":1')],
  ])('the text of the pipeline in the lake, %s, is put there again', async (_, damage) => {
    await using place = await afterFirst()
    const folder = join(place.lake, 'pipelines', 'starter')
    for (const name of await readdir(folder)) await damage(join(folder, name))

    expect(await place.run(SECOND)).toMatchObject({ exitCode: 0 })
    expect(await place.mart('sales_by_day')).toEqual(FINAL)
  })
})

describe('state that is damaged', () => {
  test('a data file with one changed byte: red, with table, file and way back', async () => {
    await using place = await afterFirst()
    const folder = folderOf(place, 'orders')
    const name = (await readdir(folder)).find((each) => each.endsWith('.parquet')) ?? ''
    const bytes = await readFile(join(folder, name))
    bytes[Math.floor(bytes.length / 3)] = (bytes[Math.floor(bytes.length / 3)] ?? 0) ^ 1
    await writeFile(join(folder, name), bytes)

    const { exitCode, out } = await place.run(SECOND)

    expect(exitCode).toBe(1)
    expect(out).toContain(`table=orders file=refined/starter/orders/${name}`)
    expect(out).toMatch(/damaged .*cinelake rebuild DIR orders/)
    expect(out).not.toMatch(/TRY_CAST/)
  })

  test('a manifest that is no JSON: red, with file and a way back that works', async () => {
    await using place = await afterFirst()
    const manifest = join(place.lake, 'raw/_landed/starter', FIRST, 'ingest-shop.orders.json')
    await writeFile(manifest, 'x')
    {
      // Its window is to be refined again, as after a failure.
      await using database = await openPgliteDatabase(join(place.state, 'warehouse'))
      await database.pglite.exec(
        `UPDATE ops.tasks SET state = 'failed', output = NULL, facts = NULL WHERE task <> 'ingest shop/orders'; UPDATE ops.runs SET state = 'failed'`,
      )
    }

    const { exitCode, out } = await place.run(FIRST)
    expect(exitCode).toBe(1)
    expect(out).toMatch(/manifest is damaged .*ingest-shop.orders.json.*cinelake run DIR --window 2026-03-01 --again/)

    expect(await place.run(FIRST, '--again')).toMatchObject({ exitCode: 0 })
  })
})
