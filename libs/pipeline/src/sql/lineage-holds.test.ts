import { createDuckDbEngine } from '@cinelake/engine/duckdb'
import * as fc from 'fast-check'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createSqlTyper } from '../sql-typer.ts'
import { lineageOf, ROWS } from './lineage.ts'
import { parseQuery } from './parse.ts'

// What a query gives depends on a column only where the lineage says so. Queries are made at random, as far as lineage
// promises something: rows are not filtered by a secret alone, and neither grouped by it nor joined on it as it is.

const columns = (names: readonly string[]) => names.map((name) => ({ name, type: 'VARCHAR' }))
const TABLES = [
  { name: 'p', columns: columns(['id', 'name', 'secret']) },
  { name: 'q', columns: columns(['id', 'label']) },
]

let engine: Awaited<ReturnType<typeof createDuckDbEngine>>
let scratchDirectory: string
beforeAll(async () => {
  scratchDirectory = await mkdtemp(path.join(tmpdir(), 'cinelake-lineage-'))
  engine = await createDuckDbEngine({ memoryBytes: 256 * 1024 * 1024, threads: 1, scratchDirectory })
})
afterAll(async () => {
  await engine[Symbol.asyncDispose]()
  await rm(scratchDirectory, { recursive: true, force: true })
})

/** A random choice, by the numbers that a query is made of. */
type Choose = (count: number) => number
type Made = { readonly sql: string; readonly columns: readonly string[] }

/** The text of a SELECT over relations that are SELECTs again; all columns are texts, and `id` is always the tables' own. */
function selectFrom(choose: Choose, depth: number): Made {
  const source = fromOf(choose, depth)
  const values: string[] = []
  for (let count = 1 + choose(3); count > 0; count--) values.push(valueOf(choose, source.columns))
  const named = values.map((value, index) => `${value} AS ${NAMES[(index + choose(2)) % NAMES.length] ?? 'x'}${index}`)
  const select = `SELECT ${[`a.id AS id`, ...named].join(', ')} FROM ${source.sql}`
  const made = { sql: select, columns: ['id', ...named.map((text) => text.split(' AS ').at(-1) ?? '')] }
  switch (depth === 0 ? 0 : choose(6)) {
    case 1:
      return { sql: `SELECT * FROM (${select})`, columns: made.columns }
    case 2:
      return { sql: `WITH w AS (${select}) SELECT w.* FROM w`, columns: made.columns }
    case 3:
      return {
        sql: `${select} UNION ALL SELECT ${made.columns
          .map((name) => `z.${name}`)
          .reverse()
          .sort(byId)
          .join(', ')} FROM (${select}) AS z`,
        columns: made.columns,
      }
    case 4:
      return { sql: `SELECT * EXCLUDE (id), id FROM (${select})`, columns: [...made.columns.slice(1), 'id'] }
    case 5:
      return { sql: `SELECT id, count(*)::VARCHAR AS n FROM (${select}) GROUP BY id`, columns: ['id', 'n'] }
    default:
      return made
  }
}

const NAMES = ['secret', 'name', 'label']
const byId = (one: string, other: string) => Number(other === 'z.id') - Number(one === 'z.id')

/** A FROM whose first relation is called `a`, with columns by their qualified names. */
function fromOf(choose: Choose, depth: number): Made {
  const first = relationOf(choose, depth)
  const own = first.columns.map((name) => `a.${name}`)
  const value = `a.${first.columns[choose(first.columns.length)] ?? 'id'}`
  switch (choose(7)) {
    case 0: {
      const second = relationOf(choose, depth)
      const both = [...own, ...second.columns.map((name) => `b.${name}`)]
      return { sql: `${first.sql} AS a LEFT JOIN ${second.sql} AS b ON a.id = b.id`, columns: both }
    }
    case 1:
      return {
        sql: `${first.sql} AS a, range(4) AS r(n) WHERE r.n < length(${value})`,
        columns: [...own, 'r.n::VARCHAR'],
      }
    case 2:
      return { sql: `${first.sql} AS a, unnest(range(length(${value}))) AS r(n)`, columns: [...own, 'r.n::VARCHAR'] }
    case 3:
      return {
        sql: `${first.sql} AS a WHERE EXISTS (SELECT 1 FROM range(3) AS r(n) WHERE r.n + 1 = length(${value}))`,
        columns: own,
      }
    case 4:
      return {
        sql: `${first.sql} AS a, LATERAL (SELECT max(label) || ${value} AS m FROM q) AS l`,
        columns: [...own, 'l.m'],
      }
    case 5: {
      const both = [...own, 'b.id', 'b.name', 'b.one']
      const some = "(SELECT id, name, '1' AS one FROM p WHERE length(secret) > 2)"
      return { sql: `${first.sql} AS a LEFT JOIN ${some} AS b ON a.id = b.id`, columns: both }
    }
    default:
      return { sql: `${first.sql} AS a`, columns: own }
  }
}

