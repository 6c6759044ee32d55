import { createDuckDbEngine } from '@cinelake/engine/duckdb'
import { mkdtempDisposable } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { firstInnerJoin } from './inner-join.ts'

const stack = new AsyncDisposableStack()
let session: Awaited<ReturnType<Awaited<ReturnType<typeof createDuckDbEngine>>['session']>>

beforeAll(async () => {
  const directory = stack.use(await mkdtempDisposable(join(tmpdir(), 'cinelake-join-')))
  const engine = stack.use(
    await createDuckDbEngine({ memoryBytes: 128 * 1024 * 1024, threads: 1, scratchDirectory: directory.path }),
  )
  session = stack.use(await engine.session())
  await session.run(
    'CREATE TEMP TABLE orders AS SELECT * FROM (VALUES (1, 7), (2, 7), (3, 8), (4, NULL)) AS o(id, customer)',
  )
  await session.run('CREATE TEMP TABLE customers AS SELECT * FROM (VALUES (7, 1), (7, 2), (9, 1)) AS c(customer, city)')
})
afterAll(() => stack.disposeAsync())

describe('an inner join is found, and how many rows have a partner is counted', () => {
  test.each([
    ['SELECT * FROM orders o JOIN customers c USING (customer)', 'orders', 'customers'],
    [
      'SELECT o.id, count(*) FROM orders AS o INNER JOIN customers AS c ON o.customer = c.customer GROUP BY ALL',
      'orders',
      'customers',
    ],
    [
      'SELECT * FROM orders -- all\n JOIN customers ON orders.customer = customers.customer WHERE id > 1 ORDER BY id',
      'orders',
      'customers',
    ],
    [
      'WITH known AS (SELECT * FROM customers) SELECT * FROM orders JOIN known USING (customer) LEFT JOIN customers c ON true',
      'orders',
      'known',
    ],
    [
      'SELECT (SELECT max(city) FROM customers) FROM orders JOIN (SELECT customer FROM customers) x USING (customer)',
      'orders',
      'the joined subquery',
    ],
    ['SELECT * FROM "orders" JOIN customers USING (customer), customers AS others', '"orders"', 'customers'],
  ])('%s', async (sql, left, right) => {
    const found = firstInnerJoin(sql)

    expect(found).toMatchObject({ left, right })
    expect(await session.rows(found?.countQuery ?? '')).toEqual([{ rows: 4, joined: 2 }])
  })
})

test.each([
  'SELECT * FROM orders',
  'SELECT * FROM orders LEFT JOIN customers USING (customer)',
  'SELECT * FROM orders, customers',
  'SELECT * FROM orders CROSS JOIN customers',
  'SELECT * FROM orders NATURAL JOIN customers',
  'SELECT * FROM (SELECT 1 AS customer) AS o JOIN customers USING (customer)',
  'SELECT id FROM orders JOIN customers USING (customer) UNION ALL SELECT id FROM orders',
  "SELECT 'from orders join customers using (customer)' AS text FROM orders",
])('none is found in %s', (sql) => {
  expect(firstInnerJoin(sql)).toBeUndefined()
})
