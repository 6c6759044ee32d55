import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Expected, type Reader, type Reading, WRONG, aReader } from './reader.fixture.ts'

let reader: Reader
beforeAll(async () => {
  reader = await aReader()
})
afterAll(() => reader[Symbol.asyncDispose]())

const INSTANT = 'TIMESTAMP WITH TIME ZONE'

function readings(rows: readonly (readonly [string, string, Reading, Expected])[]): void {
  test.each(rows)('%s: %s', async (_, type, reading, expected) => {
    expect(await reader.read(type, reading, Object.keys(expected))).toEqual(expected)
  })
}

describe('a part of the text', () => {
  readings([
    [
      'is the whole of it, unless the text says otherwise',
      'INTEGER',
      { extract: { pattern: String.raw`^(\d+)`, part: true } },
      { '18+': 18, all: WRONG },
    ],
    [
      'a text without a match is no value where that is asked',
      'INTEGER',
      { extract: { pattern: String.raw`(\d+) min`, noMatch: null } },
      { '90 min': 90, '2 Seasons': null, '': null, '99999999999 min': WRONG },
    ],
    [
      'is taken after `values`',
      'INTEGER',
      { extract: String.raw`^(\d+)`, values: { all: '0' } },
      { all: 0, ALL: 0, '18': 18, '18+': WRONG },
    ],
    [
      'a text that has none is no value of a text column either',
      'VARCHAR',
      { extract: String.raw`(\w+)@example\.org` },
      { 'a@example.org': 'a', 'a@example.com': WRONG, ' b@example.org ': 'b', '': null },
    ],
    [
      'nothing is not what a pattern means',
      'VARCHAR',
      { extract: String.raw`(\d*) min` },
      { ' 5 min': '5', ' min': WRONG },
    ],
    [
      'flags of a pattern hold',
      'INTEGER',
      { extract: String.raw`(?i)(\d+) MIN|(?:\d+)` },
      { '5 min': 5, '5 MIN': 5, '5': WRONG },
    ],
    ['a line end is within the text', 'INTEGER', { extract: String.raw`(\d+)` }, { '5\n6': WRONG }],
  ])
})

describe('digits of a second', () => {
  readings([
    [
      'that the type does not hold have to be zeros',
      INSTANT,
      {},
      {
        '2026-03-01T10:00:00.1234569Z': WRONG,
        '2026-03-01T10:00:00.1234560Z': '2026-03-01T10:00:00.123456Z',
        '2026-03-01T10:00:00.123456000Z': '2026-03-01T10:00:00.123456Z',
        '2026-03-01 10:00:00.1234567': WRONG,
        '2026-03-01 10:00:00.5000000+01:00': '2026-03-01T09:00:00.500000Z',
        '2026-03-01T10:00:00.Z': WRONG,
      },
    ],
    [
      'that the type does not hold have to be zeros',
      INSTANT,
      { formats: ['%Y-%m-%d %H:%M:%S.%f', '%d.%m.%Y %H:%M:%S.%n'] },
      {
        '2026-03-01 10:00:00.123456': '2026-03-01T10:00:00.123456Z',
        '2026-03-01 10:00:00.5': '2026-03-01T10:00:00.500000Z',
        '2026-03-01 10:00:00.1234567': WRONG,
        '2026-03-01 10:00:00.1234560': '2026-03-01T10:00:00.123456Z',
        '01.03.2026 10:00:00.123456789': WRONG,
        '01.03.2026 10:00:00.123456000': '2026-03-01T10:00:00.123456Z',
      },
    ],
    [
      'that the type does not hold have to be zeros',
      'TIME',
      {},
      { '10:00:00.123456789': WRONG, '10:00:00.123456000': '10:00:00.123456', '10:00:00.5': '10:00:00.5' },
    ],
  ])
})

