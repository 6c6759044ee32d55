// @module-tag slow: takes long
import { readFile, rename, rm, writeFile } from 'node:fs/promises'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { aStarter, cinelake } from './testing.fixture.ts'

const day1 = ['--window', '2026-03-01']
const day2 = ['--window', '2026-03-02']

describe('the starter pipeline, from the first day to the questions', () => {
  let given: Awaited<ReturnType<typeof aStarter>>
  beforeAll(async () => {
    given = await aStarter()
  })
  afterAll(async () => await given[Symbol.asyncDispose]())
  const state = () => ['--state', given.state]
  const json = async (...args: string[]) => JSON.parse((await cinelake([...args, ...state(), '--json'])).out) as unknown

  test('it is valid, and its plan shows every task after what it needs', async () => {
    expect(await cinelake(['validate', given.folder])).toMatchObject({
      exitCode: 0,
      out: '✓ starter: 1 source, 1 dataset, 1 model, 2 served tables\n',
    })
    const { out, exitCode } = await cinelake(['plan', given.folder, ...day1])
    expect(exitCode).toBe(0)
    expect(out.match(/^(ingest|refine|build|load) \S+/gm)).toEqual([
      'ingest shop/orders',
      'refine orders',
      'build sales_by_day',
      'load sales_by_day',
      'load orders',
    ])
    expect(existsSync(given.state)).toBe(false)
  })

  test('before the first run there is nothing to look into', async () => {
    for (const args of [['tables'], ['status'], ['query', 'SELECT 1'], ['rejects', 'orders'], ['history', 'orders']]) {
      const { exitCode, notes } = await cinelake([...args, ...state()])
      expect({ args, exitCode, notes }).toMatchObject({
        exitCode: 2,
        notes: expect.stringMatching(/nothing to look into/),
      })
    }
    expect(existsSync(given.state)).toBe(false)
  })

  test('the first day runs, with a line per finished task', async () => {
    const { exitCode, out, notes } = await cinelake(['run', given.folder, ...day1, ...state()])

    expect({ exitCode, notes }).toMatchObject({ exitCode: 0 })
    expect(notes).toMatch(/^2026-03-01 {2}✓ refine orders .* 3 rows, 2 rejected, 1 duplicate$/m)
    expect(out).toMatch(/starter@2026-03-01 +succeeded +5 +0 +0/)
  })

  test('run again, the day is done already', async () => {
    const { exitCode, notes } = await cinelake(['run', given.folder, ...day1, ...state()])

    expect({ exitCode, notes }).toEqual({
      exitCode: 0,
      notes: 'starter@2026-03-01 is done already; --again runs it once more\n',
    })
  })

  test('the second day corrects an order of the first', async () => {
    expect(await cinelake(['run', given.folder, ...day2, ...state()])).toMatchObject({ exitCode: 0 })

    expect(await json('query', 'SELECT * FROM sales_by_day ORDER BY ordered_on')).toEqual({
      columns: ['ordered_on', 'orders', 'sales'],
      rows: [
        { ordered_on: '2026-03-01', orders: 3, sales: '1236.65' },
        { ordered_on: '2026-03-02', orders: 2, sales: '100.00' },
      ],
      truncated: false,
    })
    const { out } = await cinelake(['query', 'SELECT * FROM sales_by_day ORDER BY ordered_on', ...state()])
    expect(out).toBe('ordered_on  orders    sales\n2026-03-01       3  1236.65\n2026-03-02       2   100.00\n')
  })

  test('personal data that the pipeline excludes is not in the mart', async () => {
    const { exitCode, notes } = await cinelake(['query', 'SELECT email FROM orders', ...state()])

    expect(exitCode).toBe(2)
    expect(notes).toMatch(/column "email" does not exist/)
  })

  test('rejected rows are shown with rule, file, line and as they were received', async () => {
    const { out, exitCode } = await cinelake(['rejects', 'orders', ...state()])

    expect(exitCode).toBe(0)
    expect(out).toMatch(/^2026-03-01 {2}amount_is_positive +1 {2}amount > 0$/m)
    expect(out).toMatch(/^2026-03-01 {2}type\(ordered_on\) +1 {2}DATE as %Y-%m-%d, %d\/%m\/%Y$/m)
    expect(out).toMatch(
      /orders_2026-03-01\.csv:4 {2}amount_is_positive\n {4}amount=0\.00, expected amount > 0\n {4}1003,2026-03-01,C-7,c7@example\.org,0/,
    )
    expect(await json('rejects', 'orders', '--rule', 'type(ordered_on)')).toMatchObject({
      dataset: 'orders',
      rejects: [{ line: 7, found: ['ordered_on=soon'], window_label: '2026-03-01' }],
    })
    expect((await cinelake(['rejects', 'orders', ...day2, ...state()])).out).toBe(
      'No row of orders was rejected in 2026-03-02.\n',
    )
    expect((await cinelake(['rejects', 'sales_by_day', ...state()])).out).toBe('No row of sales_by_day was rejected.\n')
  })

  test.each(['orders', 'sales_by_day'])(
    'rejects of %s in a window that was never run are an error that names those that were',
    async (name) => {
      for (const format of [[], ['--json']]) {
        const args = ['rejects', name, '--window', '2020-01-01', ...format]
        const { exitCode, screen } = await cinelake([...args, ...state()])

        expect(exitCode).toBe(2)
        expect(screen).toContain(`no run has made ${name} for the window`)
        expect(screen).toContain('--window is 2020-01-01: expected one of 2, from 2026-03-01 to 2026-03-02')
      }
    },
  )

  test('the tables, their versions and the runs are listed', async () => {
    expect(await json('tables')).toMatchObject({
      tables: [
        { name: 'orders', rowCount: 5 },
        { name: 'sales_by_day', rowCount: 2 },
      ],
    })
    expect((await cinelake(['tables', ...state()])).out).toMatch(/^orders +5 +\d+ {2}\d{4}-\d\d-\d\d /m)
    expect(await json('history', 'orders')).toMatchObject({
      versions: [
        { txn: { appId: 'starter@2026-03-02/refine orders', version: 1 } },
        { txn: { appId: 'starter@2026-03-01/refine orders', version: 1 } },
      ],
    })
    expect((await cinelake(['status', ...state()])).out.match(/starter@\S+ +succeeded/g)).toHaveLength(2)
    expect((await cinelake(['status', 'starter@2026-03-01', ...state()])).out).toMatch(/^load orders +succeeded/m)
  })

  test('a name that is not there is answered with those that are', async () => {
    expect((await cinelake(['history', 'nothing', ...state()])).notes).toMatch(/expected one of orders, sales_by_day/)
    expect(await cinelake(['status', 'starter@1999-01-01', ...state()])).toMatchObject({ exitCode: 2 })
  })

  test('a day is run once more when asked for, with the same result', async () => {
    const before = await json('query', 'SELECT * FROM sales_by_day ORDER BY ordered_on')

    expect(await cinelake(['run', given.folder, ...day1, '--again', ...state()])).toMatchObject({ exitCode: 0 })

    expect(await json('query', 'SELECT * FROM sales_by_day ORDER BY ordered_on')).toEqual(before)
  })
})

