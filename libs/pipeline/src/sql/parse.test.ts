import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openTypers } from '../fixtures/typer.fixture.ts'
import type { SqlTyper } from '../sql-typer.ts'
import { parseCondition, parseQuery } from './parse.ts'

let typers: Awaited<ReturnType<typeof openTypers>>
let typer: SqlTyper
beforeAll(async () => {
  typers = await openTypers()
  typer = await typers.typer()
})
afterAll(async () => {
  await typers[Symbol.asyncDispose]()
})

async function parsed(sql: string) {
  const query = await parseQuery(typer, sql)
  if ('message' in query) throw new Error(query.message)
  return query
}

describe('what a query reads', () => {
  /** The tables as they are written, from their offset to their end. */
  test.each<[string, string[]]>([
    ['SELECT 1', []],
    ['SELECT 1 FROM a, B AS x JOIN lake.c USING (id)', ['a', 'B', 'lake.c']],
    ['SELECT \'é🎬\' FROM "ü x" /* , d */ -- e\n, lake . /* f */ "g"', ['"ü x"', 'lake . /* f */ "g"']],
    ['WITH a AS (SELECT * FROM b), c AS (SELECT * FROM a) SELECT * FROM c, d WHERE EXISTS (FROM e)', ['b', 'd', 'e']],
    ['WITH a AS (SELECT * FROM a) SELECT * FROM a, x.a', ['a', 'x.a']],
    ['WITH RECURSIVE r AS (SELECT * FROM a UNION ALL SELECT * FROM r) SELECT * FROM r', ['a']],
    ['SELECT * FROM a UNION ALL (WITH b AS (SELECT 1) FROM b) INTERSECT FROM b', ['a', 'b']],
    ['FROM (PIVOT a ON x IN (1, 2) USING sum(y)), unnest([1]), (VALUES (1))', ['a']],
    ['SELECT (SELECT max(n) FROM a) FROM b ORDER BY (SELECT 1 FROM c) LIMIT 1', ['a', 'b', 'c']],
  ])('%s', async (sql, tables) => {
    const found = (await parsed(sql)).tables

    expect(found.map(({ offset, end }) => sql.slice(offset, end))).toEqual(tables)
  })

  test('whether a table is given another name', async () => {
    const { tables } = await parsed('SELECT 1 FROM a, b AS c, d e')

    expect(tables.map(({ name, hasAlias }) => [name, hasAlias])).toEqual([
      ['a', false],
      ['b', true],
      ['d', true],
    ])
  })
})

test.each<[condition: string, columns: string[]]>([
  ['amount > 0 AND "é b" IS NULL', ['amount', '"é b"']],
  ['len(list_filter(tags, t -> t > low)) = 0 -- and x', ['tags', 'low']],
  ['len([t FOR t IN tags IF t > low]) = 0;', ['tags', 'low']],
  ["a IS NULL OR CAST(b AS JSON) -> '$.x' = c OR u.d -> 'x' -> 'y' = e", ['a', 'b', 'c', 'u.d', 'e']],
  ['u.amount > u."low"', ['u.amount', 'u."low"']],
])('columns of the condition %s', async (condition, columns) => {
  const found = await parseCondition(typer, condition)
  if ('message' in found) throw new Error(found.message)

  expect(
    found.columns.map(({ offset }, index) => condition.slice(offset, offset + (columns[index] ?? '').length)),
  ).toEqual(columns)
})

test.each<[string, { openNullOrder?: true; openLimit?: true; topAggregates?: string[] }]>([
  ['SELECT a FROM t ORDER BY a', { openNullOrder: true }],
  ['SELECT a FROM t ORDER BY a DESC, b NULLS LAST LIMIT 3', {}],
  ['SELECT rank() OVER (ORDER BY a) FROM t', { openNullOrder: true }],
  ['SELECT list(a ORDER BY b ASC) FROM t', { openNullOrder: true }],
  ['SELECT a FROM t LIMIT 3', { openLimit: true }],
  ['SELECT a FROM (SELECT a FROM t LIMIT 10%) ORDER BY a NULLS FIRST', { openLimit: true }],
  ['SELECT MAX_BY(a, b, 3), arg_min(a, b) FROM t', { topAggregates: ['max_by'] }],
])('what %s leaves open', async (sql, open) => {
  expect(await parsed(sql)).toMatchObject({ openNullOrder: false, openLimit: false, topAggregates: [], ...open })
})

describe('what cannot be parsed', () => {
  /** The text, what is said, and the rest of the text from the place on. */
  test.each<[string, string, string]>([
    ['SELECT a,, b FROM t', 'syntax error at or near ","', ', b FROM t'],
    ["SELECT 'é🎬', FROM FROM t", 'syntax error at or near "FROM"', 'FROM t'],
    ['SELECT a FROM t WHERE', 'syntax error at end of input', ''],
    ["SELECT 'a", 'unterminated quoted string at or near "\'a"', "'a"],
    ['SELECT 1; SELECT 2', 'expected one SELECT, got 2 statements', 'SELECT 1; SELECT 2'],
    ['-- nothing', 'expected one SELECT, got 0 statements', '-- nothing'],
    ['/* now */ DELETE FROM t', 'expected a SELECT, got DELETE', 'DELETE FROM t'],
    ['PIVOT t ON a USING sum(b)', 'a PIVOT needs its values: `ON column IN (…)`', 'PIVOT t ON a USING sum(b)'],
    ['SELECT :window_start, FROM FROM t', 'syntax error at or near "FROM"', 'FROM t'],
  ])('%s', async (sql, message, rest) => {
    const found = await parseQuery(typer, sql)

    expect(found).toEqual({ message, offset: sql.length - rest.length })
  })

  test.each([
    ['amount betwen 0 and 5', 'betwen 0 and 5'],
    ['amount >', ''],
    ["'é🎬' = name name", 'name'],
  ])('a condition: %s', async (condition, rest) => {
    expect(await parseCondition(typer, condition)).toMatchObject({ offset: condition.length - rest.length })
  })
})

test('placeholders are values, known or not', async () => {
  const sql = "SELECT :window_start::DATE, ':x', list[1:n], :y FROM t WHERE a < :window_end"
  const { tables } = await parsed(sql)

  expect(tables.map(({ offset }) => offset)).toEqual([sql.indexOf('t WHERE')])
})
