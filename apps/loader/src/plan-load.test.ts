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
  ...more,
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
    ['replaces a table of which the lake never had that version', keyed, holds(9), { kind: 'replace' }],
    ['replaces the same version with another number of rows', keyed, holds(5, { rowCount: 9 }), { kind: 'replace' }],
  ])('%s', (_, table, loaded, plan) => {
    expect(planLoad(table, { version: 5, rowCount: 10 }, 7, loaded)).toEqual(plan)
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