test('a run that failed tells why, ends in 1, and goes on with what is not done', async () => {
  await using given = await aStarter()
  const orders = join(given.folder, 'orders', 'orders_2026-03-01.csv')
  await rename(orders, `${orders}.late`)
  const run = async () => await cinelake(['run', given.folder, ...day1, '--state', given.state])

  const failed = await run()
  expect(failed).toMatchObject({ exitCode: 1 })
  expect(failed.notes).toMatch(/✗ ingest shop\/orders .* FILES_MISSING: no file came for the window\n/)
  expect(failed.notes).toMatch(/- 4 tasks +skipped, the first: needs ingest shop\/orders, which failed\n/)
  expect(failed.out).toMatch(/^4 tasks skipped: refine orders, /m)
  expect(failed.out.match(/orders_\{yyyy\}-\{MM\}-\{dd\}\.csv/g)).toHaveLength(1)
  expect(failed.out.trimEnd().split('\n').at(-1)).toMatch(/^ {2}FILES_MISSING: .*orders_\{yyyy\}-\{MM\}-\{dd\}\.csv/)

  await rename(`${orders}.late`, orders)
  expect(await run()).toMatchObject({ exitCode: 0 })
})

test('what is warned of is a line each after the run and in its status, and counted in the list', async () => {
  await using given = await aStarter()
  const contract = join(given.folder, 'contracts', 'orders.yaml')
  await writeFile(contract, (await readFile(contract, 'utf8')).replace('severity: error', 'severity: warn'))
  const file = join(given.folder, 'orders', 'orders_2026-03-01.csv')
  const [head = '', ...rows] = (await readFile(file, 'utf8')).trimEnd().split('\n')
  await writeFile(file, `${head},Kanal\n${rows.map((row) => `${row},web\n`).join('')}`)
  const warnings = [
    /^warning {2}refine orders {2}unknown_columns: orders_2026-03-01\.csv has in addition to the contract: Kanal$/m,
    /^warning {2}refine orders {2}amount_is_positive: .* got 1 of 6 that does not: orders_2026-03-01\.csv:4$/m,
  ]

  const run = await cinelake(['run', given.folder, ...day1, '--state', given.state])
  const status = await cinelake(['status', 'starter@2026-03-01', '--state', given.state])

  expect(run).toMatchObject({ exitCode: 0 })
  for (const warning of warnings) {
    expect(run.out).toMatch(warning)
    expect(status.out).toMatch(warning)
  }
  const rejects = await cinelake(['rejects', 'orders', '--state', given.state])
  expect(rejects.out).toMatch(/^2026-03-01 {2}amount_is_positive \(warn\) +1 {2}amount > 0$/m)
  expect(rejects.out).toMatch(
    /orders_2026-03-01\.csv:4 {2}amount_is_positive {2}warn, not rejected\n {4}amount=0\.00, expected amount > 0\n {4}1003/,
  )
  const list = await cinelake(['status', '--state', given.state, '--json'])
  expect(JSON.parse(list.out)).toMatchObject({ runs: [{ id: 'starter@2026-03-01', warningCount: 2 }] })
  expect((await cinelake(['status', '--state', given.state])).out).toMatch(/^run +.* warnings /)
})

