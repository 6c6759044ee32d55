import { expect, test } from 'vitest'
import { newestInputs, pinsOf, PINS_PROPERTY } from './newest-inputs.ts'

const made = (versions: Readonly<Record<string, number>>) => ({
  configuration: {
    [PINS_PROPERTY]: pinsOf({ inputs: Object.entries(versions).map(([table, version]) => ({ table, version })) }),
  },
})
const inputs = [
  { table: 'orders', version: 3 },
  { table: 'customers', version: 6 },
]
const latest = async () => 9

test('an input is never older than the one that the table was last made from', async () => {
  expect(await newestInputs(inputs, made({ orders: 5, customers: 4 }), latest)).toEqual([
    { table: 'orders', version: 5 },
    { table: 'customers', version: 6 },
  ])
})

test.each([
  ['there is no table', undefined],
  ['none is older', made({ orders: 3, customers: 6, other: 8 })],
  ['an input was begun anew, so that its versions count from 0 again', made({ orders: 10 })],
  ['the property is not one of ours', { configuration: { [PINS_PROPERTY]: 'x{' } }],
])('inputs stay as they are where %s', async (_, snapshot) => {
  expect(await newestInputs(inputs, snapshot, latest)).toBe(inputs)
})
