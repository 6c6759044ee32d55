import * as fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openTypers } from '../fixtures/typer.fixture.ts'
import type { SqlTyper } from '../sql-typer.ts'
import { parseQuery } from './parse.ts'
import { rewriteUsedTables } from '../check/check-models.ts'

let typers: Awaited<ReturnType<typeof openTypers>>
let typer: SqlTyper
beforeAll(async () => {
  typers = await openTypers()
  typer = await typers.typer()
})
afterAll(async () => {
  await typers[Symbol.asyncDispose]()
})

const rewrite = async (sql: string) => {
  const parsed = await parseQuery(typer, sql)
  if ('message' in parsed) throw new Error(parsed.message)
  return rewriteUsedTables(sql, parsed, (qualifier, name) =>
    qualifier.toLowerCase() === 'ott' ? `ott.${name.toLowerCase()}` : undefined,
  )
}

test.each([
  ['SELECT 1 FROM ott.a', 'SELECT 1 FROM "ott.a" AS "a"'],
  ['SELECT 1 FROM ott.A x, "ott" . "b" AS y', 'SELECT 1 FROM "ott.a" x, "ott.b" AS y'],
  ['SELECT (SELECT max(n) FROM ott.a) FROM orders', 'SELECT (SELECT max(n) FROM "ott.a" AS "a") FROM orders'],
  ["SELECT (SELECT max(n) FROM ott.a) -> '$.n'", `SELECT (SELECT max(n) FROM "ott.a" AS "a") -> '$.n'`],
  ['WITH a AS (SELECT * FROM ott.a) SELECT * FROM a', 'WITH a AS (SELECT * FROM "ott.a" AS "a") SELECT * FROM a'],
  ["SELECT 'ott.a' AS t -- ott.a\nFROM ott.a", `SELECT 'ott.a' AS t -- ott.a\nFROM "ott.a" AS "a"`],
])('%s', async (sql, expected) => {
  expect((await rewrite(sql))?.sql).toBe(expected)
})

test.each(['SELECT 1 FROM orders', 'SELECT ott.a FROM orders AS ott', 'SELECT 1 FROM x.a', 'SELECT 1 FROM lake.ott.a'])(
  '%s stays as it is',
  async (sql) => {
    expect(await rewrite(sql)).toBeUndefined()
  },
)

test('what is not the name of a table has the place that it had', async () => {
  const table = fc.constantFrom('ott.films', 'ott.t AS x', 'orders', '"ott".b', "(SELECT 'é🎬' AS text FROM ott.c)")
  await fc.assert(
    fc.asyncProperty(fc.array(table, { minLength: 1, maxLength: 6 }), async (tables) => {
      const sql = `SELECT 'ü🎬', 1 FROM ${tables.join(' , ')} WHERE 2 = 2`
      const rewritten = await rewrite(sql)
      if (rewritten === undefined) return
      for (const word of ['SELECT', "'ü🎬'", 'FROM', ',', 'WHERE', '= 2']) {
        expect(rewritten.before(rewritten.sql.lastIndexOf(word))).toBe(sql.lastIndexOf(word))
      }
      expect(rewritten.before(rewritten.sql.length)).toBe(sql.length)
    }),
  )
})