describe('offsets', () => {
  readings([
    [
      'are those that clocks have',
      INSTANT,
      {},
      {
        '2026-03-01T10:00:00+25:00': WRONG,
        '2026-03-01T10:00:00+99:99': WRONG,
        '2026-03-01T10:00:00+01:75': WRONG,
        '2026-03-01T10:00:00+14:30': WRONG,
        '2026-03-01T10:00:00+15': WRONG,
        '2026-03-01T10:00:00-12:30': WRONG,
        '2026-03-01T10:00:00+14:00': '2026-02-28T20:00:00.000000Z',
        '2026-03-01T10:00:00-12:00': '2026-03-01T22:00:00.000000Z',
        '2026-03-01T10:00:00+0545': '2026-03-01T04:15:00.000000Z',
        '2026-03-01T10:00:00-00:00': '2026-03-01T10:00:00.000000Z',
      },
    ],
    [
      'are those that clocks have',
      INSTANT,
      { formats: ['%d/%b/%Y:%H:%M:%S %z', '%a, %d %b %Y %H:%M:%S %z'] },
      {
        '01/Mar/2026:10:00:00 +0100': '2026-03-01T09:00:00.000000Z',
        '01/Mar/2026:10:00:00 -09:30': '2026-03-01T19:30:00.000000Z',
        '01/Mar/2026:10:00:00 Z': '2026-03-01T10:00:00.000000Z',
        '01/Mar/2026:10:00:00 +25:00': WRONG,
        '01/Mar/2026:10:00:00 +01:75': WRONG,
        'Sun, 01 Mar 2026 10:00:00 +0000': '2026-03-01T10:00:00.000000Z',
        'Mon, 01 Mar 2026 10:00:00 +0000': WRONG,
      },
    ],
  ])
})

describe('dates', () => {
  readings([
    [
      'have no time of day',
      'DATE',
      { formats: ['%Y-%m-%d %H:%M:%S', '%d.%m.%Y %H:%M'] },
      {
        '2019-08-05 10:30:00': WRONG,
        '2019-08-05 00:00:00': '2019-08-05',
        ' 2019-08-05 00:00:00': '2019-08-05',
        '05.08.2019 00:01': WRONG,
        '05.08.2019 00:00': '2019-08-05',
      },
    ],
    [
      'are of the day that is written, whatever the offset',
      'DATE',
      { formats: ['%Y-%m-%dT%H:%M:%S%z'] },
      {
        '2019-08-05T00:00:00Z': '2019-08-05',
        '2019-08-05T00:00:00+02:00': '2019-08-05',
        '2019-08-05T00:00:00-0800': '2019-08-05',
        '2019-08-04T22:00:00Z': WRONG,
      },
    ],
    [
      'are of the day in a zone, where one is declared',
      'DATE',
      { formats: ['%Y-%m-%dT%H:%M:%S%z'], timeZone: 'Europe/Berlin' },
      { '2019-08-04T22:00:00Z': '2019-08-05', '2019-08-05T00:00:00Z': WRONG },
    ],
    [
      'exist, in years from 1 to 9999',
      'DATE',
      {},
      {
        '0000-01-01': WRONG,
        ' 0000-01-01': WRONG,
        '0001-01-01': '0001-01-01',
        ' 0020-01-05': '0020-01-05',
        '0020-01-05': '0020-01-05',
        '9999-12-31': '9999-12-31',
        '10000-01-01': WRONG,
        '-0001-01-01': WRONG,
        '2026/01/01': WRONG,
        '2026-02-29': WRONG,
        '2024-02-29': '2024-02-29',
        '1900-02-29': WRONG,
        '2026-00-01': WRONG,
        '20260301': WRONG,
        '2026-W09-7': WRONG,
        '2026-060': WRONG,
        '２０２６-03-01': WRONG,
        '2026-03-0１': WRONG,
      },
    ],
    [
      'exist, in years from 1 to 9999',
      'DATE',
      { formats: ['%d/%m/%Y'] },
      { '01/01/0000': WRONG, '1/1/0001': '0001-01-01' },
    ],
    [
      'by week and by day of the year exist',
      'DATE',
      { formats: ['%G-W%V-%u', '%Y-%j'] },
      {
        '2026-W09-7': '2026-03-01',
        '2026-W53-1': '2026-12-28',
        '2025-W53-1': WRONG,
        '2026-W00-1': WRONG,
        '2026-W09-8': WRONG,
        '2026-060': '2026-03-01',
        '2026-365': '2026-12-31',
        '2026-366': WRONG,
        '2024-366': '2024-12-31',
        '2026-000': WRONG,
      },
    ],
    [
      'do not contradict themselves',
      'DATE',
      { formats: ['%a %Y-%m-%d', '%A, %d %B %Y'] },
      {
        'Sun 2026-03-01': '2026-03-01',
        'Mon 2026-03-01': WRONG,
        'Sunday, 1 March 2026': '2026-03-01',
        'Friday, 1 March 2026': WRONG,
      },
    ],
  ])
})

