import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { freezePipeline } from './checked-pipeline.ts'
import { GOOD, textFolder, withText, type Files } from './fixtures/text-folder.fixture.ts'
import { openTypers } from './fixtures/typer.fixture.ts'
import { planRun } from './plan.ts'
import { formatProblem } from '@cinelake/config-text'
import { readPipeline, type ReadOptions } from './read-pipeline.ts'
import { changedPlaces } from './text-changes.ts'

let typers: Awaited<ReturnType<typeof openTypers>>
beforeAll(async () => {
  typers = await openTypers()
})
afterAll(async () => {
  await typers[Symbol.asyncDispose]()
})

async function read(files: Files, options: ReadOptions = {}) {
  return await readPipeline(textFolder(files), { typer: await typers.typer(), ...options })
}

async function pipelineOf(files: Files) {
  const { pipeline, problems } = await read(files)
  expect(problems.map(formatProblem)).toEqual([])
  if (pipeline === undefined) throw new Error('expected a pipeline')
  return pipeline
}

describe('a folder without a fault', () => {
  test('becomes one checked pipeline with nothing left to look up', async () => {
    const pipeline = await pipelineOf(GOOD)

    expect(pipeline).toMatchObject({
      name: 'shop',
      schedule: { every: 'day', timeZone: 'Europe/Berlin', start: '2026-03-01', delayMs: 10_800_000 },
      retry: { maxAttempts: 3, backoffMs: 2000, maxBackoffMs: 60_000 },
    })
    expect(pipeline.datasets.map(({ name }) => name)).toEqual(['orders', 'users', 'payments'])
    expect(pipeline.models.map(({ name }) => name)).toEqual(['dim_user', 'sales', 'user_sales'])
  })

  test('a column has its contract, and the spellings of its source before its own name', async () => {
    const [orders] = (await pipelineOf(GOOD)).datasets

    expect(orders?.contract.columns.map(({ name, type, required }) => [name, type, required])).toEqual([
      ['order_id', 'VARCHAR', true],
      ['ordered_on', 'DATE', true],
      ['amount', 'DECIMAL(12,2)', false],
      ['tags', 'VARCHAR[]', false],
      ['minutes', 'BIGINT', false],
      ['user_id', 'BIGINT', false],
      ['status', 'VARCHAR', false],
      ['updated_at', 'TIMESTAMP WITH TIME ZONE', false],
    ])
    expect(orders?.contract.columns[0]).toMatchObject({
      maxLength: 20,
      reading: { from: ['id', 'order no', 'order_id'] },
    })
    expect(orders?.contract.columns[2]?.reading).toEqual({ from: ['total', 'amount'], decimal: 'any', percentOf: 100 })
    expect(orders?.contract.columns[6]?.reading.values).toEqual({ 'New order': 'NEW', Paid: 'PAID' })
    expect(orders?.reading).toEqual({ header: true, nulls: ['N/A', '-', '-999'] })
  })

  test('rules come from quality and from the options of types', async () => {
    const [orders, users] = (await pipelineOf(GOOD)).datasets

    expect(orders?.contract.rowRules).toMatchObject([
      { name: 'minimum(minutes)', severity: 'error', expression: '"minutes" >= 0' },
      { name: 'invalidValues(status)', severity: 'warn', expression: `"status" IN ('NEW', 'PAID')` },
      { name: 'amount_positive', severity: 'error', expression: 'amount > 0' },
    ])
    expect(orders?.contract.tableRules).toMatchObject([
      { name: 'some_rows', severity: 'fail', expect: { operator: '>', values: [0] } },
      { name: 'few_without_user', severity: 'warn', query: 'SELECT count(*) FROM {table} WHERE user_id IS NULL' },
    ])
    expect(users?.contract.tableRules).toMatchObject([
      { name: 'unique(email)', severity: 'fail', expect: { operator: '=', values: [0] } },
    ])
  })

  test('a rule has the place of its SQL, which makes no difference to its text', async () => {
    const before = await pipelineOf(GOOD)
    const moved = await pipelineOf(
      withText(GOOD, 'contracts/orders.yaml', 'kind: DataContract', '# moved\nkind: DataContract'),
    )
    const beginsOf = (pipeline: typeof before) => {
      const { rowRules = [], tableRules = [] } = pipeline.datasets[0]?.contract ?? {}
      return [...rowRules, ...tableRules].map(({ begin }) => begin)
    }

    expect(beginsOf(before)).toEqual([
      { line: 14, column: 68 },
      { line: 19, column: 13 },
      { line: 22, column: 82 },
      { line: 23, column: 9 },
      { line: 26, column: 16 },
    ])
    expect(beginsOf(moved).map((begin) => begin?.line)).toEqual([15, 20, 23, 24, 27])
    for (const task of planRun(before)) expect(changedPlaces(before, moved, task)).toEqual([])
  })

  test('the primary key is in the order of its positions', async () => {
    const payments = (await pipelineOf(GOOD)).datasets[2]

    expect(payments?.contract.primaryKey).toEqual(['user_id', 'order_id'])
  })

  test('a model has its inputs, its types as tables hold them, and its SQL without header and end', async () => {
    const sales = (await pipelineOf(GOOD)).models[1]

    expect(sales).toMatchObject({
      inputs: ['orders'],
      usesWindow: true,
      materialization: 'table',
      rowsIn: 'SELECT count(*) FROM orders',
    })
    expect(sales?.sql).toBe(
      'SELECT ordered_on, sum(amount) AS amount, count(*) AS orders\nFROM orders\nWHERE updated_at < :window_end\nGROUP BY ordered_on',
    )
    expect(sales?.columns).toEqual([
      { name: 'ordered_on', type: 'DATE' },
      { name: 'amount', type: 'DECIMAL(38,2)', description: 'In euros.' },
      { name: 'orders', type: 'BIGINT' },
    ])
  })

  test('a table with history is served with its three columns and a key for each state', async () => {
    const served = (await pipelineOf(GOOD)).serve[1]

    expect(served).toMatchObject({ table: 'dim_user', as: 'users', primaryKey: ['user_id', 'valid_from'] })
    expect(served?.columns.map(({ name, required }) => [name, required])).toEqual([
      ['user_id', true],
      ['full_name', false],
      ['country', false],
      ['valid_from', true],
      ['valid_to', false],
      ['is_current', true],
    ])
    expect(served?.columns[3]?.description).toBe('Since when.')
  })

  test('the sum of whole numbers, which the engine makes HUGEINT, is kept as BIGINT', async () => {
    const userSales = (await pipelineOf(GOOD)).models[2]

    expect(userSales?.columns).toEqual([
      { name: 'user_id', type: 'BIGINT' },
      { name: 'minutes', type: 'BIGINT' },
    ])
  })

  test('has the same digest each time, whatever the order of keys in its text', async () => {
    const once = freezePipeline(await pipelineOf(GOOD))
    const again = freezePipeline(
      await pipelineOf(
        withText(
          GOOD,
          'pipeline.yaml',
          'retry: { attempts: 3, backoff: 2s, maxBackoff: 1m }',
          'retry: { maxBackoff: 1m, backoff: 2s, attempts: 3 }',
        ),
      ),
    )

    expect(again.digest).toBe(once.digest)
  })

  test('an engine is needed for the types of models, not for their problems', async () => {
    const { pipeline, problems } = await readPipeline(textFolder(GOOD))

    expect(problems).toEqual([])
    expect(pipeline).toBeUndefined()
  })

  test('settings and secrets that are there, or have a default, are no problem', async () => {
    const { problems } = await read(GOOD, { settings: { CRM_URL: 'http://localhost' }, hasSecret: async () => true })

    expect(problems).toEqual([])
  })
})

