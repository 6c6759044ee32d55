import { expect, test } from 'vitest'
import { identifier, identifiers, literal } from './index.ts'

test.each([
  ['plain', "'plain'"],
  ["it's", "'it''s'"],
  ['back\\slash "quoted"', `'back\\slash "quoted"'`],
  [1.5, '1.5'],
  [true, 'true'],
])('the value %j is the literal %s', (value, sql) => {
  expect(literal(value)).toBe(sql)
})

test.each([
  ['order', '"order"'],
  ['say "hi"', '"say ""hi"""'],
])('the name %j is the identifier %s', (name, sql) => {
  expect(identifier(name)).toBe(sql)
})

test('a list of names has each quoted', () => {
  expect(identifiers(['a', 'b c'])).toBe('"a", "b c"')
})
