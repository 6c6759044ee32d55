import { describe, expect, test } from 'vitest'
import { landingOf } from './types.ts'

const numeric = (precision: number, scale: number) => ((precision << 16) | (scale & 0x7ff)) + 4
const typeOf = (name: string, modifier = -1) => landingOf({ name, modifier }).type

test.each([
  ['bool', 'BOOLEAN'],
  ['int2', 'INTEGER'],
  ['int4', 'INTEGER'],
  ['int8', 'BIGINT'],
  ['float4', 'DOUBLE'],
  ['float8', 'DOUBLE'],
  ['money', 'DECIMAL(22,3)'],
  ['date', 'DATE'],
  ['time', 'TIME'],
  ['timestamp', 'TIMESTAMP WITH TIME ZONE'],
  ['timestamptz', 'TIMESTAMP WITH TIME ZONE'],
  ['bytea', 'BLOB'],
  ['text', 'VARCHAR'],
  ['bpchar', 'VARCHAR'],
  ['uuid', 'VARCHAR'],
  ['jsonb', 'VARCHAR'],
  ['interval', 'VARCHAR'],
  ['numeric', 'VARCHAR'],
  ['constructor', 'VARCHAR'],
  ['a_type_of_tomorrow', 'VARCHAR'],
])('%s lands as %s', (name, type) => {
  expect(typeOf(name)).toBe(type)
})

test.each([
  [10, 2, 'DECIMAL(10,2)'],
  [38, 10, 'DECIMAL(38,10)'],
  [5, 0, 'DECIMAL(5,0)'],
  [3, -2, 'DECIMAL(5,0)'],
  [2, 5, 'DECIMAL(5,5)'],
  [39, 2, 'VARCHAR'],
  [1000, 1000, 'VARCHAR'],
])('numeric(%d,%d) lands as %s', (precision, scale, type) => {
  expect(typeOf('numeric', numeric(precision, scale))).toBe(type)
})

describe('arrays', () => {
  const arrayOf = (element: string, dimensions = 1, modifier = -1) =>
    landingOf({ name: `_${element}`, modifier, array: { element, dimensions } }).type

  test('of one dimension land as lists of what their elements become, of more as JSON text', () => {
    expect(arrayOf('int4')).toBe('INTEGER[]')
    expect(arrayOf('numeric', 1, numeric(10, 2))).toBe('DECIMAL(10,2)[]')
    expect(arrayOf('uuid', 0)).toBe('VARCHAR[]')
    expect(arrayOf('int4', 2)).toBe('VARCHAR')
  })
})