describe('times', () => {
  readings([
    [
      'are those of a clock',
      INSTANT,
      {},
      {
        '2026-03-01T24:00:00Z': WRONG,
        '2026-03-01 24:00:00': WRONG,
        '2026-03-01T23:59:60Z': WRONG,
        '2026-03-01T10:60:00Z': WRONG,
        '2026-03-01T24:00:00.5Z': WRONG,
        '2026-03-01T1:00:00Z': WRONG,
        '2026-03-01T10Z': WRONG,
        '20260301T100000Z': WRONG,
        '2026-03-01 10:00:0Z': WRONG,
        '2026-03-01 10:00:0.': WRONG,
        '0000-01-01T00:00:00Z': WRONG,
        '0001-01-01T00:00:00+01:00': WRONG,
        infinity: WRONG,
        epoch: WRONG,
      },
    ],
    [
      'are those of a clock',
      'TIME',
      {},
      { '24:00:00': WRONG, '23:59:60': WRONG, '10:60': WRONG, '10:00:00Z': WRONG, '10:00:00+01': WRONG },
    ],
    [
      'before and after noon',
      'TIME',
      { formats: ['%I:%M %p', '%I:%M:%S%p'] },
      {
        '12:00 AM': '00:00:00',
        '12:30 pm': '12:30:00',
        '01:15 PM': '13:15:00',
        '1:15:10p.m.': '13:15:10',
        '13:00 PM': WRONG,
        '00:30 AM': WRONG,
      },
    ],
    [
      'have no day of their own',
      'TIME',
      { formats: ['%Y-%m-%d %H:%M'] },
      { '1899-12-30 10:00': '10:00:00', '1900-01-01 10:00': '10:00:00', '2026-03-01 10:00': WRONG },
    ],
    [
      'that a zone skips or has twice are none',
      INSTANT,
      { timeZone: 'Europe/Berlin' },
      {
        '2026-03-29 01:59:59': '2026-03-29T00:59:59.000000Z',
        '2026-03-29 02:00:00': WRONG,
        '2026-03-29 02:30:00': WRONG,
        '2026-03-29 03:00:00': '2026-03-29T01:00:00.000000Z',
        '2026-10-25 01:59:59': '2026-10-24T23:59:59.000000Z',
        '2026-10-25 02:00:00': WRONG,
        '2026-10-25 02:30:00': WRONG,
        '2026-10-25 03:00:00': '2026-10-25T02:00:00.000000Z',
        '2026-10-25T02:30:00+02:00': '2026-10-25T00:30:00.000000Z',
      },
    ],
    [
      'that a zone has twice are the earlier or the later, where that is said',
      INSTANT,
      { timeZone: 'Europe/Berlin', ambiguous: 'earlier', formats: ['%d.%m.%Y %H:%M'] },
      { '25.10.2026 02:30': '2026-10-25T00:30:00.000000Z', '29.03.2026 02:30': WRONG },
    ],
    [
      'that a zone has twice are the earlier or the later, where that is said',
      INSTANT,
      { timeZone: 'Australia/Lord_Howe', ambiguous: 'later' },
      { '2026-04-05 01:45:00': '2026-04-04T15:15:00.000000Z', '2026-10-04 02:15:00': WRONG },
    ],
    [
      'that a zone skips or has twice are none: a day that Samoa did not have',
      INSTANT,
      { timeZone: 'Pacific/Apia' },
      {
        '2011-12-30 12:00:00': WRONG,
        '2011-12-29 12:00:00': '2011-12-29T22:00:00.000000Z',
        '2011-12-31 12:00:00': '2011-12-30T22:00:00.000000Z',
      },
    ],
    [
      'are of the zone that the text names',
      INSTANT,
      { formats: ['%Y-%m-%d %H:%M %Z'] },
      {
        '2026-07-01 10:00 Europe/Berlin': '2026-07-01T08:00:00.000000Z',
        '2026-07-01 10:00 UTC': '2026-07-01T10:00:00.000000Z',
        '2026-03-29 02:30 Europe/Berlin': WRONG,
        '2026-07-01 10:00 Mars/Olympus': WRONG,
      },
    ],
  ])
})

describe('times whose instant is of another year than 1 to 9999', () => {
  const zones = { before: 'Europe/Berlin', behind: 'America/New_York' }
  readings([
    ['are rejected', INSTANT, { timeZone: zones.before }, { '0001-01-01 00:00:00': WRONG, '0001-01-01T00:30': WRONG }],
    ['are rejected', INSTANT, { timeZone: zones.behind }, { '9999-12-31 23:59:59': WRONG }],
    ['are not others', INSTANT, { timeZone: zones.before }, { '9999-12-31 23:59:59': '9999-12-31T22:59:59.000000Z' }],
    [
      'are rejected in other formats',
      INSTANT,
      { timeZone: zones.before, formats: ['%d.%m.%Y %H:%M'] },
      { '01.01.0001 00:00': WRONG, '31.12.9999 23:59': '9999-12-31T22:59:00.000000Z' },
    ],
    ['are rejected as numbers', INSTANT, { timeZone: zones.behind, formats: ['excel'] }, { '2958465.99': WRONG }],
  ])
})

