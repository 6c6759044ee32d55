import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { sharedData } from '@cinelake/testkit'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { csvRow } from '@cinelake/csv'
import { createColumns, RecordProblem } from './columns.ts'
import { createFlattener } from './flatten-record.ts'
import { describeSyntaxError, parseJson, type JsonObject } from './json-text.ts'

const cellsOf = (text: string) => {
  const columns = createColumns({ known: undefined, drift: 'evolve' })
  const cells = createFlattener(columns)(parseJson(text) as JsonObject)
  return Object.fromEntries(columns.names.map((name, index) => [name, cells[index]]))
}

describe('numbers', () => {
  test.each([
    '9007199254740993',
    '-9223372036854775808',
    '123456789012345678901234567890',
    '0.1',
    '1.10',
    '1.0',
    '-0',
    '-0.0',
    '1e3',
    '1E+400',
    '0.1234567890123456789012345',
    '42',
    '999999999999999',
    '0',
  ])('%s stays as it is written, in a cell and within an array', (number) => {
    expect(cellsOf(`{"a":${number},"b":[${number},{"c":${number}}],"d":{"e":${number}}}`)).toEqual({
      a: number,
      b: `[${number},{"c":${number}}]`,
      'd.e': number,
    })
  })

  test('any JSON keeps every number, also where the quick way is taken', () => {
    const number = fc.oneof(
      fc.integer().map(String),
      fc.bigInt().map(String),
      fc.double({ noNaN: true, noDefaultInfinity: true }).map((n) => JSON.stringify(n)),
      fc.tuple(fc.integer(), fc.nat()).map(([a, b]) => `${a}.${b}`),
    )
    fc.assert(
      fc.property(fc.array(fc.tuple(number, fc.string()), { minLength: 1 }), (items) => {
        const text = `{${items.map(([n, key], i) => `${JSON.stringify(`k${i}${key.replaceAll('.', '')}`)}:${n}`).join(',')}}`
        expect(Object.values(cellsOf(text))).toEqual(items.map(([n]) => n))
      }),
    )
  })

  test('wherever blanks are, and a number alone', () => {
    for (const number of ['-0', '1.10', '1e3', '12345678901234567', '0.0000001', '-1.5E-7']) {
      for (const text of [
        `{"a" : ${number} }`,
        `{"a":\n\t${number}\r\n}`,
        `[ ${number} , ${number}]`,
        number,
        ` ${number}\n`,
      ]) {
        expect(JSON.stringify(parseJson(text))).toBe(text.replaceAll(/\s/g, ''))
      }
    }
  })

  test.each(['it costs 9.90, or 1e3; 12', '4111111111111111', '[1.10, 2.20 ]', '":1.10,"', '2026-03-01T00:00:00.000Z'])(
    'the text %j, which looks like one, stays a text',
    (text) => {
      expect(cellsOf(JSON.stringify({ text, n: 1.5 }))).toEqual({ text, n: '1.5' })
    },
  )
})

describe('a record as a row', () => {
  test.each([
    ['{"id":1,"name":"Ada","ok":true,"none":null}', { id: '1', name: 'Ada', ok: 'true', none: null }],
    ['{"a":{"b":{"c":1}},"d":2}', { 'a.b.c': '1', d: '2' }],
    ['{"tags":["a","b"],"empty":[],"object":{}}', { tags: '["a","b"]', empty: '[]', object: '{}' }],
    ['{"__proto__":1,"constructor":2}', { constructor: '2', ['__proto__']: '1' }],
    ['{"text":"12","blank":""}', { text: '12', blank: '' }],
  ])('%s', (text, cells) => {
    expect(new Map(Object.entries(cellsOf(text)))).toEqual(new Map(Object.entries(cells)))
  })

  test('columns keep the order in which they were first seen, and a record has none of those that come later', () => {
    const columns = createColumns({ known: undefined, drift: 'evolve' })

    const cells = createFlattener(columns)
    const rows = ['{"b":1}', '{"a":2,"b":3}', '{"c":{"d":4}}'].map((text) => cells(parseJson(text) as JsonObject))

    expect(columns.names).toEqual(['b', 'a', 'c.d'])
    expect(rows).toEqual([['1'], ['3', '2'], [undefined, undefined, '4']])
  })

  test('two fields that would become one column, and objects without end, are problems', () => {
    expect(() => cellsOf('{"a.b":1,"a":{"b":2}}')).toThrow(RecordProblem)
    expect(() => cellsOf('{"a":'.repeat(100) + '1' + '}'.repeat(100))).toThrow('at most 64 objects')
    expect(() => cellsOf(`{"a":${'['.repeat(50_000)}${']'.repeat(50_000)}}`)).toThrow(/sensible depth|call stack/i)
  })
})

test.each([
  [['a', null, ''], 'a,,""'],
  [['a,b', 'say "x"', 'two\nlines', 'cr\r'], '"a,b","say ""x""","two\nlines","cr\r"'],
  [[' padded ', 'ü😀'], '" padded ",ü😀'],
  [[null], '""'],
  [[], '""'],
  [['\ud83d'], '\ufffd'],
])('%j is the CSV row %s', (values, row) => {
  expect(csvRow(values)).toBe(row)
})

const suite = sharedData('malformed_json_JSONTestSuite')
describe.skipIf(suite === undefined)('JSONTestSuite (needs the shared data)', () => {
  const folder = join(suite ?? '', 'test_parsing')
  const files = suite === undefined ? [] : readdirSync(folder)
  const read = (name: string) =>
    parseJson(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(readFileSync(join(folder, name))))

  const outcomeOf = (name: string) => {
    try {
      return read(name) === undefined ? 'nothing' : 'read'
    } catch (error) {
      return describeSyntaxError(error, readFileSync(join(folder, name)).length)
    }
  }

  test('every text that is JSON is read', () => {
    for (const name of files.filter((file) => file.startsWith('y_'))) {
      expect({ name, outcome: outcomeOf(name) }).toEqual({ name, outcome: 'read' })
    }
  })

  test('every text that is not is refused, in words that quote nothing of it', () => {
    for (const name of files.filter((file) => file.startsWith('n_'))) {
      expect(outcomeOf(name)).toMatch(/^(nothing|a text that (ends|is something else).{0,60})$/)
    }
  })
})