test('rows that make a task fail are named with file and line, and shown like rejects', async () => {
  await using given = await aStarter()
  const contract = join(given.folder, 'contracts', 'orders.yaml')
  await writeFile(contract, (await readFile(contract, 'utf8')).replace('severity: error', 'severity: fail'))

  const run = await cinelake(['run', given.folder, ...day1, '--state', given.state])

  expect(run).toMatchObject({
    exitCode: 1,
    out: expect.stringMatching(
      /REFINE_RULE_FAILED: .* got 1 of 6 that does not: orders_2026-03-01\.csv:4; .*`cinelake rejects orders --window 2026-03-01` shows/,
    ),
  })
  const { out } = await cinelake(['rejects', 'orders', ...day1, '--rule', 'amount_is_positive', '--state', given.state])
  expect(out).toMatch(/^2026-03-01 {2}amount_is_positive +1 {2}amount > 0\n/m)
  expect(out).toMatch(/orders_2026-03-01\.csv:4 .*amount_is_positive/)
})

test('a pipeline that cannot be used is told whole, with 2', async () => {
  await using given = await aStarter()
  await writeFile(join(given.folder, 'models', 'sales_by_day.sql'), 'SELECT nothing FROM order')
  await rm(join(given.folder, 'contracts', 'orders.yaml'))

  const { exitCode, out } = await cinelake(['validate', given.folder])
  expect(exitCode).toBe(2)
  expect(out).toMatch(/cannot be used: \d errors/)
  const run = await cinelake(['run', given.folder, ...day1, '--state', given.state])
  expect(run).toMatchObject({ exitCode: 2, notes: expect.stringMatching(/contracts\/orders\.yaml/) })
  expect(existsSync(given.state)).toBe(false)
})