describe('years of two digits', () => {
  readings([
    [
      'are from 1969 to 2068',
      'DATE',
      { formats: ['%d-%b-%y', '%d.%m.%y'] },
      { '21-Dec-37': '2037-12-21', '01-Jan-69': '1969-01-01', '01-Jan-68': '2068-01-01', '21.12.37': '2037-12-21' },
    ],
    [
      'are of the hundred years from the pivot on',
      'DATE',
      { formats: ['%d-%b-%y', '%d.%m.%y'], pivotYear: 1930 },
      { '21-Dec-37': '1937-12-21', '01-Jan-29': '2029-01-01', '01.01.30': '1930-01-01', '29.02.00': '2000-02-29' },
    ],
    [
      'that do not exist in their century are none',
      'DATE',
      { formats: ['%d.%m.%y'], pivotYear: 1900 },
      { '29.02.00': WRONG, '28.02.00': '1900-02-28' },
    ],
  ])
})

describe('formats of numbers', () => {
  readings([
    [
      'seconds since 1970',
      INSTANT,
      { formats: ['epoch'] },
      {
        '0': '1970-01-01T00:00:00.000000Z',
        '1772359200': '2026-03-01T10:00:00.000000Z',
        '1772359200.5': '2026-03-01T10:00:00.500000Z',
        '-1': '1969-12-31T23:59:59.000000Z',
        '1772359200.1234567': WRONG,
        '999999999999999': WRONG,
        '1.7e9': WRONG,
        now: WRONG,
      },
    ],
    [
      'milliseconds since 1970',
      INSTANT,
      { formats: ['epochMillis'] },
      { '1772359200123': '2026-03-01T10:00:00.123000Z', '1772359200123.4567': WRONG },
    ],
    [
      'seconds of midnight are a date',
      'DATE',
      { formats: ['epoch'] },
      { '1772323200': '2026-03-01', '1772323201': WRONG },
    ],
    [
      'days as spreadsheets count them',
      'DATE',
      { formats: ['excel', '%Y-%m-%d'] },
      {
        '1': '1900-01-01',
        '59': '1900-02-28',
        '60': WRONG,
        '61': '1900-03-01',
        '44197': '2021-01-01',
        '44197.0': '2021-01-01',
        '44197.5': WRONG,
        '0': WRONG,
        '2026-03-01': '2026-03-01',
        '2958465': '9999-12-31',
        '2958466': WRONG,
      },
    ],
    [
      'days as spreadsheets count them, with the time as a fraction',
      INSTANT,
      { formats: ['excel'], timeZone: 'Europe/Berlin' },
      { '44197.4375': '2021-01-01T09:30:00.000000Z', '44197.416666666664': '2021-01-01T09:00:00.000000Z' },
    ],
    [
      'the time as a fraction alone',
      'TIME',
      { formats: ['excel'] },
      { '0.5': '12:00:00', '0.416666666666667': '10:00:00', '44197.5': WRONG },
    ],
  ])
})

describe('names of months', () => {
  readings([
    [
      'in German',
      'DATE',
      { formats: ['%d. %B %Y', '%A, %d. %b %Y'], language: 'de' },
      {
        '1. März 2026': '2026-03-01',
        '1. MÄRZ 2026': '2026-03-01',
        '5. Dez. 2025': '2025-12-05',
        '5. December 2025': '2025-12-05',
        'Sonntag, 1. März 2026': '2026-03-01',
        'Montag, 1. März 2026': WRONG,
        '1. Mars 2026': WRONG,
      },
    ],
    [
      'in French',
      'DATE',
      { formats: ['%d %B %Y'], language: 'fr' },
      { '14 juillet 2026': '2026-07-14', '1 févr. 2026': '2026-02-01', '3 août 2026': '2026-08-03' },
    ],
    [
      'in Russian',
      'DATE',
      { formats: ['%d %B %Y'], language: 'ru' },
      { '1 марта 2026': '2026-03-01', '9 мая 2026': '2026-05-09' },
    ],
    ['in Polish', 'DATE', { formats: ['%d %B %Y'], language: 'pl' }, { '1 października 2026': '2026-10-01' }],
    ['in Turkish', 'DATE', { formats: ['%d %B %Y'], language: 'tr' }, { '3 Ağustos 2026': '2026-08-03' }],
    [
      'in Spanish, Italian and Portuguese',
      'DATE',
      { formats: ['%d de %B de %Y'], language: 'es' },
      { '1 de enero de 2026': '2026-01-01' },
    ],
    [
      'in English',
      'DATE',
      { formats: ['%B %d, %Y', '%b %d %Y'] },
      { 'Sept 5 2026': '2026-09-05', 'March  5, 2020': '2020-03-05' },
    ],
  ])
})

