// @module-tag slow: takes long
import { cp, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { aStarter, cinelake } from './testing.fixture.ts'

const day1 = ['--window', '2026-03-01']
const days = ['--from', '2026-03-01', '--to', '2026-03-02']

type Given = Awaited<ReturnType<typeof aStarter>>

const edit = async (given: Given, file: string, from: string | RegExp, to: string) => {
  const path = join(given.folder, file)
  const before = await readFile(path, 'utf8')
  const after = before.replace(from, to)
  expect(after).not.toBe(before)
  await writeFile(path, after)
}
const run = async (given: Given, ...args: string[]) =>
  await cinelake(['run', given.folder, ...args, '--state', given.state])
const rows = async (given: Given, sql: string) => {
  const { out } = await cinelake(['query', sql, '--state', given.state, '--json'])
  return (JSON.parse(out) as { readonly rows: readonly Record<string, unknown>[] }).rows
}
const doneIn = (notes: string) =>
  [...notes.matchAll(/^(\S+) {2}✓ (\w+ \S+)/gm)].map(([, window, task]) => `${window} ${task}`)

async function ran(): Promise<Given> {
  const given = await aStarter()
  expect(await run(given, ...days)).toMatchObject({ exitCode: 0 })
  return given
}

describe('a text that changed after its window was done', () => {
  test('is told by name, and --changed redoes what depends on it, sources untouched', async () => {
    await using given = await ran()
    await edit(given, 'models/sales_by_day.sql', /count\(\*\)/, 'count(*) + 100')
    await rm(join(given.folder, 'orders'), { recursive: true })

    expect((await run(given, ...day1)).notes).toBe(
      'starter@2026-03-01 is done already; the pipeline has changed since: models/sales_by_day.sql; --changed redoes what depends on it, --again all of it\n',
    )
    const planned = await cinelake(['plan', given.folder, ...day1, '--changed', '--state', given.state])
    expect(planned.out).toMatch(/^ingest shop\/orders +keep +landed$/m)
    expect(planned.out).toMatch(/^build sales_by_day +do +models\/sales_by_day\.sql changed$/m)
    expect(planned.out).toMatch(/^load sales_by_day +do +depends on build sales_by_day$/m)

    const changed = await run(given, ...days, '--changed')

    expect(changed).toMatchObject({ exitCode: 0 })
    expect(doneIn(changed.notes)).toEqual([
      '2026-03-01 build sales_by_day',
      '2026-03-01 load sales_by_day',
      '2026-03-02 build sales_by_day',
      '2026-03-02 load sales_by_day',
    ])
    expect((await rows(given, 'SELECT min(orders) AS least FROM sales_by_day'))[0]?.['least']).toBeGreaterThan(100)
    expect((await run(given, ...day1)).notes).toBe('starter@2026-03-01 is done already; --again runs it once more\n')
    expect((await run(given, ...day1, '--changed')).notes).toMatch(/starter@2026-03-01: nothing to redo/)
  })

  test('and lost the model that had failed: --changed finishes the run without it', async () => {
    await using given = await aStarter()
    await writeFile(join(given.folder, 'models', 'ratios.sql'), "SELECT CAST('x' AS INTEGER) AS n FROM orders\n")
    await edit(given, 'pipeline.yaml', '  - sales_by_day\n', '  - sales_by_day\n  - ratios\n')
    const failed = await run(given, ...day1)
    expect(failed).toMatchObject({ exitCode: 1, out: expect.stringContaining('models/ratios.sql') })
    await rm(join(given.folder, 'models', 'ratios.sql'))
    await edit(given, 'pipeline.yaml', '  - ratios\n', '')

    const planned = await cinelake(['plan', given.folder, ...day1, '--changed', '--state', given.state])
    expect(planned.out).toMatch(/^starter@2026-03-01 {2}2 tasks to drop$/m)
    expect(planned.out).toMatch(/^build ratios +drop +failed, no longer in the pipeline$/m)

    const changed = await run(given, ...day1, '--changed')
    expect(changed).toMatchObject({ exitCode: 0, out: expect.not.stringContaining('ratios') })
    expect(doneIn(changed.notes)).toEqual([])
    expect((await run(given, ...day1, '--changed')).notes).toMatch(/starter@2026-03-01: nothing to redo/)
  })

  test('of a contract with another type goes through with all windows, which no append to the table could', async () => {
    await using given = await ran()
    await edit(given, 'contracts/orders.yaml', 'DECIMAL(12,2)', 'DECIMAL(14,3)')

    expect(await run(given, ...days, '--changed')).toMatchObject({ exitCode: 0 })
    expect((await run(given, ...day1)).notes).toBe('starter@2026-03-01 is done already; --again runs it once more\n')
  })

  test('of a contract that would lose something is refused with one window, and begins again with all', async () => {
    await using given = await ran()
    await edit(given, 'contracts/orders.yaml', 'DECIMAL(12,2)', 'DECIMAL(12,1)')

    const one = await run(given, '--window', '2026-03-02', '--changed')
    expect(one).toMatchObject({ exitCode: 1, out: expect.stringContaining('CONTRACT_CHANGE_LOSSY') })

    expect(await run(given, ...days, '--changed')).toMatchObject({ exitCode: 0 })
  })

  test('of what is read from a source is told to need the source', async () => {
    await using given = await ran()
    await edit(given, 'pipeline.yaml', /orders_\{yyyy\}-\{MM\}-\{dd\}\.csv/, 'orders_{yyyy}-{MM}-{dd}*.csv')

    expect((await run(given, ...day1)).notes).toMatch(
      /changed since: pipeline\.yaml \(sources\.shop\.datasets\.orders\); --select 'shop\/orders\+' reads it from the source again/,
    )
    const again = await run(given, ...day1, '--select', 'shop/orders+')
    expect(doneIn(again.notes)).toContain('2026-03-01 ingest shop/orders')
    expect((await run(given, ...day1)).notes).toMatch(/is done already; --again/)
  })
})

describe('tasks that are named', () => {
  test('are done with what depends on them, and nothing else', async () => {
    await using given = await ran()

    const { notes, exitCode } = await run(given, ...day1, '--select', 'sales_by_day+')

    expect(exitCode).toBe(0)
    expect(doneIn(notes)).toEqual(['2026-03-01 build sales_by_day', '2026-03-01 load sales_by_day'])
  })

  test.each([
    [['--select', 'sale_by_day'], /starter@2026-03-01 was never run: run it whole first/],
    [['--select', 'orders', '--changed'], /--changed and --select: expected one of them/],
    [['--from-raw', '--again'], /--again and --from-raw: expected one of them/],
  ])('%j ends in 2', async (args, message) => {
    await using given = await aStarter()

    expect(await run(given, ...day1, ...args)).toMatchObject({ exitCode: 2, notes: expect.stringMatching(message) })
  })
})

describe('rebuild', () => {
  const ORDERS = 'SELECT * FROM orders ORDER BY 1'
  const SALES = 'SELECT * FROM sales_by_day ORDER BY 1'

  test.each([
    [
      'is gone',
      async (given: Given) => await rm(join(given.state, 'lake', 'refined', 'starter', 'orders'), { recursive: true }),
    ],
    [
      'has a damaged log',
      async (given: Given) =>
        await writeFile(
          join(given.state, 'lake', 'refined', 'starter', 'orders', '_delta_log', '00000000000000000001.json'),
          '{"add":{',
        ),
    ],
    ['is as it was', async () => undefined],
  ])('makes the same table of raw as the first time where it %s, without its sources', async (_what, damage) => {
    await using given = await ran()
    const before = [await rows(given, ORDERS), await rows(given, SALES)]
    await damage(given)
    await rm(join(given.folder, 'orders'), { recursive: true })

    const rebuilt = await cinelake(['rebuild', 'orders', '--state', given.state])

    expect(rebuilt).toMatchObject({ exitCode: 0 })
    expect(doneIn(rebuilt.notes).slice(0, 3)).toEqual([
      '2026-03-01 refine orders',
      '2026-03-01 build sales_by_day',
      '2026-03-02 refine orders',
    ])
    expect(doneIn(rebuilt.notes).slice(3).toSorted()).toEqual([
      '2026-03-02 build sales_by_day',
      '2026-03-02 load orders',
      '2026-03-02 load sales_by_day',
    ])
    expect([await rows(given, ORDERS), await rows(given, SALES)]).toEqual(before)
  })

  test('of all tables is the way back when the lake lost them', async () => {
    await using given = await ran()
    const before = [await rows(given, ORDERS), await rows(given, SALES)]
    await rm(join(given.state, 'lake', 'refined'), { recursive: true })

    expect(await cinelake(['rebuild', given.folder, '--all', '--state', given.state])).toMatchObject({ exitCode: 0 })

    expect([await rows(given, ORDERS), await rows(given, SALES)]).toEqual(before)
  })

  test('of one table has those that depend on it begin again as well where they are lost, and says so', async () => {
    await using given = await ran()
    const before = [await rows(given, ORDERS), await rows(given, SALES)]
    await rm(join(given.state, 'lake', 'refined'), { recursive: true })

    const { exitCode, out } = await cinelake(['rebuild', given.folder, 'orders', '--state', given.state])

    expect({ exitCode, out }).toMatchObject({ exitCode: 0 })
    expect(out).toMatch(/build sales_by_day +table_restarted: sales_by_day was lost .*\(TABLE_LOST\) and began again/)
    expect([await rows(given, ORDERS), await rows(given, SALES)]).toEqual(before)
  })

  test('is done when all of its windows are, though one in which it has nothing to do is red', async () => {
    await using given = await ran()
    const red = await run(given, '--window', '2026-03-03')
    expect(red).toMatchObject({ exitCode: 1, out: expect.stringContaining('FILES_MISSING') })

    const { exitCode, out } = await cinelake(['rebuild', given.folder, 'orders', '--state', given.state])

    expect(exitCode).toBe(0)
    expect(out).toMatch(/starter@2026-03-01 +succeeded[\s\S]*starter@2026-03-02 +succeeded/)
    expect(out).not.toContain('2026-03-03')
  })

  test('is shown beforehand', async () => {
    await using given = await ran()

    const { out } = await cinelake(['plan', given.folder, '--rebuild', 'orders', '--state', given.state])

    expect(out).toMatch(/^starter@2026-03-01 {2}2 tasks$/m)
    expect(out).toMatch(
      /^refine orders +do, its table begins again +rebuilt, from raw: landed \d{4}-\d\d-\d\d, 1 file$/m,
    )
    expect(out).toMatch(/^build sales_by_day +do +depends on refine orders$/m)
  })

  test.each([
    [['order'], /expected tables of one pipeline that was run, got none/],
    [[], /expected the name of a table, or --all/],
    [['--all'], /expected the pipeline's folder/],
  ])('%j ends in 2', async (args, message) => {
    await using given = await aStarter()

    const result = await cinelake(['rebuild', ...args, '--state', given.state])

    expect(result).toMatchObject({ exitCode: 2, notes: expect.stringMatching(message) })
  })

  test('turns windows green again whose load had failed for what is right now', async () => {
    await using given = await aStarter()
    await edit(given, 'pipeline.yaml', 'mode: merge', 'mode: append')
    await edit(given, 'pipeline.yaml', /\n\s*newestBy: \[updated_at\]/, '')
    await cp(
      join(given.folder, 'orders', 'orders_2026-03-01.csv'),
      join(given.folder, 'orders', 'orders_2026-03-02.csv'),
    )
    const failed = await run(given, ...days)
    expect(failed).toMatchObject({ exitCode: 1 })
    expect(failed.out).toMatch(
      /REFINE_KEY_REPEATED: .* got order_id=\S+ in orders_2026-03-02\.csv and before in window 2026-03-01 \(orders_2026-03-01\.csv\)/,
    )
    const remedy = /`cinelake run DIR (--window \S+ --select \S+)`/.exec(failed.out)?.[1]?.split(' ') ?? []

    await writeFile(
      join(given.folder, 'orders', 'orders_2026-03-02.csv'),
      (await readFile(join(given.folder, 'orders', 'orders_2026-03-01.csv'), 'utf8')).replaceAll(
        /^1(\d{3}),/gm,
        '9$1,',
      ),
    )
    expect(await run(given, '--window', '2026-03-02')).toMatchObject({ exitCode: 1 })
    expect(await run(given, ...remedy)).toMatchObject({ exitCode: 0 })
    expect(await run(given, ...days)).toMatchObject({ exitCode: 0 })
  })
})
