import { expect, test } from 'vitest'
import { shapeOf, type WarehouseRow, type WarehouseTable } from '../warehouse.ts'
import { batches, manyTitles, read, title, titles, type OpenWarehouse } from './given.fixture.ts'

/** The contract tests of replaced tables. */
export function loadingContract(open: OpenWarehouse): void {
  test('a table that was never loaded is not there', async () => {
    await using given = await open()

    expect(await given.warehouse.loaded({ name: 'titles' })).toBeUndefined()
    expect(await given.warehouse.tables()).toEqual([])
  })

  test('a replaced table has the rows, the version and the shape that it was given', async () => {
    await using given = await open()
    const { warehouse } = given

    const outcome = await warehouse.replace(titles, batches(manyTitles(5)), {
      task: 'r#t#1',
      version: 3,
      tableId: 'a-table',
      rowCount: 5,
    })

    expect(outcome).toEqual({ outcome: 'replaced', rowCount: 5, sentRowCount: 5 })
    expect(await read(warehouse)).toEqual(manyTitles(5))
    expect(await warehouse.loaded({ name: 'titles' })).toEqual({
      version: 3,
      shape: shapeOf(titles),
      rowCount: 5,
      tableId: 'a-table',
    })
    expect(await warehouse.tables()).toMatchObject([{ name: 'titles', rowCount: 5, version: 3 }])
  })

  test('the same version of another table is loaded again', async () => {
    await using given = await open()
    const { warehouse } = given
    await warehouse.replace(titles, batches(manyTitles(2)), { task: 't', version: 1, tableId: 'one' })

    const outcome = await warehouse.replace(titles, batches([title(8), title(9)]), {
      task: 't',
      version: 1,
      tableId: 'other',
    })

    expect(outcome).toMatchObject({ outcome: 'replaced' })
    expect(await read(warehouse)).toEqual([title(8), title(9)])
    expect(await warehouse.loaded({ name: 'titles' })).toMatchObject({ version: 1, tableId: 'other' })
    const changes = { upserts: batches([title(7)]), deletes: batches([]), since: 1 }
    expect(await warehouse.applyChanges(titles, changes, { task: 't', version: 2, tableId: 'one' })).toBe('stale')
  })

  test('replacing a table twice with one version changes nothing', async () => {
    await using given = await open()
    const { warehouse } = given
    await warehouse.replace(titles, batches(manyTitles(2)), { task: 't', version: 1 })

    const again = await warehouse.replace(titles, batches(manyTitles(9)), { task: 't', version: 1 })

    expect(again).toEqual({ outcome: 'already-loaded', rowCount: 2, sentRowCount: 0 })
    expect(await read(warehouse)).toHaveLength(2)
  })

  test('the same version under another shape is loaded again', async () => {
    await using given = await open()
    const { warehouse } = given
    await warehouse.replace(titles, batches(manyTitles(2)), { task: 't', version: 1 })
    const narrower = { ...titles, columns: titles.columns.slice(0, 2) }

    expect(await warehouse.replace(narrower, batches(manyTitles(2)), { task: 't', version: 1 })).toMatchObject({
      outcome: 'replaced',
    })
    expect(await read(warehouse)).toEqual([
      { title_id: 1, 'Name of it': 'Title 1' },
      { title_id: 2, 'Name of it': 'Title 2' },
    ])
  })

  test('a load that was decided on an older version than is there now takes nothing back', async () => {
    await using given = await open()
    const { warehouse } = given
    await warehouse.replace(titles, batches(manyTitles(2)), { task: 't1', version: 1, basedOn: -1 })
    await warehouse.replace(titles, batches(manyTitles(6)), { task: 't6', version: 6, basedOn: 1 })

    const late = warehouse.replace(titles, batches(manyTitles(5)), { task: 't5', version: 5, basedOn: 1 })

    await expect(late).rejects.toMatchObject({ code: 'WAREHOUSE_UNAVAILABLE', retryable: true })
    expect(await warehouse.loaded({ name: 'titles' })).toMatchObject({ version: 6 })
    expect(await read(warehouse)).toEqual(manyTitles(6))
  })

  test('an empty table and a table without a key can be loaded', async () => {
    await using given = await open()
    const { warehouse } = given
    const keyless = { ...titles, primaryKey: [] }

    await warehouse.replace(titles, batches([]), { task: 't', version: 1, rowCount: 0 })
    expect(await read(warehouse)).toEqual([])

    await warehouse.replace(keyless, batches([title(1), title(1)]), { task: 't', version: 2 })
    expect(await read(warehouse)).toEqual([title(1), title(1)])
  })

  test('every kind of value comes back as it was sent', async () => {
    await using given = await open()
    const { warehouse } = given
    const types = {
      flag: 'BOOLEAN',
      small: 'INTEGER',
      big: 'BIGINT',
      real: 'DOUBLE',
      money: 'DECIMAL(18,2)',
      words: 'VARCHAR',
      day: 'DATE',
      clock: 'TIME',
      at: 'TIMESTAMP WITH TIME ZONE',
      list: 'VARCHAR[]',
      numbers: 'BIGINT[]',
      thing: 'STRUCT(a INTEGER, b VARCHAR)',
      'odd "name"': 'VARCHAR',
    }
    const table: WarehouseTable = {
      name: 'All "kinds"',
      columns: Object.entries(types).map(([column, type]) => ({ name: column, type, required: false })),
      primaryKey: [],
    }
    const full: WarehouseRow = {
      flag: true,
      small: -2147483648,
      big: 9007199254740993n,
      real: 0.1,
      money: '-1234567890123456.78',
      words: 'tab\t newline\n return\r backslash \\N \\. quote \' " ünïcödé 🎬',
      day: '2024-02-29',
      clock: '23:59:59.123456',
      at: '2026-03-01T05:06:07.123456Z',
      list: ['a|b', 'c\t"d"', "e'\\"],
      numbers: [1, 2],
      thing: { a: 1, b: 'x' },
      'odd "name"': '',
    }
    const empty = Object.fromEntries(Object.keys(types).map((column) => [column, null]))

    await warehouse.replace(table, batches([full, empty]), { task: 't', version: 0 })

    const { rows } = await warehouse.query(
      `SELECT * FROM "All ""kinds""" ORDER BY CASE WHEN small IS NULL THEN 1 ELSE 0 END`,
    )
    expect(rows).toEqual([full, empty])
  })
}
