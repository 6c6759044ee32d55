import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { duplicateNameIn } from './duplicate-name.ts'

describe('a name that an object has twice is found', () => {
  test.each([
    ['{"a":1,"a":2}', 'a'],
    ['[{"a":1,"b":2},{"a":1,"b":2,"a":3}]', 'a'],
    ['[{"a":1,"b":2},{"b":1,"a":2,"b":3}]', 'b'],
    ['[{"a":1,"b":2},{"a":1,"c":2,"b":3,"c":4}]', 'c'],
    ['{"x":{"y":[{"z":1},{"z":1 , "z" :2}]}}', 'z'],
    ['{"a":1,"\\u0061":2}', 'a'],
    ['{"":1,"":2}', ''],
    ['{"a\\\\":1,"b":"\\"","a\\\\":2}', 'a\\'],
  ])('%s', (text, name) => {
    expect(duplicateNameIn(text)).toBe(name)
  })

  test('and no other, whatever values look like names', () => {
    expect(duplicateNameIn('[{"a":"a\\":","b":{"a":1}},{"b":["a","a"],"a":"b"},"a","a"]')).toBeUndefined()
  })

  test('in any JSON, wherever it is', () => {
    const name = fc.constantFrom('a', 'b', 'c', '\\u0061', 'd "')
    type Made = { readonly text: string; readonly isTwice: boolean }
    const { value } = fc.letrec<{ value: Made; list: Made; object: Made }>((tie) => ({
      value: fc.oneof(
        { depthSize: 'small' },
        fc.constantFrom('1', '"a"', '":"', 'null').map((text) => ({ text, isTwice: false })),
        tie('list'),
        tie('object'),
      ),
      list: fc.array(tie('value'), { maxLength: 4 }).map((items) => ({
        text: `[${items.map(({ text }) => text).join(',')}]`,
        isTwice: items.some(({ isTwice }) => isTwice),
      })),
      object: fc.array(fc.tuple(name, tie('value')), { maxLength: 4 }).map((fields) => {
        const names = fields.map(([key]) => (key === '\\u0061' ? 'a' : key))
        return {
          text: `{${fields.map(([key, { text }]) => `"${key.replace('"', '\\"')}": ${text}`).join(',')}}`,
          isTwice: new Set(names).size < names.length || fields.some(([, { isTwice }]) => isTwice),
        }
      }),
    }))
    fc.assert(
      fc.property(value, ({ text, isTwice }) => {
        expect(duplicateNameIn(text) !== undefined).toBe(isTwice)
      }),
      { numRuns: 2000 },
    )
  })
})
