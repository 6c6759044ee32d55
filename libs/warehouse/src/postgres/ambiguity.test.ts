import { afterAll, beforeAll, expect, test } from 'vitest'
import { createPgliteWarehouse } from './pglite.ts'
import { openPgliteDatabase, type PgliteDatabase } from '@cinelake/database/pglite'
import { pgliteSessions } from './pglite-warehouse.ts'
import { refuseAmbiguous } from './query.ts'
import { searchPathOf } from './reader.ts'

const SCHEMAS = ['mart', 'shop']

let database: PgliteDatabase<unknown>
beforeAll(async () => {
  database = await openPgliteDatabase()
  await createPgliteWarehouse(database)
  await database.pglite.exec(`
    CREATE SCHEMA shop; CREATE TABLE mart.orders (id int); CREATE TABLE shop.orders (id int); CREATE TABLE shop.users (id int, orders int);
    GRANT USAGE ON SCHEMA shop TO cinelake_reader; GRANT SELECT ON ALL TABLES IN SCHEMA mart, shop TO cinelake_reader`)
})
afterAll(async () => {
  await database[Symbol.asyncDispose]()
})

async function check(sql: string): Promise<void> {
  const options = { searchPath: searchPathOf(SCHEMAS), timeoutMs: 60_000, signal: new AbortController().signal }
  await pgliteSessions(database).read(async (session) => await refuseAmbiguous(session, sql, SCHEMAS), options)
}

test.each([
  ['SELECT * FROM orders'],
  ['SELECT * FROM users u JOIN orders o ON o.id = u.id'],
  ['SELECT (SELECT count(*) FROM Orders)'],
])('%s names a table that two schemas have, and is refused with both', async (sql) => {
  await expect(check(sql)).rejects.toMatchObject({
    code: 'WAREHOUSE_QUERY_INVALID',
    message: expect.stringContaining('orders is in mart and shop: write mart.orders or shop.orders'),
  })
})

test.each([
  ['SELECT * FROM shop.orders'],
  ['SELECT * FROM "mart" . "orders"'],
  ['SELECT orders FROM users'],
  ['WITH orders AS (SELECT 1 AS id) SELECT * FROM orders'],
  [`SELECT 'orders'`],
])('%s says which one, or none', async (sql) => {
  await expect(check(sql)).resolves.toBeUndefined()
})