describe('models and their inputs', () => {
  test('models are in an order in which each comes after what it reads', async () => {
    const files = {
      ...GOOD,
      'models/a_last.sql': 'SELECT minutes FROM b_middle',
      'models/b_middle.sql': 'SELECT minutes FROM user_sales',
    }

    const { models } = await pipelineOf(files)

    expect(models.map(({ name }) => name)).toEqual(['user_sales', 'b_middle', 'a_last', 'dim_user', 'sales'])
  })

  test('a model over a table with history sees its three columns', async () => {
    const files = { ...GOOD, 'models/now.sql': 'SELECT user_id, valid_from FROM dim_user WHERE is_current' }

    const { models } = await pipelineOf(files)

    expect(models[1]?.columns[1]).toEqual({ name: 'valid_from', type: 'TIMESTAMP WITH TIME ZONE' })
  })

  test('the column that says what is rejected is no part of the table', async () => {
    const files = {
      ...GOOD,
      'models/m.sql': "SELECT user_id, CASE WHEN user_id IS NULL THEN 'orphan' END AS _reject FROM orders",
    }

    const { models } = await pipelineOf(files)

    expect(models.find(({ name }) => name === 'm')?.columns).toEqual([{ name: 'user_id', type: 'BIGINT' }])
  })

  test('names are compared without case, and a dataset has the window in which its rows landed', async () => {
    const files = { ...GOOD, 'models/m.sql': 'SELECT User_Id, _window AS landed FROM "ORDERS" AS o' }

    const { models } = await pipelineOf(files)

    expect(models.find(({ name }) => name === 'm')?.inputs).toEqual(['orders'])
  })
})
