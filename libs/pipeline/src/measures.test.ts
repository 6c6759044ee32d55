import { afterAll, beforeAll, expect, test } from 'vitest'
import { GOOD, textFolder, type Files } from './fixtures/text-folder.fixture.ts'
import { openTypers } from './fixtures/typer.fixture.ts'
import { measuresOf } from './measures.ts'
import { readPipeline } from './read-pipeline.ts'
import { createSqlTyper } from './sql-typer.ts'

let typers: Awaited<ReturnType<typeof openTypers>>
beforeAll(async () => {
  typers = await openTypers()
})
afterAll(async () => await typers[Symbol.asyncDispose]())

async function measuresIn(files: Files): Promise<Record<string, string>> {
  await using session = await typers.engine.session()
  const { pipeline, problems } = await readPipeline(textFolder(files), { typer: createSqlTyper(session) })
  if (pipeline === undefined) throw new Error(problems.map(({ message }) => message).join('; '))
  const found = await measuresOf(session, pipeline)
  return Object.fromEntries(found.map(({ as, column, total }) => [`${as}.${column}`, total]))
}

/** The measures of a model that is served as `sales`, by column. */
async function measuresOfSql(sql: string, header = ''): Promise<Record<string, string>> {
  const found = await measuresIn({ ...GOOD, 'models/sales.sql': header === '' ? sql : `/*\n${header}\n*/\n${sql}` })
  return Object.fromEntries(Object.entries(found).map(([name, total]) => [name.replace('sales.', ''), total]))
}

test.each<[string, Record<string, string>]>([
  ['SELECT order_id, amount FROM orders', {}],
  ['SELECT user_id, sum(amount) AS m, count(*) AS n FROM orders GROUP BY user_id', { m: 'sum', n: 'sum' }],
  ['SELECT user_id, sum(amount) FILTER (WHERE minutes > 3) AS m FROM orders GROUP BY user_id', { m: 'sum' }],
  ['SELECT user_id, avg(amount) AS m, max(minutes) AS x FROM orders GROUP BY user_id', { m: 'mean', x: 'mean' }],
  ['SELECT user_id, count(DISTINCT status) AS d FROM orders GROUP BY user_id', { d: 'mean' }],
  ['SELECT user_id, max(ordered_on) AS latest, any_value(minutes) AS some FROM orders GROUP BY user_id', {}],
  ['SELECT user_id, sum(amount) / count(*) AS share FROM orders GROUP BY user_id', { share: 'mean' }],
  ['SELECT user_id, coalesce(sum(amount), 0) * 2 AS m FROM orders GROUP BY user_id', { m: 'sum' }],
  ['SELECT user_id, CASE WHEN count(*) > 3 THEN 1 ELSE 0 END AS often FROM orders GROUP BY user_id', {}],
  ['WITH a AS (SELECT user_id, sum(amount) AS m FROM orders GROUP BY 1) SELECT * FROM a', { m: 'sum' }],
  ['WITH a(u, x) AS (SELECT user_id, sum(amount) FROM orders GROUP BY 1) SELECT u, x AS m FROM a', { m: 'sum' }],
  ['SELECT t.* FROM (SELECT user_id, sum(amount) AS m FROM orders GROUP BY 1) AS t', { m: 'sum' }],
  [
    'SELECT o.user_id, o.amount, t.m FROM orders AS o JOIN (SELECT user_id, sum(amount) AS m FROM orders GROUP BY 1) AS t USING (user_id)',
    { m: 'sum' },
  ],
  ['SELECT user_id, amount AS m FROM orders UNION ALL SELECT 0, sum(amount) FROM orders', { m: 'sum' }],
  ['SELECT user_id, sum(amount) OVER (PARTITION BY user_id) AS running FROM orders', { running: 'mean' }],
  [
    'SELECT user_id, rank() OVER (ORDER BY m DESC, user_id) AS place FROM (SELECT user_id, sum(amount) AS m FROM orders GROUP BY 1)',
    {},
  ],
  ['SELECT order_id, (SELECT max(amount) FROM orders) AS most FROM orders', { most: 'mean' }],
  ['SELECT user_id, minutes AS m FROM user_sales', { m: 'sum' }],
  ['SELECT user_id, minutes / 60 AS hours FROM user_sales', { hours: 'mean' }],
  [
    "SELECT user_id, count(*) AS n FROM orders WHERE updated_at < :window_end AND status = 'N''W' GROUP BY 1",
    { n: 'sum' },
  ],
])('of %s the measures are %j', async (sql, measures) => {
  expect(await measuresOfSql(sql)).toEqual(measures)
})

test('a column of the key is no measure, and neither is one that is not served', async () => {
  const sql = 'SELECT user_id, minutes, count(*) AS n FROM user_sales GROUP BY ALL'

  expect(await measuresOfSql(sql, 'key: [user_id, minutes]')).toEqual({ n: 'sum' })
  const served = (GOOD['pipeline.yaml'] ?? '').replace('  - sales\n', '  - { table: sales, exclude: [orders] }\n')
  expect(await measuresIn({ ...GOOD, 'pipeline.yaml': served })).toEqual({ 'sales.amount': 'sum' })
})
