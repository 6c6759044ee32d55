import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { readRow, resultSet } from './query.ts'
import { mssqlType } from './sql.ts'
import { parseDate, parseDayTime, parseDecimal, parseTime } from './values.ts'

describe('decimals', () => {
  test('every digit of a decimal is kept', () => {
    fc.assert(
      fc.property(
        fc.bigInt({ min: -(10n ** 38n), max: 10n ** 38n }),
        fc.integer({ min: 0, max: 38 }),
        (scaled, scale) => {
          const sign = scaled < 0n ? '-' : ''
          const digits = String(scaled < 0n ? -scaled : scaled).padStart(scale + 1, '0')
          const text = scale === 0 ? sign + digits : `${sign}${digits.slice(0, -scale)}.${digits.slice(-scale)}`
          expect(parseDecimal(text, scale)).toBe(scaled)
        },
      ),
    )
  })

  test.each([
    ['12.3456', 2, 1235n],
    ['-12.345', 2, -1235n],
    ['.5', 1, 5n],
    ['7', 2, 700n],
    [0.1, 2, 10n],
    [1e-7, 2, 0n],
    [3n, 1, 30n],
    ['1e5', 0, undefined],
    ['', 0, undefined],
    ['NaN', 2, undefined],
    [Number.NaN, 2, undefined],
    [Infinity, 2, undefined],
  ])('%s with %i digits behind the point is %s', (value, scale, expected) => {
    expect(parseDecimal(value, scale)).toBe(expected)
  })
})

describe('dates and times', () => {
  test('every instant from the year 1 to 9999 is kept to the microsecond', () => {
    const [first, last] = [Date.parse('0001-01-01T00:00:00Z'), Date.parse('9999-12-31T23:59:59.999Z')]
    fc.assert(
      fc.property(fc.integer({ min: first, max: last }), fc.integer({ min: 0, max: 999 }), (ms, micros) => {
        const text = new Date(ms).toISOString().replace('Z', `${String(micros).padStart(3, '0')}Z`)
        const { day, micros: ofDay } = parseDayTime(text) ?? { day: Number.NaN, micros: Number.NaN }
        expect(first + day * 86_400_000 + Math.floor(ofDay / 1000)).toBe(ms)
        expect(ofDay % 1000).toBe(micros)
      }),
    )
  })

  test.each([
    ['2026-03-01T00:30:00+01:00', '2026-02-28T23:30:00Z'],
    ['2026-03-01 00:30:00-0230', '2026-03-01T03:00:00Z'],
    ['2026-03-01 00:30+05', '2026-02-28T19:30:00Z'],
  ])('%s is %s', (text, utc) => {
    expect(parseDayTime(text)).toEqual(parseDayTime(utc))
  })

  test.each(['2026-02-29', '0000-01-01', '10000-01-01', '2026-1-1', '2026-00-10', '2026-13-01', 'infinity', ''])(
    '%j is no date',
    (text) => {
      expect(parseDate(text)).toBeUndefined()
    },
  )

  test.each(['24:00:00', '12:60:00', '1:00:00', '12:00:60', '-01:00'])('%j is no time of day', (text) => {
    expect(parseTime(text)).toBeUndefined()
  })

  test('an instant that UTC has no date for is none', () => {
    expect(parseDayTime('0001-01-01T00:00:00+01:00')).toBeUndefined()
  })
})

test.each([
  ['BOOLEAN', 'bit'],
  ['BIGINT', 'bigint'],
  ['DOUBLE', 'float(53)'],
  ['DECIMAL(18,2)', 'decimal(18,2)'],
  ['TIMESTAMP WITH TIME ZONE', 'datetimeoffset(6)'],
  ['TIMESTAMP', 'datetime2(6)'],
  ['BLOB', 'varbinary(max)'],
  ['VARCHAR', 'nvarchar(max) COLLATE Latin1_General_100_BIN2'],
  ['VARCHAR(40)', 'nvarchar(80) COLLATE Latin1_General_100_BIN2'],
  ['VARCHAR(3000)', 'nvarchar(max) COLLATE Latin1_General_100_BIN2'],
  ['VARCHAR[]', 'nvarchar(max) COLLATE Latin1_General_100_BIN2'],
  ['INTERVAL', undefined],
])('a column of type %s is %s', (type, sql) => {
  expect(mssqlType(type, false)?.sql).toBe(sql)
})

test.each([
  ['VARCHAR', 'nvarchar(450)'],
  ['VARCHAR(100)', 'nvarchar(200)'],
  ['VARCHAR(400)', 'nvarchar(450)'],
])('a text of a key that is %s can be indexed as %s', (type, sql) => {
  expect(mssqlType(type, true)?.sql).toContain(sql)
})

test('what the driver would read with fewer digits is asked for as text, and comes as the port describes it', () => {
  const columns = [
    'decimal(38,2)',
    'datetimeoffset(6)',
    'datetime2(7)',
    'time(6)',
    'bigint',
    'datetime',
    'nvarchar(max)',
  ].map((type) => ({ name: type, type, isJson: false }))

  expect(resultSet(columns)).toBe(
    '[c1] varchar(64) NULL, [c2] varchar(34) NULL, [c3] varchar(27) NULL, [c4] varchar(16) NULL, [c5] bigint NULL, ' +
      '[c6] datetime2(3) NULL, [c7] nvarchar(max) NULL',
  )
  const row = {
    c1: '-1234567890123456.78',
    c2: '2026-03-01 06:06:07.1234560 +01:00',
    c3: '2026-03-01 05:06:07.0000000',
    c4: '05:06:07.120000',
    c5: '9007199254740993',
    c6: new Date('2026-03-01T05:06:07.120Z'),
    c7: '[1]',
  }
  expect(readRow(columns, row)).toEqual([
    '-1234567890123456.78',
    '2026-03-01T05:06:07.123456Z',
    '2026-03-01T05:06:07',
    '05:06:07.12',
    9007199254740993n,
    '2026-03-01T05:06:07.12',
    '[1]',
  ])
})