describe('numbers', () => {
  readings([
    [
      'in Indian groups',
      'BIGINT',
      { grouping: 'indian' },
      {
        '1,21,00,000': 12_100_000,
        '81,21,00,000': 812_100_000,
        '1,234': 1234,
        '1,234,567': 1_234_567,
        '1,2,3': WRONG,
        '12,34': WRONG,
      },
    ],
    [
      'in groups of any length',
      'DECIMAL(12,2)',
      { grouping: 'any', decimal: ',' },
      { '12.3456,5': '123456.50', '1.2': '12.00', '1,5': '1.50' },
    ],
    [
      'below zero in parentheses or with the sign behind',
      'DECIMAL(10,2)',
      { negatives: ['parentheses', 'trailing'] },
      {
        '(5)': '-5.00',
        '(1,234.50)': '-1234.50',
        '5-': '-5.00',
        '-5': '-5.00',
        '(-5)': WRONG,
        '(5': WRONG,
        '-5-': WRONG,
        '()': WRONG,
        '-': WRONG,
      },
    ],
    [
      'below zero with a sign before, unless otherwise said',
      'BIGINT',
      {},
      { '(5)': WRONG, '5-': WRONG, '--5': WRONG, '−5': WRONG },
    ],
    [
      'with suffixes',
      'BIGINT',
      { suffixes: { K: 1000, M: 1_000_000, Mio: 1_000_000, B: 1e9 } },
      {
        '1.2M': 1_200_000,
        '3K': 3000,
        '3 k': 3000,
        '1,5K': WRONG,
        '1.2345K': WRONG,
        '2 Mio': 2_000_000,
        '1B': 1e9,
        '7': 7,
        M: WRONG,
        '1T': WRONG,
        '9e18B': WRONG,
      },
    ],
    [
      'with suffixes',
      'DECIMAL(10,2)',
      { suffixes: { K: 1000 }, negatives: ['parentheses'] },
      { '(1.23456K)': '-1234.56', '1.234567K': WRONG },
    ],
    [
      'as a share, without rounding',
      'DECIMAL(10,8)',
      { percentOf: 1 },
      { '12.345678%': '0.12345678', '12.3456789%': WRONG, '0.00000001': '0.00000001' },
    ],
    [
      'as a share, without rounding',
      'DECIMAL(6,3)',
      { percentOf: 2.5 },
      { '50%': '1.250', '1%': '0.025', '0.1%': WRONG, '1e1%': '0.250' },
    ],
    [
      'as floating point keep what they say',
      'DOUBLE',
      {},
      {
        '9007199254740991': 9_007_199_254_740_991,
        '9007199254740992': 9_007_199_254_740_992,
        '9007199254740993': WRONG,
        ' 9007199254740993': WRONG,
        '-9007199254740993.0': WRONG,
        '18446744073709551616': 18_446_744_073_709_551_616,
        '18446744073709552000': 18_446_744_073_709_552_000,
        '18446744073709551617': WRONG,
        '1e23': 1e23,
        '1.7976931348623157E308': 1.7976931348623157e308,
        '0.1': 0.1,
        '0.10000000000000001': 0.1,
        '1e-400': WRONG,
        '-1E-400': WRONG,
        '0e-400': 0,
        '0.00': 0,
        '5e-324': 5e-324,
        '0x1p3': WRONG,
        '1_0.5': WRONG,
        '+INF': WRONG,
        '-nan': WRONG,
      },
    ],
    ['with a comma and an exponent', 'DECIMAL(10,2)', { decimal: ',' }, { '1,5E+3': '1500.00' }],
  ])
})

