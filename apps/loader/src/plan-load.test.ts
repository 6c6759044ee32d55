import { shapeOf, type LoadedTable, type WarehouseTable } from '@cinelake/warehouse'
import { describe, expect, test } from 'vitest'
import { isCheaperToChange, planLoad } from './plan-load.ts'

const keyed: WarehouseTable = {
  name: 'orders',
  columns: [{ name: 'id', type: 'BIGINT', required: true }],
  primaryKey: ['id'],
}
const keyless = { ...keyed, primaryKey: [] }
const holds = (version: number, more: Partial<LoadedTable> = {}, table = keyed): LoadedTable => ({
  version,
  shape: shapeOf(table),
  rowCount: 10,
  tableId: 'now',
  ...more,
})

const LATEST = { path: 'refined/orders', version: 7, id: 'now' }

test('a version of this very table that the lake no longer has is not taken back in silence', () => {
  expect(() => planLoad(keyed, { version: 5, id: 'now', rowCount: 10 }, LATEST, holds(9))).toThrow(
    /expected version 9 .* got version 7 .*cinelake rebuild DIR orders/,
  )
})

test('a version of a life that is over does not replace one of the life that is there now', () => {
  const late = { version: 8, id: 'before', rowCount: 10 }

  expect(planLoad(keyed, late, LATEST, holds(2))).toEqual({ kind: 'superseded' })
  expect(planLoad(keyed, late, LATEST, holds(2, { tableId: 'long before' }))).toEqual({ kind: 'replace' })
})

describe('version 5 of 10 rows, of a table whose latest version is 7,', () => {
  test.each([
    ['is loaded whole where there is no table', keyed, undefined, { kind: 'replace' }],
    ['is not loaded again', keyed, holds(5), { kind: 'already-loaded' }],
    ['is loaded whole where the shape is another', keyed, holds(5, { shape: 'other' }), { kind: 'replace' }],
    ['is compared with the earlier version that is there', keyed, holds(3), { kind: 'compare', since: 3 }],
    ['is loaded whole over an earlier one without a key', keyless, holds(3, {}, keyless), { kind: 'replace' }],
    ['does not take a later version back', keyed, holds(6), { kind: 'superseded' }],
    ['does not take a later version back, whatever its shape', keyed, holds(6, { shape: 'x' }), { kind: 'superseded' }],
    ['replaces a later version of a table of before ids', keyed, holds(9, { tableId: null }), { kind: 'replace' }],
    ['replaces a later version of another life', keyed, holds(9, { tableId: 'before' }), { kind: 'replace' }],
    ['replaces the same version of another life', keyed, holds(5, { tableId: 'before' }), { kind: 'replace' }],
    ['replaces an earlier version of another life', keyed, holds(3, { tableId: 'before' }), { kind: 'replace' }],
    [
      'is compared with an earlier one of before ids',
      keyed,
      holds(3, { tableId: null }),
      { kind: 'compare', since: 3 },
    ],
    ['replaces the same version with another number of rows', keyed, holds(5, { rowCount: 9 }), { kind: 'replace' }],
  ])('%s', (_, table, loaded, plan) => {
    expect(planLoad(table, { version: 5, id: 'now', rowCount: 10 }, LATEST, loaded)).toEqual(plan)
  })
})

test.each([
  [0, 0, true],
  [0, 10, true],
  [5, 10, true],
  [6, 10, false],
])('%i changes to %i rows: sending changes only is cheaper: %s', (changed, rows, cheaper) => {
  expect(isCheaperToChange(changed, rows)).toBe(cheaper)
})
