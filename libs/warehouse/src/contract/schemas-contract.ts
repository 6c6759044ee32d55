import { expect, test } from 'vitest'
import { shapeOf, type WarehouseTable } from '../warehouse.ts'
import { batches, manyTitles, title, titles, type OpenWarehouse } from './given.fixture.ts'

const inShop: WarehouseTable = { ...titles, schema: 'shop' }
const task = (pipeline: string) => `${pipeline}@2026-03-01/load titles/1`

/** The contract tests of tables in several schemas, and of several pipelines. */
export function schemasContract(open: OpenWarehouse): void {
  test('tables of one name in two schemas have nothing to do with each other', async () => {
    await using given = await open()
    const { warehouse } = given

    await warehouse.replace(titles, batches(manyTitles(2)), { task: task('starter'), version: 7 })
    await warehouse.replace(inShop, batches(manyTitles(3)), { task: task('shop'), version: 7 })
    const changes = { upserts: batches([title(9)]), deletes: batches([title(1)]), since: 7 }
    expect(await warehouse.applyChanges(inShop, changes, { task: task('shop'), version: 8 })).toMatchObject({
      outcome: 'changed',
      rowCount: 3,
    })

    const ids = async (schema: string) =>
      (await warehouse.query(`SELECT title_id FROM ${schema}.titles ORDER BY title_id`)).rows.map(
        (row) => row['title_id'],
      )
    expect(await ids('mart')).toEqual([1, 2])
    expect(await ids('shop')).toEqual([2, 3, 9])
    const shape = shapeOf(titles)
    expect(await warehouse.loaded(titles)).toEqual({
      version: 7,
      shape,
      rowCount: 2,
      tableId: null,
      pipeline: 'starter',
    })
    expect(await warehouse.loaded(inShop)).toEqual({ version: 8, shape, rowCount: 3, tableId: null, pipeline: 'shop' })
    expect(await warehouse.schemas()).toEqual(['mart', 'shop'])
    expect(await warehouse.tables()).toMatchObject([
      { schema: 'mart', name: 'titles', pipeline: 'starter', version: 7 },
      { schema: 'shop', name: 'titles', pipeline: 'shop', version: 8 },
    ])
  })

  test('the first tables of a schema may come at once', async () => {
    await using given = await open()
    const names = ['a', 'b', 'c']

    await Promise.all(
      names.map((name) =>
        given.warehouse.replace({ ...inShop, name }, batches(manyTitles(2)), { task: task('shop'), version: 1 }),
      ),
    )

    expect(await given.warehouse.tables()).toMatchObject(names.map((name) => ({ schema: 'shop', name, rowCount: 2 })))
  })

  test('lists in a table of any schema come back as lists', async () => {
    await using given = await open()

    await given.warehouse.replace(inShop, batches([title(1, { genres: ['a', 'b'] })]), {
      task: task('shop'),
      version: 1,
    })

    const { rows } = await given.warehouse.query('SELECT genres FROM shop.titles')
    expect(rows).toEqual([{ genres: ['a', 'b'] }])
  })

  test.each(['mart', 'common'])('a table that another pipeline loaded into %s is not touched', async (schema) => {
    await using given = await open()
    const { warehouse } = given
    const table = { ...titles, schema }
    await warehouse.replace(table, batches(manyTitles(2)), { task: task('starter'), version: 1 })

    // The same version and shape, which would else be loaded already.
    const same = warehouse.replace(table, batches(manyTitles(2)), { task: task('shop'), version: 1 })
    await expect(same).rejects.toMatchObject({
      code: 'WAREHOUSE_TABLE_TAKEN',
      retryable: false,
      context: { table: `${schema}.titles`, pipeline: 'shop', owner: 'starter' },
    })
    const changes = { upserts: batches([title(9)]), deletes: batches([]), since: 1 }
    const changing = warehouse.applyChanges(table, changes, { task: task('shop'), version: 2 })
    await expect(changing).rejects.toMatchObject({ code: 'WAREHOUSE_TABLE_TAKEN' })

    expect(await warehouse.loaded(table)).toMatchObject({ version: 1, pipeline: 'starter' })
    expect((await warehouse.query(`SELECT title_id FROM ${schema}.titles`)).rows).toHaveLength(2)
  })

  test('a table is taken over from the pipeline that is named, and from no other', async () => {
    await using given = await open()
    const { warehouse } = given
    await warehouse.replace(titles, batches(manyTitles(2)), { task: task('copy'), version: 1 })
    const over = (takesOverFrom: string) =>
      warehouse.replace(titles, batches(manyTitles(3)), { task: task('starter'), version: 2, takesOverFrom })

    await expect(over('other')).rejects.toMatchObject({ code: 'WAREHOUSE_TABLE_TAKEN' })
    expect(await over('copy')).toMatchObject({ outcome: 'replaced' })

    expect(await warehouse.loaded(titles)).toMatchObject({ version: 2, pipeline: 'starter' })
  })
}
