import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Expected, type Reader, type Reading, WRONG, aReader } from './reader.fixture.ts'

let reader: Reader
beforeAll(async () => {
  reader = await aReader()
})
afterAll(() => reader[Symbol.asyncDispose]())

function readings(rows: readonly (readonly [string, string, Reading, Expected])[]): void {
  test.each(rows)('%s: %s', async (_, type, reading, expected) => {
    expect(await reader.read(type, reading, Object.keys(expected))).toEqual(expected)
  })
}

describe('whole numbers', () => {
  readings([
    [
      'are read as people write them',
      'BIGINT',
      {},
      {
        '1': 1,
        ' 42 ': 42,
        '+5': 5,
        '007': 7,
        '-0': 0,
        '1,234': 1234,
        '1,234,567.00': 1_234_567,
        '1 234': 1234,
        '1\u{a0}234': 1234,
        "1'234": 1234,
        '795222.0': 795_222,
        '1e3': 1000,
        '1.0E+3': 1000,
        '1200e-2': 12,
        '0e99': 0,
        '': null,
        '  ': null,
      },
    ],
    [
      'nothing is rounded or guessed',
      'BIGINT',
      {},
      {
        '1.5': WRONG,
        '12,34': WRONG,
        '1e-1': WRONG,
        '1.25e1': WRONG,
        '1e19': WRONG,
        '1e': WRONG,
        '0x1F': WRONG,
        '0b1': WRONG,
        '1_000': WRONG,
        abc: WRONG,
        '9999999999999999999': WRONG,
        '1%': WRONG,
        true: WRONG,
        '٣': WRONG,
      },
    ],
    ['nothing is rounded or guessed', 'INTEGER', {}, { '2147483647': 2_147_483_647, '2147483648': WRONG }],
    [
      'with any decimal sign a point between groups of three is a thousands separator',
      'BIGINT',
      { decimal: 'any' },
      { '1.234': 1234, '1,234': 1234, '1.234.567': 1_234_567, '1234,0': 1234, '1.5': WRONG },
    ],
  ])
})

describe('fractions', () => {
  readings([
    [
      'with a point',
      'DECIMAL(10,2)',
      {},
      {
        '12.5': '12.50',
        '12.50': '12.50',
        '12.500': '12.50',
        '12': '12.00',
        '-3.1': '-3.10',
        '+3': '3.00',
        '.5': '0.50',
        '5.': '5.00',
        '1,234.5': '1234.50',
        '1 234.5': '1234.50',
        '12.505': WRONG,
        '1e2': '100.00',
        '1.25e-1': WRONG,
        '125e-2': '1.25',
        '8,7': WRONG,
        '1_0': WRONG,
        '123456789.00': WRONG,
        '-': WRONG,
      },
    ],
    [
      'with a comma',
      'DECIMAL(10,2)',
      { decimal: ',' },
      { '12,5': '12.50', '1.234,50': '1234.50', '1.234': '1234.00', '1 234,5': '1234.50', '7': '7.00', '12.5': WRONG },
    ],
    [
      'with either, as a catalogue from many hands has them',
      'DECIMAL(6,3)',
      { decimal: 'any' },
      { '8.7': '8.700', '8,7': '8.700', '0,123': '0.123', '1.234': '1.234', '123,456': WRONG, '12,34': '12.340' },
    ],
    [
      'with either, as a catalogue from many hands has them',
      'DOUBLE',
      { decimal: 'any' },
      { '1,234': 1234, '1.234,5': 1234.5, '1,234.5': 1234.5, '1.234.567': 1_234_567, '1,2,3': WRONG },
    ],
    [
      'with a percent sign where it is said what 100 % stands for',
      'DECIMAL(3,1)',
      { decimal: 'any', percentOf: 10 },
      { '87%': '8.7', '87 %': '8.7', '87,5%': WRONG, '8.7': '8.7', '8,7': '8.7', '1000%': WRONG, '%': WRONG },
    ],
    [
      'with a percent sign where it is said what 100 % stands for',
      'DOUBLE',
      { percentOf: 1 },
      { '50%': 0.5, '0.5': 0.5 },
    ],
    ['with a percent sign where it is said what 100 % stands for', 'INTEGER', { percentOf: 200 }, { '50%': 100 }],
    [
      'as floating point, but finite',
      'DOUBLE',
      {},
      {
        '1.5': 1.5,
        '1e3': 1000,
        ' 2 ': 2,
        '-1.5E-3': -0.0015,
        nan: WRONG,
        inf: WRONG,
        Infinity: WRONG,
        '1e400': WRONG,
        '1_0': WRONG,
      },
    ],
  ])
})