describe('lists', () => {
  readings([
    [
      'keep the places of what is empty',
      'VARCHAR[]',
      {},
      { '["a",null,"","b"]': ['a', null, '', 'b'], 'a||b': ['a', null, 'b'], '|a': [null, 'a'], '["a b "]': ['a b '] },
    ],
    [
      'keep the places of what is empty',
      'INTEGER[]',
      {},
      { '[1,null,3]': [1, null, 3], '1||3': [1, null, 3], '{1,NULL,3}': [1, null, 3], '1|x': WRONG },
    ],
    [
      'lose what is empty where that is said',
      'VARCHAR[]',
      { emptyItems: 'drop' },
      { '["a",null,"","b"]': ['a', 'b'], 'a||b|': ['a', 'b'] },
    ],
    [
      'of PostgreSQL',
      'VARCHAR[]',
      {},
      {
        '{a,b}': ['a', 'b'],
        '{"a,b",NULL,"NULL",""}': ['a,b', null, 'NULL', ''],
        '{}': [],
        String_: ['String_'],
        [String.raw`{"a\"b","c\\d"}`]: ['a"b', String.raw`c\d`],
        '{a': WRONG,
        '{"a":2,"b":[1]}': WRONG,
      },
    ],
    [
      'in brackets that are text, where separators are declared',
      'VARCHAR[]',
      { separators: [','] },
      {
        '[Verse], b': ['[Verse]', 'b'],
        '[Verse]': ['[Verse]'],
        '{a,b}': ['a', 'b'],
        '["a","b"]': ['a', 'b'],
        '(feat. x), y': ['(feat. x)', 'y'],
      },
    ],
    [
      'of JSON keep all digits of numbers',
      'VARCHAR[]',
      {},
      { '[12345678901234567890123, 1.10, 1e5]': ['12345678901234567890123', '1.10', '1e5'], '[{"a": 1}]': ['{"a":1}'] },
    ],
    [
      'of JSON keep all digits of numbers',
      'DECIMAL(38,20)[]',
      {},
      { '[0.12345678901234567891]': ['0.12345678901234567891'] },
    ],
    [
      'of Python with escapes that JSON lacks are none',
      'VARCHAR[]',
      {},
      { [String.raw`['a\n']`]: WRONG, '(\'a\', "b")': ['a', 'b'], "['a', True, 3]": ['a', 'True', '3'] },
    ],
    ['with NUL in JSON are none', 'VARCHAR[]', {}, { [String.raw`["x\u0000"]`]: WRONG }],
    ...[{}, { separators: [','] }].map((reading): [string, string, Reading, Expected] => [
      `with NaN or infinity are none (${JSON.stringify(reading)})`,
      'VARCHAR[]',
      reading,
      {
        ...Object.fromEntries(
          [`["it's", nan]`, `['a', nan]`, '[1, NaN]', '[-Infinity]', '(1, nan)', '[a, nan]', '[{"a": NaN}]'].map(
            (text) => [text, WRONG],
          ),
        ),
        "['nan', 'x, nan, y']": ['nan', 'x, nan, y'],
        '[Nancy, b]': ['Nancy', 'b'],
      },
    ]),
    [
      'are not what is split of an object or of lists within a list',
      'VARCHAR[]',
      { separators: [','] },
      {
        '{"a":1,"b":2}': WRONG,
        "[{'a': 1}, {'b': 2}]": WRONG,
        [String.raw`[{'a': 'it\'s'}, {'b': 2}]`]: WRONG,
        '[{"a":1},{"b":2}]': ['{"a":1}', '{"b":2}'],
        '[Verse], [Chorus]': ['[Verse]', '[Chorus]'],
      },
    ],
    ['of numbers have no empty texts in quotes', 'BIGINT[]', {}, { '["",1]': WRONG, '1,,2': [1, null, 2] }],
  ])
})

describe('a value within JSON', () => {
  const profile = '{"address":{"city":"Ulm","zip":"089"},"score":0.12345678901234567891,"tags":["a",null],"x":null}'
  readings([
    [
      'is read by its path',
      'VARCHAR',
      { path: 'address.city' },
      { null: null, [profile]: 'Ulm', '{}': null, '{"address":null}': null, Ulm: WRONG, '': null, '5': WRONG },
    ],
    [
      'keeps all its digits',
      'DECIMAL(20,20)',
      { path: 'score' },
      { [profile]: '0.12345678901234567891', '{"score":"x"}': WRONG, '{"score":1e-1}': '0.10000000000000000000' },
    ],
    ['may be an object', 'VARCHAR', { path: 'a' }, { '{"a": {"b": 1.10, "c": "2.0"}}': '{"b":1.10,"c":"2.0"}' }],
    ['may be a list', 'VARCHAR[]', { path: 'tags' }, { [profile]: ['a', null] }],
    [
      'may be within a list',
      'BIGINT',
      { path: '[1].id' },
      { '[{"id":1},{"id":9007199254740993}]': 9_007_199_254_740_993n },
    ],
    [
      'of Python',
      'VARCHAR',
      { path: 'a.b' },
      { "{'a': {'b': 'x', 'c': None, 'd': True}}": 'x', '{\'a\': {"b": "None"}}': 'None', "{'a': ({'b': 1},)}": null },
    ],
    ['of Python', 'INTEGER', { path: 'a[1]' }, { "{'a': (1, 2)}": 2, "{'a': (1,)}": null }],
    [
      'is none where the text has words that JSON lacks',
      'VARCHAR',
      { path: 'a' },
      {
        '{"a": NaN}': WRONG,
        '{"a": -Infinity}': WRONG,
        "{'a': nan}": WRONG,
        '{"a":1,"b":NaN}': WRONG,
        '{"a":"NaN"}': 'NaN',
      },
    ],
    [
      'is none where a name on the path is there twice',
      'VARCHAR',
      { path: 'a.b' },
      {
        '{"a":{"b":1,"b":2}}': WRONG,
        '{"a":{"b":1},"a":2}': WRONG,
        [String.raw`{"a":{"b":1,"\u0062":2}}`]: WRONG,
        "{'a': {'b': 1, 'b': 2}}": WRONG,
        '{"a":{"b":1},"c":{"b":2,"b":3}}': '1',
      },
    ],
    ['is a text with its blanks', 'VARCHAR', { path: 'a' }, { '{"a":" x "}': ' x ', '{"a":""}': '', ' ': null }],
    [
      'is no empty text for a number',
      'BIGINT',
      { path: 'a' },
      { '{"a":""}': WRONG, '{"a":" 5 "}': 5, '{"a":null}': null },
    ],
  ])
})

