import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import type { WarehouseRow } from '../warehouse.ts'
import { batches, manyTitles, read, title, titles, type OpenWarehouse } from './given.fixture.ts'

/** The contract tests of applying changes. */
export function changesContract(open: OpenWarehouse): void {
  test('changes are applied by key: new rows come, others are replaced, gone ones go', async () => {
    await using given = await open()
    const { warehouse } = given
    await warehouse.replace(titles, batches(manyTitles(4)), { task: 't1', version: 1 })

    const changed = title(2, { score: null, genres: null })
    const outcome = await warehouse.applyChanges(
      titles,
      { upserts: batches([changed, title(9)]), deletes: batches([title(1), title(4)]), since: 1 },
      { task: 't2', version: 5, rowCount: 3 },
    )

    expect(outcome).toEqual({ outcome: 'changed', rowCount: 3, sentRowCount: 4 })
    expect(await read(warehouse)).toEqual([changed, title(3), title(9)])
    expect(await warehouse.loaded({ name: 'titles' })).toMatchObject({ version: 5, rowCount: 3 })
  })

  test('applying the changes to one version twice changes nothing', async () => {
    await using given = await open()
    const { warehouse } = given
    await warehouse.replace(titles, batches(manyTitles(4)), { task: 't1', version: 1 })
    const changes = () => ({ upserts: batches([title(7)]), deletes: batches([title(1)]), since: 1 })
    await warehouse.applyChanges(titles, changes(), { task: 't2', version: 2 })

    expect(await warehouse.applyChanges(titles, changes(), { task: 't2', version: 2 })).toEqual({
      outcome: 'already-loaded',
      rowCount: 4,
      sentRowCount: 0,
    })
  })

  test.each([
    ['the table holds another version', titles, { since: 0 }, {}],
    ['the table has another shape', { ...titles, columns: titles.columns.slice(0, 3) }, { since: 1 }, {}],
    ['the rows would not be as many as they must be', titles, { since: 1 }, { rowCount: 99 }],
  ])('changes are stale when %s, and nothing is changed', async (_, table, { since }, count) => {
    await using given = await open()
    const { warehouse } = given
    await warehouse.replace(titles, batches(manyTitles(2)), { task: 't1', version: 1 })

    const changes = { upserts: batches([title(7)]), deletes: batches([title(1)]), since }
    expect(await warehouse.applyChanges(table, changes, { task: 't2', version: 2, ...count })).toBe('stale')

    expect(await read(warehouse)).toEqual(manyTitles(2))
    expect(await warehouse.loaded({ name: 'titles' })).toMatchObject({ version: 1 })
  })

  test('changes to a table that is not there are stale', async () => {
    await using given = await open()
    const changes = { upserts: batches([title(7)]), deletes: batches([]), since: 1 }

    expect(await given.warehouse.applyChanges(titles, changes, { task: 't2', version: 2 })).toBe('stale')
  })

  test('any changes make the table that a replace with the result would make', async () => {
    await using given = await open()
    const { warehouse } = given
    const row = fc.record({
      title_id: fc.integer({ min: 1, max: 12 }),
      'Name of it': fc.string({ unit: 'grapheme', maxLength: 9 }).filter((text) => !text.includes('\0')),
      score: fc.option(fc.integer({ min: 0, max: 100 }).map((tenths) => (tenths / 10).toFixed(1))),
      genres: fc.option(fc.array(fc.constantFrom('drama', 'a|b', '"q"', "it's"), { maxLength: 3 })),
      added_at: fc.constant('2026-03-01T05:00:00Z'),
    })
    const byKey = fc.uniqueArray(row, { selector: ({ title_id }) => title_id, maxLength: 12 })
    let version = 0

    await fc.assert(
      fc.asyncProperty(byKey, byKey, fc.uniqueArray(fc.integer({ min: 1, max: 14 })), async (old, upserts, gone) => {
        version += 1
        await warehouse.replace(titles, batches(old), { task: 't', version })
        const base = version
        version += 1
        await warehouse.applyChanges(
          titles,
          { upserts: batches(upserts), deletes: batches(gone.map((id) => ({ title_id: id }))), since: base },
          { task: 't', version },
        )

        const wanted = new Map<unknown, WarehouseRow>(old.map((one) => [one.title_id, one]))
        for (const id of gone) wanted.delete(id)
        for (const one of upserts) wanted.set(one.title_id, one)
        const inOrder = [...wanted.values()].sort((a, b) => Number(a['title_id']) - Number(b['title_id']))
        expect(await read(warehouse)).toEqual(inOrder)
      }),
      { numRuns: 25 },
    )
  })
}
