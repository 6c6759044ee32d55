import fc from 'fast-check'
import { expect, test } from 'vitest'
import { ORDINARY_SEED, seedFrom } from './seed.ts'

test.each([
  [undefined, ORDINARY_SEED],
  ['', ORDINARY_SEED],
  ['0', 0],
  ['2147483647', 2_147_483_647],
])('CINELAKE_TEST_SEED=%s is the seed %i', (setting, seed) => {
  expect(seedFrom(setting)).toBe(seed)
})

test('CINELAKE_TEST_SEED=random is another seed each time, which can be given again as a number', () => {
  const seeds = Array.from({ length: 5 }, () => seedFrom('random'))

  expect(new Set(seeds).size).toBe(5)
  expect(seeds.map((seed) => seedFrom(String(seed)))).toEqual(seeds)
})

test.each(['-1', '2147483648', '1.5', 'often'])('CINELAKE_TEST_SEED=%s is refused', (setting) => {
  expect(() => seedFrom(setting)).toThrow(`expected random, or a whole number below 2147483648, got ${setting}`)
})

test('properties choose the same cases in every run with one seed', () => {
  expect(fc.readConfigureGlobal()).toMatchObject({ seed: Number(process.env['CINELAKE_TEST_SEED']) })
})