describe('blanks around a text', () => {
  readings([
    [
      'are dropped, all of Unicode and those without width',
      'VARCHAR',
      {},
      Object.fromEntries([
        ...[
          0x9, 0xa, 0xb, 0xc, 0xd, 0x20, 0x85, 0xa0, 0x1680, 0x2000, 0x2009, 0x200a, 0x200b, 0x200d, 0x2028, 0x2029,
          0x202f, 0x205f, 0x2060, 0x3000,
        ].flatMap((code) => {
          const blank = String.fromCodePoint(code)
          return [
            [`${blank}a${blank}`, 'a'],
            [`a${blank}${blank}`, 'a'],
            [`${blank}é`, 'é'],
            [blank, null],
            [`a${blank}b`, `a${blank}b`],
          ]
        }),
        ['日本', '日本'],
        ['a\u{feff}', 'a'],
      ]),
    ],
    ['are kept where that is asked', 'VARCHAR', { trim: false }, { ' a ': ' a ', ' ': ' ' }],
    ['are no part of a number', 'INTEGER', {}, { '\u{2009}5\u{200b}': 5 }],
  ])
})

describe('landed values', () => {
  test.each<[string, string, string, unknown, Reading?]>([
    ['VARCHAR', 'VARCHAR', "' a '", ' a '],
    ['VARCHAR', 'VARCHAR', "''", ''],
    ['VARCHAR', 'VARCHAR', "' a '", 'a', { trim: true }],
    ['VARCHAR', 'VARCHAR', "'n/a'", null, { nulls: ['n/a'] }],
    // As a database pads `char(n)`, and as it compares.
    ['VARCHAR', 'VARCHAR', "'n/a   '", null, { nulls: ['N/A'] }],
    ['VARCHAR', 'VARCHAR', "'show  '", 'SERIES', { values: { Show: 'SERIES' } }],
    ['VARCHAR', 'VARCHAR', "'show  '", 'SERIES', { values: { Show: 'SERIES' }, extract: '(x)' }],
    ['VARCHAR', 'VARCHAR', "' n/a'", ' n/a', { nulls: ['n/a'] }],
    ['VARCHAR', 'VARCHAR', "'ab  '", 'ab  '],
    ['VARCHAR', 'BIGINT', "''", WRONG],
    ['VARCHAR', 'BIGINT', "''", null, { nulls: [''] }],
    ['VARCHAR', 'BIGINT', "' '", null, { trim: true }],
    ['VARCHAR', 'BIGINT', "' 5 '", 5],
    ['VARCHAR', 'DATE', "' '", WRONG],
    ['VARCHAR', 'VARCHAR', "''", null, { nulls: [''] }],
    ['VARCHAR[]', 'VARCHAR[]', `['a,b', NULL, 'NULL', '']`, ['a,b', null, 'NULL', '']],
    ['INTEGER[]', 'BIGINT[]', '[1, NULL, 3]', [1, null, 3]],
    ['BIGINT[]', 'INTEGER[]', '[1, 3000000000]', WRONG],
    ['VARCHAR[]', 'VARCHAR[]', `['x', NULL]`, ['Y', null], { values: { x: 'Y' } }],
    ['VARCHAR[]', 'VARCHAR[]', `['x', NULL, '']`, ['x'], { emptyItems: 'drop' }],
    ['VARCHAR[]', 'VARCHAR', `['a', NULL]`, '["a",null]'],
    ['BIGINT', 'DOUBLE', '9007199254740993', WRONG],
    ['BIGINT', 'DOUBLE', '9007199254740994', 9_007_199_254_740_994],
    ['VARCHAR', 'DOUBLE', "'9.9999999999999992e+22'", 1e23],
    ['VARCHAR', 'DOUBLE', "'9.9999999999999993e+22'", WRONG],
    ['TIMESTAMP', 'DATE', "'infinity'", 'infinity'],
    ['TIMESTAMP WITH TIME ZONE', 'DATE', "'-infinity'", '-infinity', { timeZone: 'Europe/Berlin' }],
    ['TIMESTAMP', 'TIME', "'infinity'", WRONG],
    ['BIGINT', 'DATE', '1772323200', '2026-03-01', { formats: ['epoch'] }],
    ['BIGINT', 'DATE', '1772323201', WRONG, { formats: ['epoch'] }],
    ['DOUBLE', 'DATE', '44197.0', '2021-01-01', { formats: ['excel'] }],
    ['DECIMAL(20,1)', 'DOUBLE', '9007199254740993.0', WRONG],
    ['DECIMAL(20,1)', 'DOUBLE', '0.1', 0.1],
    ['DOUBLE', 'BIGINT', '1.5', WRONG],
    ['FLOAT', 'DECIMAL(18,12)', '0.1', '0.100000000000'],
    ['DOUBLE', 'DECIMAL(38,30)', '0.1', '0.100000000000000000000000000000'],
    ['DOUBLE', 'DECIMAL(5,2)', '0.125', WRONG],
    ['DOUBLE', 'DECIMAL(38,17)', '0.30000000000000004', '0.30000000000000004'],
    // All its digits, which a multiplication by 10^5 would change.
    ['DOUBLE', 'DECIMAL(38,5)', '12345678901234567890', '12345678901234567168.00000'],
    ['DOUBLE', 'DECIMAL(38,5)', "'infinity'", WRONG],
    ['TIMESTAMP', INSTANT, 'make_timestamp(9223372036854775806)', WRONG, { timeZone: 'Europe/Berlin' }],
    ['TIMESTAMP', INSTANT, 'make_timestamp(-9223372022400000000)', WRONG, { timeZone: 'America/New_York' }],
    [INSTANT, 'DATE', 'make_timestamptz(9223372036854775806)', WRONG, { timeZone: 'Europe/Berlin' }],
    [INSTANT, 'DATE', 'make_timestamptz(-9223372022400000000)', WRONG, { timeZone: 'America/New_York' }],
    ['INTEGER', 'BOOLEAN', '2', WRONG],
    ['INTEGER', 'BOOLEAN', '1', true],
    ['TIMESTAMP', 'DATE', "'2026-03-01 00:00:00.000001'", WRONG],
    ['TIMESTAMP_NS', INSTANT, "'2026-03-01 10:00:00.123456789'", WRONG],
    ['TIMESTAMP_NS', INSTANT, "'2026-03-01 10:00:00.123456'", '2026-03-01T10:00:00.123456Z'],
    ['TIMESTAMP', INSTANT, "'2026-03-29 02:30:00'", WRONG, { timeZone: 'Europe/Berlin' }],
    ['DATE', INSTANT, "'2026-03-01'", '2026-02-28T23:00:00.000000Z', { timeZone: 'Europe/Berlin' }],
    [INSTANT, 'DATE', "'2026-02-28 23:00:00+00'", WRONG],
    [INSTANT, 'DATE', "'2026-02-28 23:00:00+00'", '2026-03-01', { timeZone: 'Europe/Berlin' }],
    ['TIMESTAMP', 'TIME', "'2026-03-01 10:00:00'", WRONG],
    ['TIMESTAMP', 'TIME', "'1900-01-01 10:00:00'", '10:00:00'],
    ['TIME_NS', 'TIME', "'10:00:00.123456789'", WRONG],
    ['TIME WITH TIME ZONE', 'TIME', "'10:00:00+02'", WRONG],
    ['TIME WITH TIME ZONE', 'TIME', "'10:00:00+00'", '10:00:00'],
    ['STRUCT(a STRUCT(b DECIMAL(20,2)))', 'DECIMAL(20,2)', "{'a': {'b': 1.10}}", '1.10', { path: 'a.b' }],
    ['JSON', 'VARCHAR', `'{"a":"x"}'`, 'x', { path: 'a' }],
  ])('%s as %s: %s', async (landed, type, value, expected, reading) => {
    expect(await reader.readLanded(landed, type, value, reading)).toEqual(expected)
  })
})
