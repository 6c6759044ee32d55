// @module-tag slow: starts programs
import { cp, mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { cinelake } from '../apps/cli/src/testing.fixture.ts'
import { temporaryDirectory } from '../libs/testkit/src/index.ts'
import { contentOf, type StateContent } from './state-content.ts'

const STARTER = fileURLToPath(new URL('../apps/cli/starter', import.meta.url))
const [DAY_1, DAY_2] = ['2026-03-01', '2026-03-02'] as const

/** One state, several pipelines with tables of one name. Tests go on from one to the next. */
describe('pipelines in one state', () => {
  let directory: Awaited<ReturnType<typeof temporaryDirectory>>
  const done = async (args: readonly string[], state: string): Promise<Record<string, unknown>> => {
    const result = await cinelake([...args, '--state', join(directory.path, state), '--json'])
    if (result.exitCode !== 0) throw new Error(`cinelake ${args.join(' ')}: ${result.notes}${result.out}`)
    return JSON.parse(result.out) as Record<string, unknown>
  }
  const run = async (pipeline: string, window: string, state = 'state') =>
    await done(['run', join(directory.path, pipeline), '--window', window], state)
  const query = async (sql: string) => (await done(['query', sql], 'state'))['rows']
  const content = async (state: string): Promise<StateContent> => await contentOf(join(directory.path, state))

  /** The starter under a name of its own, with files of its own. */
  const aPipeline = async (name: string, files: Readonly<Record<string, string>> = {}) => {
    const folder = join(directory.path, name)
    await cp(STARTER, folder, { recursive: true })
    const file = join(folder, 'pipeline.yaml')
    const text = (await readFile(file, 'utf8'))
      .replace('FOLDER', folder)
      .replace('pipeline: starter', `pipeline: ${name}`)
    await writeFile(file, text)
    for (const [window, rows] of Object.entries(files)) {
      const head = 'order no,order date,customer,email,total,updated_at'
      await writeFile(join(folder, 'orders', `orders_${window}.csv`), `${head}\n${rows}\n`)
    }
  }

  beforeAll(async () => {
    directory = await temporaryDirectory()
    await aPipeline('starter')
    await aPipeline('shop', {
      // A key that the other has as well, a row of its own, and one that is rejected.
      [DAY_1]: `1001,${DAY_1},S-1,-,1.00,2026-03-09T00:00:00Z\n7001,${DAY_1},S-2,-,2.00,2026-03-01T00:00:00Z\n7002,${DAY_1},S-2,-,0,2026-03-01T00:00:00Z`,
      [DAY_2]: `7003,${DAY_2},S-3,-,4.00,2026-03-02T00:00:00Z`,
    })
    await aPipeline('copy')
  })
  afterAll(async () => await directory[Symbol.asyncDispose]())

  // Eight runs, which take as long as the machine is busy with others.
  test('windows in turns, either first, give each what it has alone: refined, rejects, mart, balances', async () => {
    await run('starter', DAY_1)
    await run('shop', DAY_1)
    await run('shop', DAY_2)
    await run('starter', DAY_2)
    for (const pipeline of ['starter', 'shop']) {
      for (const window of [DAY_1, DAY_2]) await run(pipeline, window, `${pipeline}-alone`)
    }

    const [both, ...alone] = await Promise.all(['state', 'starter-alone', 'shop-alone'].map(content))
    for (const part of ['refined', 'mart', 'balances'] as const) {
      expect(both?.[part]).toEqual({ ...alone[0]?.[part], ...alone[1]?.[part] })
    }
    expect(Object.keys(both?.refined ?? {})).toEqual(
      expect.arrayContaining(['refined/starter/orders', 'refined/shop/orders', 'refined/shop/_rejects/orders']),
    )
    expect(Object.keys(both?.mart ?? {})).toEqual([
      'shop.orders',
      'shop.sales_by_day',
      'starter.orders',
      'starter.sales_by_day',
    ])
    expect(await query('SELECT order_id FROM shop.orders ORDER BY 1')).toEqual(
      [1001, 7001, 7003].map((order_id) => ({ order_id })),
    )
  })

  test('one folder under another name does all of it again, for itself', async () => {
    const { refined } = await content('state')

    const result = await run('copy', DAY_1)

    expect(JSON.stringify(result)).not.toMatch(/already-loaded|unchanged/)
    const after = await content('state')
    expect(after.refined).toMatchObject(refined)
    expect(await query('SELECT count(*) AS n FROM copy.orders')).toEqual([{ n: 3 }])
  })

  test('a table is asked for by its pipeline where several have it', async () => {
    expect(await done(['rejects', 'shop.orders'], 'state')).toMatchObject({
      counts: [{ window_label: DAY_1, count: 1 }],
    })
    expect(await done(['history', 'starter.sales_by_day'], 'state')).toMatchObject({ versions: [{ version: 1 }, {}] })
    const { exitCode, notes } = await cinelake(['rejects', 'orders', '--state', join(directory.path, 'state')])
    expect(exitCode).toBe(2)
    expect(notes).toContain('expected one of copy.orders, shop.orders, starter.orders')
  })

  test('one pipeline reads the table of another where its text says so', async () => {
    await mkdir(join(directory.path, 'reports', 'models'), { recursive: true })
    const file = join(directory.path, 'reports', 'pipeline.yaml')
    const text = 'pipeline: reports\nschedule: { every: day, start: 2026-03-01 }\nsources: {}\nserve: [both]\n'
    await writeFile(
      join(directory.path, 'reports', 'models', 'both.sql'),
      [
        'SELECT a.ordered_on, a.sales AS starter, b.sales AS shop',
        'FROM starter.sales_by_day AS a JOIN shop.sales_by_day AS b USING (ordered_on)',
      ].join('\n'),
    )
    await writeFile(file, text)
    const refused = await cinelake(['validate', join(directory.path, 'reports')])
    expect([refused.exitCode, refused.out]).toEqual([2, expect.stringContaining('add `uses: [starter.sales_by_day]`')])

    await writeFile(file, `${text}uses: [starter.sales_by_day, shop.sales_by_day]\n`)
    const plan = await cinelake(['plan', join(directory.path, 'reports'), '--window', DAY_1])
    await run('reports', DAY_1)

    expect(plan.out).toMatch(/build both .*starter\.sales_by_day as it is then/)
    expect(await query('SELECT CAST(ordered_on AS text) AS day, shop FROM reports.both ORDER BY 1')).toEqual([
      { day: DAY_1, shop: '3.00' },
      { day: DAY_2, shop: '4.00' },
    ])
  })

  test('two that serve tables of one name in one schema: the second is refused, and the first keeps what it has', async () => {
    const file = join(directory.path, 'copy', 'pipeline.yaml')
    await writeFile(file, `${await readFile(file, 'utf8')}\nschema: shop\n`)
    const before = await content('state')

    const args = ['run', join(directory.path, 'copy'), '--window', DAY_2, '--state', join(directory.path, 'state')]
    const { exitCode, out, notes } = await cinelake(args)

    expect(exitCode).toBe(1)
    expect(`${out}${notes}`).toContain('expected a table of pipeline copy or none, got one of pipeline shop')
    expect((await content('state')).mart).toEqual(before.mart)
  })
})
