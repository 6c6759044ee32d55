import { randomBytes } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import type { Warehouse } from '../warehouse.ts'
import { batches, manyTitles, title, titles } from './given.fixture.ts'

/** Opens an empty warehouse of its own, and direct SQL access to its database. */
export type OpenPostgresWarehouse = () => Promise<
  AsyncDisposable & { readonly warehouse: Warehouse; readonly sql: <Row>(statement: string) => Promise<Row[]> }
>

type Given = Awaited<ReturnType<OpenPostgresWarehouse>>

/** Tables of the mart in PostgreSQL, embedded or not, and the effect of loads on dependent objects of other users. */
export function postgresObjectsContract(name: string, open: OpenPostgresWarehouse): void {
  describe(`mart tables as database objects: ${name}`, () => {
    const load = async ({ warehouse }: Given, version: number, rows = manyTitles(3), table = titles) =>
      await warehouse.replace(table, batches(rows), { task: 't', version })

    test('a table carries its descriptions, its key and its NOT NULL into the database', async () => {
      await using given = await open()
      await load(given, 1)
      await load(given, 2)

      const columns = await given.sql(
        `SELECT column_name AS name, is_nullable AS nullable, col_description('mart.titles'::regclass, ordinal_position) AS comment
         FROM information_schema.columns WHERE table_schema = 'mart' AND table_name = 'titles' ORDER BY ordinal_position LIMIT 3`,
      )
      expect(columns).toEqual([
        { name: 'title_id', nullable: 'NO', comment: 'The key.' },
        { name: 'Name of it', nullable: 'NO', comment: null },
        { name: 'score', nullable: 'YES', comment: 'From 0 to 10.' },
      ])
      const [table] = await given.sql(
        `SELECT obj_description('mart.titles'::regclass) AS about, string_agg(conname, ',') AS key
         FROM pg_constraint WHERE conrelid = 'mart.titles'::regclass AND contype = 'p'`,
      )
      expect(table).toEqual({ about: titles.description, key: 'titles_pkey' })
    })

    test('a load that fails leaves no table behind', async () => {
      await using given = await open()
      async function* broken() {
        yield manyTitles(2)
        throw new Error('broken')
      }

      await expect(given.warehouse.replace(titles, broken(), { task: 't', version: 3 })).rejects.toThrow('broken')

      expect(await tablesOf(given)).toEqual(['loader.loaded_tables'])
    })

    test('a view that an analyst made shows the new rows, and so it does for a table without a key', async () => {
      await using given = await open()
      for (const table of [titles, { ...titles, name: 'plays', primaryKey: [] }]) {
        await load(given, 1, manyTitles(3), table)
        await given.sql(`CREATE VIEW mart.seen_${table.name} AS SELECT title_id, score FROM mart.${table.name}`)

        await load(given, 2, [title(2), title(3, { score: '1.0' }), title(4)], table)

        expect(await given.sql(`SELECT * FROM mart.seen_${table.name} ORDER BY title_id`)).toEqual([
          { title_id: 2, score: '7.5' },
          { title_id: 3, score: '1.0' },
          { title_id: 4, score: '7.5' },
        ])
      }
      expect(await tablesOf(given)).toEqual(['loader.loaded_tables', 'mart.plays', 'mart.titles'])
    })

    test('rows that are replaced within their table are the new ones to the last bit', async () => {
      await using given = await open()
      const numbers = {
        name: 'numbers',
        columns: ['id', 'number'].map((column) => ({ name: column, type: 'DOUBLE', required: false })),
        primaryKey: ['id'],
      }
      const rows = (values: readonly (number | null)[]) => values.map((number, id) => ({ id, number }))
      await load(given, 1, rows([0, null, Number.NaN, 1]), numbers)
      await given.sql('CREATE VIEW mart.doubled AS SELECT 2 * number AS doubled FROM mart.numbers')

      await load(given, 2, rows([-0, 1, Number.NaN, null]), numbers)

      const { rows: found } = await given.warehouse.query('SELECT number::text AS number FROM numbers ORDER BY id')
      expect(found.map(({ number }) => number)).toEqual(['-0', '1', 'NaN', null])
    })

    test('indexes that others made are there after a load', async () => {
      await using given = await open()
      await load(given, 1)
      await given.sql('CREATE INDEX titles_by_score ON mart.titles (score)')

      await load(given, 2, manyTitles(9))

      expect(await given.sql(`SELECT indexname AS name FROM pg_indexes WHERE schemaname = 'mart' ORDER BY 1`)).toEqual([
        { name: 'titles_by_score' },
        { name: 'titles_pkey' },
      ])
    })

    test('a table that is to get other columns is refused while a view depends on it, by the name of the view', async () => {
      await using given = await open()
      await load(given, 1)
      await given.sql('CREATE VIEW mart.best AS SELECT * FROM mart.titles')
      const narrower = { ...titles, columns: titles.columns.slice(0, 3) }

      await expect(load(given, 2, manyTitles(3), narrower)).rejects.toMatchObject({
        code: 'WAREHOUSE_REFUSED',
        message: expect.stringMatching(/view mart\.best; the table is as it was before; drop these/),
      })
      await given.sql('DROP VIEW mart.best')
      expect(await load(given, 2, manyTitles(3), narrower)).toMatchObject({ outcome: 'replaced' })
    })

    test('a view and its grants survive new columns, wider types and columns that are renamed', async () => {
      await using given = await open()
      await using roles = await someRoles(given)
      const [analyst] = roles.names
      await load(given, 1)
      await given.sql('CREATE VIEW mart.best AS SELECT title_id, "Name of it", genres FROM mart.titles')
      await given.sql(`GRANT SELECT ON mart.titles, mart.best TO ${analyst}`)
      const columns = titles.columns.map((column) => {
        if (column.name === 'Name of it') return { ...column, name: 'title', renamedFrom: ['name', 'Name of it'] }
        return column.name === 'score' ? { ...column, type: 'DECIMAL(6,3)' } : column
      })
      const changed = { ...titles, columns: [...columns, { name: 'country', type: 'VARCHAR', required: true }] }
      const row = (id: number) => {
        const { 'Name of it': _, ...others } = title(id, { score: '7.125' })
        return { ...others, title: `Title ${id}!`, country: 'DE' }
      }

      const outcome = await given.warehouse.replace(changed, batches([row(1), row(2)]), { task: 't', version: 2 })

      expect(outcome).toMatchObject({ outcome: 'replaced', rowCount: 2 })
      expect(await given.sql('SELECT title_id, "Name of it" AS name FROM mart.best ORDER BY 1')).toEqual([
        { title_id: 1, name: 'Title 1!' },
        { title_id: 2, name: 'Title 2!' },
      ])
      expect(await given.sql('SELECT title, score, country FROM mart.titles ORDER BY title_id LIMIT 1')).toEqual([
        { title: 'Title 1!', score: '7.125', country: 'DE' },
      ])
      const rights = `SELECT has_table_privilege('${analyst}', 'mart.titles', 'SELECT') AS own, has_table_privilege('${analyst}', 'mart.best', 'SELECT') AS view`
      expect(await given.sql(rights)).toEqual([{ own: true, view: true }])
      const [country] = await given.sql(
        `SELECT is_nullable AS nullable FROM information_schema.columns WHERE table_schema = 'mart' AND table_name = 'titles' AND column_name = 'country'`,
      )
      expect(country).toEqual({ nullable: 'NO' })
      // And then it is a table like any other.
      expect(await given.warehouse.replace(changed, batches([row(3)]), { task: 't', version: 3 })).toMatchObject({
        rowCount: 1,
      })
      expect(await given.sql('SELECT count(*)::int AS n FROM mart.best')).toEqual([{ n: 1 }])
    })

    test('a column that a view shows does not get another type behind its back', async () => {
      await using given = await open()
      await load(given, 1)
      await given.sql('CREATE VIEW mart.best AS SELECT title_id, score FROM mart.titles')
      const columns = titles.columns.map((column) =>
        column.name === 'score' ? { ...column, type: 'DECIMAL(5,1)' } : column,
      )

      await expect(load(given, 2, manyTitles(3), { ...titles, columns })).rejects.toMatchObject({
        code: 'WAREHOUSE_REFUSED',
        message: expect.stringMatching(/view mart\.best; the table is as it was before/),
      })
      expect(await given.sql('SELECT * FROM mart.best ORDER BY 1 LIMIT 1')).toEqual([{ title_id: 1, score: '7.5' }])
      expect(await given.warehouse.loaded({ name: 'titles' })).toMatchObject({ version: 1 })
    })

    test('a foreign key that others made holds; rows that it needs cannot go', async () => {
      await using given = await open()
      await load(given, 1)
      await given.sql(
        'CREATE TABLE mart.notes AS SELECT 3::bigint AS about; ALTER TABLE mart.notes ADD FOREIGN KEY (about) REFERENCES mart.titles',
      )

      await load(given, 2, [title(3), title(4)])
      const without = load(given, 3, [title(4)])

      await expect(without).rejects.toMatchObject({
        code: 'WAREHOUSE_REFUSED',
        message: expect.stringMatching(/foreign key of another table/),
      })
      expect(await given.warehouse.loaded({ name: 'titles' })).toMatchObject({ version: 2, rowCount: 2 })
    })

    test('who may read a table may read the new one, and no other role', async () => {
      await using given = await open()
      await using roles = await someRoles(given)
      const [analyst, intern, former] = roles.names
      await load(given, 1)
      await given.sql(`GRANT SELECT ON mart.titles TO ${analyst}, ${former}`)
      await given.sql(`GRANT SELECT (title_id, score) ON mart.titles TO ${intern}`)
      await given.sql(`REVOKE SELECT ON mart.titles FROM ${former}`)

      await load(given, 2, manyTitles(9))

      const rights = (role: string) =>
        given.sql(
          `SELECT has_table_privilege('${role}', 'mart.titles', 'SELECT') AS "all", has_column_privilege('${role}', 'mart.titles', 'score', 'SELECT') AS score`,
        )
      expect(await rights(analyst)).toEqual([{ all: true, score: true }])
      expect(await rights(intern)).toEqual([{ all: false, score: true }])
      expect(await rights(former)).toEqual([{ all: false, score: false }])
    })

    test.each(['TABLE', 'VIEW'])('a %s of this name that no load made is not overwritten', async (kind) => {
      await using given = await open()
      await given.sql(`CREATE ${kind} mart.titles AS SELECT 1 AS mine`)

      await expect(load(given, 1)).rejects.toMatchObject({ code: 'WAREHOUSE_TABLE_TAKEN', retryable: false })

      expect(await given.sql('SELECT mine FROM mart.titles')).toEqual([{ mine: 1 }])
      await given.sql(`DROP ${kind} mart.titles`)
      expect(await load(given, 1)).toMatchObject({ outcome: 'replaced' })
    })

    test('names that the database would cut, and types that it does not know, are refused by name', async () => {
      await using given = await open()
      const create = async (name: string, type: string) =>
        await load(given, 1, [], { name, columns: [{ name: 'a', type, required: false }], primaryKey: [] })

      await expect(create('x'.repeat(64), 'INTEGER')).rejects.toThrow(/64 bytes: expected at most 63/)
      await expect(create('bits', 'BIT')).rejects.toThrow(/column a is BIT/)
    })
  })
}

async function tablesOf({ sql }: Given): Promise<string[]> {
  const rows = await sql<{ name: string }>(
    `SELECT schemaname || '.' || tablename AS name FROM pg_tables WHERE schemaname IN ('mart', 'loader') ORDER BY 1`,
  )
  return rows.map(({ name }) => name)
}

/** Roles belong to the whole server: they have names that no other test has. */
async function someRoles({
  sql,
}: Given): Promise<AsyncDisposable & { readonly names: readonly [string, string, string] }> {
  const suffix = randomBytes(6).toString('hex')
  const names = [`analyst_${suffix}`, `intern_${suffix}`, `former_${suffix}`] as const
  for (const name of names) await sql(`CREATE ROLE ${name}`)
  return {
    names,
    async [Symbol.asyncDispose]() {
      for (const name of names) await sql(`DROP OWNED BY ${name}; DROP ROLE ${name}`)
    },
  }
}
