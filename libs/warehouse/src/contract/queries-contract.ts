import { expect, test } from 'vitest'
import { batches, manyTitles, read, titles, type OpenWarehouse } from './given.fixture.ts'

/** The contract tests of analysts' queries. */
export function queryContract(open: OpenWarehouse): void {
  test('a query returns at most as many rows as asked for and says so', async () => {
    await using given = await open()
    const { warehouse } = given
    await warehouse.replace(titles, batches(manyTitles(5)), { task: 't', version: 1 })

    const some = await warehouse.query('SELECT title_id FROM titles ORDER BY title_id DESC; -- the last', {
      limit: 2,
    })
    expect(some).toEqual({ columns: ['title_id'], rows: [{ title_id: 5 }, { title_id: 4 }], truncated: true })

    const all = await warehouse.query('SELECT title_id, title_id FROM titles WHERE title_id > 4', { limit: 1 })
    expect(all).toEqual({
      columns: ['title_id', 'title_id_2'],
      rows: [{ title_id: 5, title_id_2: 5 }],
      truncated: false,
    })
  })

  test.each([
    ['DELETE FROM mart.titles'],
    ['INSERT INTO mart.titles (title_id) VALUES (9)'],
    ['WITH gone AS (DELETE FROM mart.titles RETURNING title_id) SELECT * FROM gone'],
    ['DROP TABLE mart.titles'],
    ['SELECT 1; DROP TABLE mart.titles'],
    ['SELECT title_id FROM mart.titles; COMMIT; DROP TABLE mart.titles'],
    ["COPY mart.titles TO '/tmp/x'"],
    ['COMMIT'],
    ['SELECT * INTO mart.copy FROM mart.titles'],
    ['SELECT * FROM mart.titles FOR UPDATE'],
    ['SELEKT 1'],
    ["SELECT * FROM enable_logging('QueryLog')"],
    ['SELECT * FROM loader.loaded_tables'],
    [''],
  ])('%j is not a query and is refused', async (sql) => {
    await using given = await open()
    const { warehouse } = given
    await warehouse.replace(titles, batches(manyTitles(2)), { task: 't', version: 1 })

    await expect(warehouse.query(sql)).rejects.toMatchObject({ code: 'WAREHOUSE_QUERY_INVALID', retryable: false })

    expect(await read(warehouse)).toEqual(manyTitles(2))
    expect(await warehouse.tables()).toHaveLength(1)
  })

  test('tables are described with their columns and their key', async () => {
    await using given = await open()
    await given.warehouse.replace(titles, batches(manyTitles(2)), { task: 't', version: 1 })

    const [described, ...more] = await given.warehouse.describe()
    expect(more).toEqual([])
    expect(described).toMatchObject({ schema: 'mart', name: 'titles' })
    expect(described?.columns.map(({ name, required, isKey }) => [name, required, isKey])).toEqual([
      ['title_id', true, true],
      ['Name of it', true, false],
      ['score', false, false],
      ['genres', false, false],
      ['added_at', false, false],
    ])
  })

  test.each([
    ['SELECT * FROM titels', 'table', 'titels'],
    ['SELECT scor FROM titles', 'column', 'scor'],
  ])('%s says which name is not known', async (sql, kind, name) => {
    await using given = await open()
    await given.warehouse.replace(titles, batches(manyTitles(1)), { task: 't', version: 1 })

    await expect(given.warehouse.query(sql)).rejects.toMatchObject({ unknown: { kind, name } })
  })

  test('all rows of a query come in batches with the same columns', async () => {
    await using given = await open()
    await given.warehouse.replace(titles, batches(manyTitles(4500)), { task: 't', version: 1 })
    const ids: unknown[] = []
    let batchCount = 0

    await given.warehouse.readAll('SELECT title_id, score FROM titles', async ({ columns, rows }) => {
      batchCount += 1
      expect(columns.map(({ name }) => name)).toEqual(['title_id', 'score'])
      ids.push(...rows.map(([id]) => id))
    })

    expect(new Set(ids).size).toBe(4500)
    expect(batchCount).toBeGreaterThan(1)
  })

  test('a query that names what is not there says where', async () => {
    await using given = await open()

    await expect(given.warehouse.query('SELECT nothing FROM titles')).rejects.toMatchObject({
      message: expect.stringMatching(/\[position=21\].*titles/),
    })
  })
}