function relationOf(choose: Choose, depth: number): Made {
  if (depth === 0 || choose(3) === 0) {
    const { name, columns: all } = TABLES[choose(TABLES.length)] ?? { name: 'p', columns: [] }
    return { sql: name, columns: all.map((column) => column.name) }
  }
  if (choose(6) === 0) {
    const ordered = '(SELECT id, name FROM p ORDER BY length(secret), id)'
    const values = "id, row_number() OVER ()::VARCHAR AS n, first(name) OVER () AS one, 'x' AS two"
    return { sql: `(SELECT ${values} FROM ${ordered})`, columns: ['id', 'n', 'one', 'two'] }
  }
  const made = selectFrom(choose, depth - 1)
  return { sql: `(${made.sql})`, columns: made.columns }
}

function valueOf(choose: Choose, names: readonly string[]): string {
  const one = names[choose(names.length)] ?? 'id'
  const other = names[choose(names.length)] ?? 'id'
  const forms = [
    one,
    `upper(${one})`,
    `${one} || ${other}`,
    `CASE WHEN length(${one}) > 2 THEN ${other} END`,
    `count(${one}) OVER ()::VARCHAR`,
    `(rank() OVER (ORDER BY ${one} NULLS LAST))::VARCHAR`,
    `list_transform([${one}], lambda x: x || ${other})::VARCHAR`,
    `{'k': ${one}, 'l': 1}.k`,
    `(SELECT max(label || ${one}) FROM q)`,
    `(EXISTS (SELECT 1 FROM p AS s WHERE s.name = ${one} AND length(s.secret) > 2))::VARCHAR`,
    `'constant'`,
  ]
  return forms[choose(forms.length)] ?? one
}

test('what is not made of a column is the same, whatever stands in that column', async () => {
  const session = await engine.session()
  const typer = createSqlTyper(session)
  for (const { name, columns: all } of TABLES) await typer.createTable(name, all)
  await session.run("INSERT INTO q VALUES ('1', 'x'), ('2', 'yy'), ('9', 'zzz')")
  const secrets = fc.uniqueArray(fc.string({ minLength: 1, maxLength: 4, unit: fc.constantFrom('a', 'b', 'z') }), {
    minLength: 3,
    maxLength: 3,
  })
  const numbers = fc.array(fc.nat(1000), { minLength: 60, maxLength: 60 })
  let [told, secretive] = [0, 0]

  await fc.assert(
    fc.asyncProperty(numbers, secrets, secrets, async (picks, before, after) => {
      let next = 0
      const { sql } = selectFrom((count) => (picks[next++ % picks.length] ?? 0) % count, 2)
      const parsed = await parseQuery(typer, sql)
      if ('message' in parsed) throw new Error(`${parsed.message}: ${sql}`)
      const found = await typer.describe(sql)
      const lineage = lineageOf(parsed.tree, TABLES, found)
      const isOpen = (name: string) =>
        lineage.get(name.toLowerCase())?.every(({ column }) => column !== 'secret') === true
      const open = [...new Set(found.map(({ name }) => name))].filter(isOpen)
      const resultWith = async (values: readonly string[]) => {
        const rows = ['anna', 'bo', 'cem'].map((name, index) => `('${index + 1}', '${name}', '${values[index] ?? ''}')`)
        await session.run(`DELETE FROM p; INSERT INTO p VALUES ${rows.join(', ')}`)
        const result = await session.rows<Record<string, unknown>>(sql)
        return result.map((row) => JSON.stringify(open.map((name) => row[name]))).sort()
      }
      const results = isOpen(ROWS) ? [await resultWith(before), await resultWith(after)] : [[], []]
      expect({ sql, rows: results[1] }).toEqual({ sql, rows: results[0] })
      told += open.length
      secretive += found.length - open.length
    }),
    { numRuns: 200 },
  )

  // Neither is everything taken for secret, nor nothing.
  expect(told).toBeGreaterThan(50)
  expect(secretive).toBeGreaterThan(50)
})
