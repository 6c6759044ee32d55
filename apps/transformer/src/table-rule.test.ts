import { expect, test } from 'vitest'
import { describeExpectation, isMet } from './table-rule.ts'

test.each([
  ['=', [0], 0, true],
  ['=', [0], 1, false],
  ['<>', [0], 0, false],
  ['<>', [0], 1, true],
  ['<', [5], 5, false],
  ['<', [5], 4, true],
  ['<=', [5], 5, true],
  ['<=', [5], 6, false],
  ['>', [5], 5, false],
  ['>', [5], 6, true],
  ['>=', [5], 5, true],
  ['>=', [5], 4, false],
  ['between', [1, 3], 3, true],
  ['between', [1, 3], 4, false],
  ['not between', [1, 3], 4, true],
  ['not between', [1, 3], 1, false],
  ['<=', [20], '19.5', true],
  ['<=', [20], '20.5', false],
  ['>', [0], 9_007_199_254_740_993n, true],
  ['=', [0], null, false],
  ['<>', [0], null, false],
  ['not between', [1, 3], undefined, false],
  ['=', [0], 'none', false],
] as const)('%s %j: %s is met: %s', (operator, values, found, met) => {
  expect(isMet({ operator, values: [...values] }, found)).toBe(met)
})

test('what a rule asks is said in its own words', () => {
  expect(describeExpectation({ operator: 'between', values: [1, 3] })).toBe('between 1 and 3')
})
