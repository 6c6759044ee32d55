import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { compileIRegexp } from './i-regexp.ts'
import { parseJsonPath, selectIn, valueAt } from './json-path.ts'
import { parseJson, type JsonValue } from '@cinelake/json-rows'

describe('paths into a body', () => {
  const body = parseJson('{"data":{"items":[{"id":1}]},"@odata.nextLink":"x","a.b":[[2]]}')
  test.each([
    ['$.data.items[0].id', 1],
    ["$['@odata.nextLink']", 'x'],
    ['$["a.b"][0][0]', 2],
    ['$.data.items[7].id', undefined],
    ['$.data.constructor', undefined],
    ['$.nothing.here', undefined],
  ])('%s leads to %j', (path, value) => {
    expect(valueAt(body, parseJsonPath(path))).toEqual(value)
  })

  test.each(['data', '$.', '$..a', '$[*]', '$.a[', '$a'])('%s is refused', (path) => {
    expect(() => parseJsonPath(path)).toThrow('path into the body is not usable')
  })
})

describe('a path of any kind', () => {
  const body = parseJson('{"data":[{"n":1.10,"name":"a^b"},{"n":2,"name":"abc"},{"n":3}],"more":{"name":"x"}}')
  test.each([
    ['$.data[*].name', ['a^b', 'abc']],
    ['$..name', ['a^b', 'abc', 'x']],
    ['$.data[?@.n > 1.5].n', [2, 3]],
    ["$.data[?match(@.name, 'a.c')].n", [2]],
    ["$.data[?match(@.name, 'a')].n", []],
    ["$.data[?search(@.name, '^a')].name", ['a^b', 'abc']],
    ["$.data[?search(@.name, '[b-c]$')].n", [1.1, 2]],
    ["$.data[?search(@.name, '(')].n", []],
    ['$.data[?@.name == $.data[1].name].n', [2]],
  ])('%s finds what it means', (path, expected) => {
    expect(JSON.parse(JSON.stringify(selectIn(body, path)))).toEqual(expected)
  })

  test('finds as many records as a body has', () => {
    const many = { data: Array.from({ length: 300_000 }, (_, n) => ({ n })) }

    expect(selectIn(many, '$.data[*]')).toHaveLength(300_000)
  })

  test.each([
    ['finds places on too many ways', `$${'..a'.repeat(12)}`, nested(40)],
    ['tells the same places several times', `$${'[*,*,*]'.repeat(30)}`, nested(40)],
    [
      'looks at everything for each item',
      '$.data[?count($..n) > 5]',
      { data: Array.from({ length: 400 }, (_, n) => ({ n })) },
    ],
    ['goes through more levels than there can be', '$..zip', deep(100_000)],
  ])('that %s is refused, and not looked for without end', (_, path, value) => {
    expect(() => selectIn(value, path)).toThrow(
      expect.objectContaining({ code: 'REST_PATH_TOO_COSTLY', retryable: false }),
    )
  })
})

describe('a regular expression of a filter', () => {
  test('takes what JavaScript takes', () => {
    const tokens = fc.constantFrom(
      'a',
      'b',
      '.',
      '(',
      ')',
      '|',
      '*',
      '+',
      '?',
      '{2}',
      '{1,}',
      '[ab]',
      '[^a]',
      '\\.',
      '^',
      '$',
      '\\p{Ll}',
    )
    const texts = fc.string({ unit: fc.constantFrom('a', 'b', '.', '^'), maxLength: 6 })
    fc.assert(
      fc.property(fc.array(tokens, { maxLength: 7 }), texts, fc.boolean(), (parts, text, isPart) => {
        const matcher = compileIRegexp(parts.join(''), isPart)
        fc.pre(matcher !== undefined)
        const expression = new RegExp(isPart ? parts.join('') : `^(?:${parts.join('')})$`, 'u')
        expect(matcher.match(text) !== undefined).toBe(expression.test(text))
      }),
      { numRuns: 3000 },
    )
  })

  test.each(['(a+)+', '(a|a)*', '(a*)*', '(.*a){12}'])('%s takes work in proportion to the text', (expression) => {
    const matcher = compileIRegexp(`${expression}b`, true)
    const stepsFor = (length: number) => {
      let steps = 0
      expect(matcher?.match('a'.repeat(length), () => (steps += 1))).toBeUndefined()
      return steps
    }

    expect(stepsFor(1000)).toBeLessThan(12 * stepsFor(100))
  })

  test.each(['a{2', 'a**', '(a', 'a)', '[a', '[b-a]', '\\d', '(?=a)', '\\1', 'a{3,2}', '((a{999}){999}){999}'])(
    '%s is none',
    (text) => {
      expect(compileIRegexp(text, false)).toBeUndefined()
    },
  )

  test('of thousands of groups within each other is none', () => {
    expect(compileIRegexp(`${'('.repeat(5000)}a${')'.repeat(5000)}`, false)).toBeUndefined()
  })
})

/** An object in an object, and so on, each called `a`. */
function nested(levels: number): JsonValue {
  return levels === 0 ? 1 : { a: nested(levels - 1), b: 1 }
}

/** The same, as far as a text may go. */
function deep(levels: number): JsonValue {
  return parseJson(`${'['.repeat(levels)}${']'.repeat(levels)}`)
}