test('a setting that a run needs is missed before anything is touched', async () => {
  await using given = await aStarter()
  const file = join(given.folder, 'pipeline.yaml')
  await writeFile(
    file,
    (await import('node:fs')).readFileSync(file, 'utf8').replace(/\$\{STARTER_ORDERS:-[^}]*\}/, '${STARTER_ORDERS}'),
  )

  const run = await cinelake(['run', given.folder, ...day1, '--state', given.state])

  expect(run).toMatchObject({ exitCode: 2, notes: expect.stringMatching(/STARTER_ORDERS/) })
  expect(await cinelake(['validate', given.folder])).toMatchObject({
    exitCode: 0,
    out: expect.stringMatching(/warning .*STARTER_ORDERS/),
  })
})

describe('bad usage ends in 2 and says what would be right', () => {
  test.each([
    [['unknown'], /unknown command/],
    [['run'], /missing required argument 'dir'/],
    [['query', 'SELECT 1', '--limit', 'x'], /whole number of 1 or more/],
    [['run', 'somewhere'], /there is no pipeline\.yaml/],
    [['demo', '--scale', '0'], /above 0/],
    [['demo', '--seed', ''], /a whole number/],
    [['tables', '--state', ''], /expected a directory/],
    [['init', fileURLToPath(import.meta.url)], /cannot be written/],
    [['init', join(fileURLToPath(import.meta.url), 'below')], /cannot be written/],
    [['validate', 'a', 'b'], /too many arguments/],
  ])('%j', async (args, message) => {
    expect(await cinelake(args)).toMatchObject({ exitCode: 2, notes: expect.stringMatching(message) })
  })

  test('settings that cannot be used are all told', async () => {
    const settings = { CINELAKE_ENGINE_THREADS: 'many', CINELAKE_LOG_LEVEL: 'loud' }

    const { exitCode, notes } = await cinelake(['plan', 'somewhere'], settings)

    expect(exitCode).toBe(2)
    expect(notes).toMatch(/CINELAKE_ENGINE_THREADS[\s\S]*CINELAKE_LOG_LEVEL/)
  })

  test('an error is JSON where JSON was asked for', async () => {
    const { out } = await cinelake(['run', 'somewhere', '--json'])

    expect(JSON.parse(out)).toMatchObject({ error: { code: 'CONFIG_INVALID' } })
  })

  test.each([
    [['frobnicate', '--json'], /unknown command/],
    [['tables', '--json', '--frob'], /unknown option/],
    [['query', '--json'], /missing required argument/],
  ])('so is the bad usage %j', async (args, message) => {
    const { out, exitCode } = await cinelake(args)

    expect(exitCode).toBe(2)
    expect(JSON.parse(out)).toEqual({
      error: { code: 'USAGE_INVALID', message: expect.stringMatching(message), context: {} },
    })
  })

  test('no secret of the environment is in an error', async () => {
    const settings = { STORE: 'postgres://me:hunter2@host/db' }

    const { out, notes } = await cinelake(['history', 'orders', '--state', '/nowhere/hunter2', '--json'], settings)

    expect(out + notes).toContain('/nowhere/[secret]')
    expect(out + notes).not.toContain('hunter2')
  })
})

test.each([
  [[]],
  ...['demo', 'init', 'validate', 'plan', 'run', 'rebuild', 'status', 'rejects', 'query', 'tables', 'history'].map(
    (name) => [[name]],
  ),
])('help of %j has examples and ends in 0', async (args) => {
  const { exitCode, out } = await cinelake([...args, '--help'])

  expect(exitCode).toBe(0)
  expect(out).toMatch(/Usage: cinelake[\s\S]*Examples:\n {2}cinelake /)
})

test('init does not write into a folder that holds something', async () => {
  await using given = await aStarter()

  const { exitCode, notes } = await cinelake(['init', given.folder])

  expect(exitCode).toBe(2)
  expect(notes).toMatch(/expected a new or empty folder/)
})

test('init writes a pipeline that is valid', async () => {
  await using given = await aStarter()
  const folder = `${given.folder} o'new`

  expect((await cinelake(['init', folder])).out).toContain('pipeline.yaml')
  expect(await cinelake(['validate', folder])).toMatchObject({ exitCode: 0 })
})
