import { expect, test } from 'vitest'
import { newestInputs, pinnedIdsOf, PINNED_IDS_PROPERTY, pinsOf, PINS_PROPERTY } from './plan.ts'

const made = (versions: Readonly<Record<string, number>>) => ({
  configuration: {
    [PINS_PROPERTY]: pinsOf({ inputs: Object.entries(versions).map(([table, version]) => ({ table, version })) }),
  },
})
const inputs = [
  { table: 'orders', version: 3 },
  { table: 'customers', version: 6 },
]
const latest = async () => ({ version: 9, id: 'now' })

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

const madeOf = (pins: Parameters<typeof pinsOf>[0]['inputs']) => ({
  configuration: { [PINS_PROPERTY]: pinsOf({ inputs: pins }), [PINNED_IDS_PROPERTY]: pinnedIdsOf({ inputs: pins }) },
})

test('an input of a life that is over is read in the life that follows, whatever the numbers', async () => {
  const late = [{ table: 'orders', version: 8, id: 'before' }]

  expect(await newestInputs(late, madeOf([{ table: 'orders', version: 2, id: 'now' }]), latest)).toEqual([
    { table: 'orders', version: 2, id: 'now' },
  ])
})

test('a pin of a life that is over says nothing about the life that follows', async () => {
  const given = [{ table: 'orders', version: 2, id: 'now' }]

  expect(await newestInputs(given, madeOf([{ table: 'orders', version: 8, id: 'before' }]), latest)).toBe(given)
})

test('pins of before identities were known count as they did', async () => {
  const given = [{ table: 'orders', version: 2, id: 'now' }]

  expect(await newestInputs(given, made({ orders: 5 }), latest)).toEqual([{ table: 'orders', version: 5 }])
})