describe('dates', () => {
  readings([
    [
      'are ISO 8601 unless something else is said',
      'DATE',
      {},
      {
        '2020-01-05': '2020-01-05',
        ' 2020-01-05': '2020-01-05',
        '2020-1-5': '2020-01-05',
        '2020-02-30': WRONG,
        '2020/01/05': WRONG,
        '05.01.2020': WRONG,
        epoch: WRONG,
        infinity: WRONG,
        '2020-01-05 10:00:00': WRONG,
        '12020-01-01': WRONG,
      },
    ],
    [
      'may be written in several formats',
      'DATE',
      { formats: ['%Y-%m-%d', '%d/%m/%Y', '%B %d, %Y', '%d-%b-%y'] },
      {
        '2020-01-05': '2020-01-05',
        '5/3/2020': '2020-03-05',
        '25/12/2019': '2019-12-25',
        'March 5, 2020': '2020-03-05',
        ' april 1, 2018': '2018-04-01',
        '05-Mar-20': '2020-03-05',
        '12/25/2019': WRONG,
        'Mar 5, 2020': '2020-03-05',
        '5/3/20': WRONG,
        'August 32, 2019': WRONG,
        soon: WRONG,
        epoch: WRONG,
        infinity: WRONG,
      },
    ],
    [
      'are tried in the order of the formats',
      'DATE',
      { formats: ['%m/%d/%Y', '%d/%m/%Y', '%Y%m%d'] },
      { '3/4/2020': '2020-03-04', '25/12/2019': '2019-12-25', '20200105': '2020-01-05' },
    ],
    [
      'are tried in the order of the formats',
      'DATE',
      { formats: ['%Y-%d-%m', '%Y-%m-%d'] },
      { '2020-05-01': '2020-01-05', '2020-01-25': '2020-01-25' },
    ],
  ])
})

describe('instants', () => {
  readings([
    [
      'are ISO 8601, of UTC where there is no offset',
      'TIMESTAMP WITH TIME ZONE',
      {},
      {
        '2026-03-01T10:00:00Z': '2026-03-01T10:00:00.000000Z',
        '2026-03-01 10:00:00': '2026-03-01T10:00:00.000000Z',
        '2026-03-01T10:00:00.123456Z': '2026-03-01T10:00:00.123456Z',
        '2026-03-01T10:00:00,5+0200': '2026-03-01T08:00:00.500000Z',
        '2026-03-01T10:00-05': '2026-03-01T15:00:00.000000Z',
        '2026-03-01T10:00Z': '2026-03-01T10:00:00.000000Z',
        '2026-03-01 10:00 UTC': '2026-03-01T10:00:00.000000Z',
        '2026-03-01': '2026-03-01T00:00:00.000000Z',
        '2026-13-01T10:00:00Z': WRONG,
        '2026-03-01T25:00:00Z': WRONG,
        yesterday: WRONG,
        '2026-03-01T10:00:00 Europe/Berlin': WRONG,
      },
    ],
    [
      'of one shape are read alike with and without blanks around them, and in the order of the formats',
      'TIMESTAMP WITH TIME ZONE',
      {
        formats: ['%Y-%m-%d %H:%M:%S', '%d/%m/%Y %H:%M:%S', '%m/%d/%Y %H:%M:%S', '%B %d, %Y', '%d.%m.%y'],
        timeZone: 'Europe/Berlin',
      },
      {
        '2026-03-01 10:00:00': '2026-03-01T09:00:00.000000Z',
        ' 2026-03-01 10:00:00': '2026-03-01T09:00:00.000000Z',
        '01/03/2026 10:00:00': '2026-03-01T09:00:00.000000Z',
        '1/3/2026 10:00:00': '2026-03-01T09:00:00.000000Z',
        '03/31/2026 10:00:00': '2026-03-31T08:00:00.000000Z',
        'March 1, 2026': '2026-02-28T23:00:00.000000Z',
        '01.03.26': '2026-02-28T23:00:00.000000Z',
        '31/31/2026 10:00:00': WRONG,
        '2026-03-01T10:00:00': WRONG,
      },
    ],
    [
      'of one shape are read alike with and without blanks around them, and in the order of the formats',
      'DATE',
      { formats: ['%d/%m/%Y', '%m/%d/%Y'] },
      { '03/04/2026': '2026-04-03', '03/14/2026': '2026-03-14', '31/31/2026': WRONG },
    ],
    [
      'without an offset are of the declared zone',
      'TIMESTAMP WITH TIME ZONE',
      { timeZone: 'Europe/Berlin' },
      {
        '2026-03-01 10:00:00': '2026-03-01T09:00:00.000000Z',
        '2026-07-01': '2026-06-30T22:00:00.000000Z',
        '2026-07-01T10:00+00:00': '2026-07-01T10:00:00.000000Z',
      },
    ],
    [
      'without an offset are of the declared zone',
      'TIMESTAMP WITH TIME ZONE',
      { timeZone: 'Europe/Berlin', formats: ['%d.%m.%Y %H:%M', '%Y-%m-%dT%H:%M:%S%z'] },
      {
        '01.07.2026 10:00': '2026-07-01T08:00:00.000000Z',
        '2026-07-01T10:00:00+0000': '2026-07-01T10:00:00.000000Z',
        '32.07.2026 10:00': WRONG,
      },
    ],
    [
      'times of day',
      'TIME',
      {},
      { '10:00': '10:00:00', '9:05:07': '09:05:07', '23:59:59.5': '23:59:59.5', '25:00': WRONG },
    ],
    ['times of day', 'TIME', { formats: ['%I:%M %p'] }, { '09:30 PM': '21:30:00' }],
  ])
})

