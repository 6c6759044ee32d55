import { describe, expect, test } from 'vitest'
import type { Warehouse } from '../warehouse.ts'
import { batches, manyTitles, titles } from './given.fixture.ts'

/** Opens an empty warehouse, with a way to run statements as its administrator. */
type OpenPostgres = () => Promise<
  { readonly warehouse: Warehouse; readonly sql: <Row>(statement: string) => Promise<Row[]> } & AsyncDisposable
>

/** The rights of a query in PostgreSQL: read the mart. */
export function postgresReaderContract(name: string, open: OpenPostgres): void {
  describe(`the reader of the mart: ${name}`, () => {
    async function given() {
      const opened = await open()
      await opened.warehouse.replace(titles, batches(manyTitles(2)), { task: 't', version: 1 })
      await opened.sql('CREATE SCHEMA IF NOT EXISTS elsewhere')
      await opened.sql('CREATE TABLE IF NOT EXISTS elsewhere.salaries (salary int)')
      return opened
    }

    test.each([
      [`SELECT pg_read_file('/etc/passwd')`],
      [`SELECT pg_ls_dir('/')`],
      [`SELECT lo_import('/etc/passwd')`],
      [`SELECT pg_reload_conf()`],
      ['SELECT * FROM elsewhere.salaries'],
      ['SELECT * FROM loader.loaded_tables'],
      [`SELECT query_to_xml('SELECT * FROM elsewhere.salaries', true, true, '')`],
      [`SELECT passwd FROM pg_shadow`],
      [`WITH role AS (SELECT set_config('role', 'none', true)) SELECT pg_read_file('/etc/passwd') FROM role`],
      [`SELECT set_config('role', 'none', true)`],
      [`SELECT set_config('session_authorization', 'default', true)`],
      [`SELECT query_to_xml('SELECT set_config(''ro' || 'le'', ''none'', true)', true, true, '')`],
      [`SELECT * FROM loader.query_mart('SELECT 1', 1) AS one(a int)`],
    ])('%s is refused', async (sql) => {
      await using all = await given()

      await expect(all.warehouse.query(sql)).rejects.toMatchObject({ code: 'WAREHOUSE_QUERY_INVALID' })
    })

    test('sessions of others are neither ended nor shown', async () => {
      await using all = await given()

      const { rows } = await all.warehouse.query(
        `SELECT count(*) AS count FROM pg_stat_activity WHERE datname = current_database() AND query LIKE '%elsewhere%'`,
      )
      expect(rows).toEqual([{ count: 0 }])
      await expect(
        all.warehouse.query(
          `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() OR pid = pg_backend_pid()`,
        ),
      ).rejects.toMatchObject({ code: 'WAREHOUSE_QUERY_INVALID', message: expect.stringContaining('the mart') })
    })

    test('tables, views of the mart and values of every kind are read', async () => {
      await using all = await given()
      await all.sql('CREATE VIEW mart.names AS SELECT "Name of it" AS name FROM mart.titles')

      expect((await all.warehouse.query('SELECT name FROM names ORDER BY name')).rows).toEqual([
        { name: 'Title 1' },
        { name: 'Title 2' },
      ])
      const { rows } = await all.warehouse.query(
        `SELECT pg_sleep(0) AS nothing, 1 AS one, NULL AS none, 'a' AS text, ROW(1, 'b')::text AS pair; `,
      )
      expect(rows).toEqual([{ nothing: '', one: 1, none: null, text: 'a', pair: '(1,b)' }])
      expect((await all.warehouse.query('EXPLAIN SELECT * FROM titles')).rows[0]).toMatchObject({
        'QUERY PLAN': expect.stringContaining('titles'),
      })
    })

    test('tables and views are described as their contracts describe them', async () => {
      await using all = await given()

      const [described] = await all.warehouse.describe()
      expect(described).toMatchObject({ description: titles.description })
      expect(described?.columns[2]).toEqual({
        name: 'score',
        type: 'numeric(3,1)',
        required: false,
        isKey: false,
        description: 'From 0 to 10.',
      })
    })

    test('a schema that a load makes is read at once, without its name where that is clear', async () => {
      await using all = await given()
      const { warehouse } = all
      const task = 'shop@2026-03-01/load/1'
      await warehouse.replace({ ...titles, schema: 'shop', name: 'films' }, batches(manyTitles(3)), {
        task,
        version: 1,
      })

      const count = async (table: string) => (await warehouse.query(`SELECT count(*) AS count FROM ${table}`)).rows
      expect(await count('films')).toEqual([{ count: 3 }])
      expect(await count('titles')).toEqual([{ count: 2 }])
      expect((await warehouse.describe()).map(({ schema, name: table }) => `${schema}.${table}`)).toEqual([
        'mart.titles',
        'shop.films',
      ])

      await warehouse.replace({ ...titles, schema: 'shop' }, batches(manyTitles(4)), { task, version: 1 })
      expect(await count('shop.titles')).toEqual([{ count: 4 }])
      await expect(count('titles')).rejects.toMatchObject({
        code: 'WAREHOUSE_QUERY_INVALID',
        message: expect.stringContaining('write mart.titles or shop.titles'),
      })
    })

    test('all rows come in batches, and the taker that fails ends the query', async () => {
      await using all = await given()
      const sizes: number[] = []
      const query = 'SELECT n, n::numeric / 2 AS half FROM generate_series(1, 5000) AS n'
      await all.warehouse.readAll(query, async ({ columns, rows }) => {
        expect(columns.map(({ name: column }) => column)).toEqual(['n', 'half'])
        sizes.push(rows.length)
      })
      expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(5000)
      expect(sizes.length).toBeGreaterThan(1)

      const full = all.warehouse.readAll(query, async () => await Promise.reject(new Error('the disk is full')))
      await expect(full).rejects.toThrow('the disk is full')
      expect((await all.warehouse.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }])
    })
  })
}