describe('text', () => {
  readings([
    [
      'loses the blanks around it, and nothing else',
      'VARCHAR',
      {},
      {
        ' x ': 'x',
        '\tx\n': 'x',
        '\u{a0}x\u{a0}': 'x',
        'x  y': 'x  y',
        ' ': null,
        '': null,
        'é ': 'é',
        '\u{1}': '\u{1}',
      },
    ],
    [
      'null words count whatever their case, of the dataset and of the column',
      'VARCHAR',
      { nulls: ['-'], datasetNulls: ['N/A'] },
      { 'N/A': null, 'n/a ': null, '-': null, 'N/A?': 'N/A?' },
    ],
    [
      'null words count whatever their case, of the dataset and of the column',
      'BIGINT',
      { nulls: ['0'] },
      { '0': null, '1': 1 },
    ],
    [
      'null words count whatever their case, of the dataset and of the column',
      'BIGINT',
      { nulls: ['unknown'] },
      { Unknown: null, '1': 1, known: WRONG },
    ],
    [
      'the part that is meant is taken out',
      'INTEGER',
      { extract: String.raw`(\d+) min` },
      { '90 min': 90, '2 Seasons': WRONG, '1,030 min': WRONG, '90\u{a0}min': WRONG, '': null },
    ],
    [
      'values are replaced as a whole',
      'VARCHAR',
      { values: { Movie: 'MOVIE', 'TV Show': 'SHOW' } },
      { 'tv show': 'SHOW', ' Movie ': 'MOVIE', Movies: 'Movies' },
    ],
    ['values are replaced as a whole', 'INTEGER', { values: { one: '1' } }, { ONE: 1, '2': 2 }],
    ['truth values', 'BOOLEAN', {}, { true: true, FALSE: false, ' yes': true, n: false, '1': true, '2': WRONG }],
    ['truth values', 'BOOLEAN', { nulls: ['false'] }, { false: null, true: true }],
  ])
})

describe('lists', () => {
  readings([
    [
      'are read from what sources make of them',
      'VARCHAR[]',
      {},
      {
        'a|b': ['a', 'b'],
        'a, b': ['a', 'b'],
        'a; b': ['a', 'b'],
        "['a', 'b']": ['a', 'b'],
        '["a","b"]': ['a', 'b'],
        '[]': [],
        a: ['a'],
        'a|': ['a', null],
        'a||b': ['a', null, 'b'],
        '[a, b]': ['a', 'b'],
        "['it\\'s', \"x's\", None]": ["it's", "x's", null],
        '["\\u00e9", null]': ['é', null],
        'a|b, c': ['a', 'b, c'],
        '': null,
        '[a': WRONG,
        "['a' 'b']": WRONG,
        '["a",]x': WRONG,
      },
    ],
    [
      'are split at declared separators only',
      'VARCHAR[]',
      { separators: ['/'] },
      { 'a/b': ['a', 'b'], 'a, b': ['a, b'] },
    ],
    [
      'hold values of their type',
      'INTEGER[]',
      { separators: ['/'] },
      { '1/2': [1, 2], '[1, 2]': [1, 2], '1/x': WRONG },
    ],
    [
      'hold values of their type',
      'VARCHAR[]',
      { values: { Dramas: 'Drama' } },
      { 'dramas|Comedies': ['Drama', 'Comedies'] },
    ],
  ])
})

describe('landed types', () => {
  test.each([
    ['BIGINT', 'INTEGER', '42', 42],
    ['BIGINT', 'INTEGER', '3000000000', WRONG],
    ['DOUBLE', 'DECIMAL(3,1)', '8.7', '8.7'],
    ['DOUBLE', 'DECIMAL(3,1)', '8.75', WRONG],
    ['DECIMAL(10,4)', 'BIGINT', '5.0000', 5],
    ['DECIMAL(10,4)', 'BIGINT', '5.5000', WRONG],
    ['VARCHAR', 'INTEGER', "' 1,234 '", 1234],
    ['INTEGER', 'VARCHAR', '7', '7'],
    ['TIMESTAMP', 'TIMESTAMP WITH TIME ZONE', "'2026-03-01 10:00:00'", '2026-03-01T10:00:00.000000Z'],
    ['TIMESTAMP', 'DATE', "'2026-03-01 10:00:00'", WRONG],
    ['TIMESTAMP', 'DATE', "'2026-03-01 00:00:00'", '2026-03-01'],
    ['BOOLEAN', 'BOOLEAN', 'true', true],
    ['UUID', 'VARCHAR', "'7c9e6679-7425-40de-944b-e07fc1f90ae7'", '7c9e6679-7425-40de-944b-e07fc1f90ae7'],
  ] as const)('%s as %s: %s', async (landed, type, value, expected) => {
    expect(await reader.readLanded(landed, type, value)).toEqual(expected)
  })
})
