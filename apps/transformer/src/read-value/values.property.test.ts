import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Reader, type Reading, WRONG, aReader } from './reader.fixture.ts'

/*
 * What a text means is computed here with whole numbers alone, apart from the SQL that is tested: a text has the value
 * that is computed, or its row is rejected.
 */

let reader: Reader
beforeAll(async () => {
  reader = await aReader()
})
afterAll(() => reader[Symbol.asyncDispose]())

const INSTANT = 'TIMESTAMP WITH TIME ZONE'
const RUNS = 12
/** Texts of one query: building it costs more than evaluating it. */
const batch = <T>(one: fc.Arbitrary<T>) => fc.array(one, { minLength: 30, maxLength: 60 })

type Written = { readonly text: string; readonly value: unknown }

/** @returns what is read of the texts, and what they say */
async function valuesOf(
  type: string,
  reading: Reading,
  written: readonly Written[],
): Promise<{ found: object; said: object }> {
  const distinct = new Map(written.map(({ text, value }) => [text, value]))
  return { found: await reader.read(type, reading, [...distinct.keys()]), said: Object.fromEntries(distinct) }
}

const blank = fc.constantFrom('', '', ' ', '\t', '\u{a0}', '\u{2009}', '\u{200b}')
const sign = fc.constantFrom('', '-', '+')

/** Digits in groups from the right: `1,234,567`. */
function grouped(digits: string, sizes: readonly number[], separator: string): string {
  const groups: string[] = []
  let rest = digits
  for (let index = 0; rest !== ''; index++) {
    const size = sizes[Math.min(index, sizes.length - 1)] ?? 3
    groups.unshift(rest.slice(-size))
    rest = rest.slice(0, -size)
  }
  return groups.join(separator)
}

/** A number as whole digits and the number of those behind the point. */
type Scaled = { readonly digits: bigint; readonly scale: number }

/** The value in DECIMAL(18,4), or that it does not fit. */
function decimal({ digits, scale }: Scaled): string | typeof WRONG {
  const factor = 10n ** BigInt(Math.abs(4 - scale))
  if (scale > 4 && digits % factor !== 0n) return WRONG
  const scaled = scale > 4 ? digits / factor : digits * factor
  const size = scaled < 0n ? -scaled : scaled
  if (size >= 10n ** 18n) return WRONG
  const text = String(size).padStart(5, '0')
  return `${scaled < 0n ? '-' : ''}${text.slice(0, -4)}.${text.slice(-4)}`
}

describe('numbers', () => {
  const number = fc.record({
    sign,
    whole: fc.bigInt({ min: 0n, max: 10n ** 13n }).map(String),
    fraction: fc.stringMatching(/^\d{0,6}$/),
    exponent: fc.integer({ min: -6, max: 6 }),
    form: fc.constantFrom('plain', 'exponent', 'commas', 'indian', 'gaps', 'parentheses', 'trailing', 'percent', 'K'),
    around: fc.tuple(blank, blank),
  })
  const reading: Reading = {
    grouping: 'indian',
    negatives: ['parentheses', 'trailing'],
    suffixes: { K: 1000 },
    percentOf: 2.5,
  }

  test('have the value that their digits say in each form, or are rejected', async () => {
    const written = number.map(({ sign: signed, whole, fraction, exponent, form, around: [before, after] }) => {
      const behind = fraction === '' ? '' : `.${fraction}`
      const [text, factor, shift] = ((): [string, bigint, number] => {
        if (form === 'exponent') return [`${signed}${whole}${behind}e${exponent}`, 1n, -exponent]
        if (form === 'commas') return [`${signed}${grouped(whole, [3], ',')}${behind}`, 1n, 0]
        if (form === 'indian') return [`${signed}${grouped(whole, [3, 2], ',')}${behind}`, 1n, 0]
        if (form === 'gaps') return [`${signed}${grouped(whole, [3], '\u{202f}')}${behind}`, 1n, 0]
        if (form === 'parentheses') return [`(${whole}${behind})`, -1n, 0]
        if (form === 'trailing') return [`${whole}${behind}-`, -1n, 0]
        if (form === 'percent') return [`${signed}${whole}${behind}%`, 25n, 3]
        if (form === 'K') return [`${signed}${whole}${behind} K`, 1000n, 0]
        return [`${signed}${whole}${behind}`, 1n, 0]
      })()
      const isNegative = signed === '-' && form !== 'parentheses' && form !== 'trailing'
      const digits = BigInt(`${whole}${fraction}`) * factor * (isNegative ? -1n : 1n)
      return { text: `${before}${text}${after}`, value: decimal({ digits, scale: fraction.length + shift }) }
    })
    await fc.assert(
      fc.asyncProperty(batch(written), async (texts) => {
        const { found, said } = await valuesOf('DECIMAL(18,4)', reading, texts)
        expect(found).toEqual(said)
      }),
      { numRuns: RUNS },
    )
  })

  test('as floating point are those that JavaScript reads, where nothing of a whole number is lost', async () => {
    const whole = fc.bigInt({ min: 0n, max: 2n ** 70n })
    const written = fc.oneof(
      whole.map((number) => {
        const nearest = Number(number)
        const isKept = BigInt(nearest) === number || BigInt(Number(number)).toString() === number.toString()
        const isPrinted = shortest(nearest) === number.toString()
        return { text: String(number), value: isKept || isPrinted ? nearest : WRONG }
      }),
      fc.double({ noNaN: true, noDefaultInfinity: true }).map((number) => ({ text: String(number), value: number })),
      fc
        .double({ noNaN: true, noDefaultInfinity: true })
        .map((number) => ({ text: number.toExponential(16), value: number })),
    )
    await fc.assert(
      fc.asyncProperty(batch(written), async (texts) => {
        const distinct = new Map(texts.map(({ text, value }) => [text, value === 0 ? 0 : value]))
        const found = await reader.read('DOUBLE', {}, [...distinct.keys()])
        for (const [text, value] of distinct) {
          // Seventeen digits of a great number may be none of those that a DOUBLE prints.
          if (found[text] === WRONG && text.includes('e') && Math.abs(Number(text)) >= 2 ** 53) continue
          expect([text, Object.is(found[text], -0) ? 0 : found[text]]).toEqual([text, value])
        }
      }),
      { numRuns: RUNS },
    )
  })
})

/** The shortest digits of a whole number that JavaScript reads back, without an exponent. */
function shortest(number: number): string {
  const [mantissa = '', exponent = '0'] = number.toExponential().split('e')
  const digits = mantissa.replace('.', '')
  return digits.padEnd(Number(exponent) + 1, '0')
}

/** Days since 1970 of a date of the Gregorian calendar. Source: howardhinnant.github.io/date_algorithms.html */
function dayNumber(year: number, month: number, day: number): number {
  const shifted = month <= 2 ? year - 1 : year
  const era = Math.floor(shifted / 400)
  const yearOfEra = shifted - era * 400
  const dayOfYear = Math.floor((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) + day - 1
  return era * 146_097 + yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear - 719_468
}

function daysIn(year: number, month: number): number {
  return month === 12 ? 31 : dayNumber(year, month + 1, 1) - dayNumber(year, month, 1)
}

const two = (number: number) => String(number).padStart(2, '0')
const four = (number: number) => String(number).padStart(4, '0')
const MONTHS = [
  'January',
  'February',
  'March',
  'April',
  'May',
  'June',
  'July',
  'August',
  'September',
  'October',
  'November',
  'December',
]

describe('dates', () => {
  const date = fc.record({
    // Beyond what exists, so that many do not.
    year: fc.integer({ min: 0, max: 9999 }),
    month: fc.integer({ min: 0, max: 13 }),
    day: fc.integer({ min: 0, max: 32 }),
    form: fc.constantFrom('iso', 'slashes', 'short', 'name', 'midnight', 'time', 'offset'),
    before: blank,
  })
  const formats = ['%Y-%m-%d', '%d/%m/%Y', '%d.%m.%y', '%B %d, %Y', '%Y-%m-%d %H:%M:%S', '%Y-%m-%dT%H:%M%z']

  test('are those that are written, or rejected', async () => {
    const written = date.map(({ year, month, day, form, before }) => {
      const pivoted = form === 'short' ? (year % 100 < 30 ? 2000 : 1900) + (year % 100) : year
      const exists = pivoted >= 1 && month >= 1 && month <= 12 && day >= 1 && day <= daysIn(pivoted, month)
      const iso = `${four(year)}-${two(month)}-${two(day)}`
      const text = {
        iso,
        slashes: `${day}/${month}/${four(year)}`,
        short: `${two(day)}.${two(month)}.${two(year % 100)}`,
        name: `${MONTHS[month - 1] ?? 'Undecember'} ${day}, ${four(year)}`,
        midnight: `${iso} 00:00:00`,
        time: `${iso} 00:00:01`,
        offset: `${iso}T00:00+05:30`,
      }[form]
      const value = exists && form !== 'time' ? `${four(pivoted)}-${two(month)}-${two(day)}` : WRONG
      return { text: `${before}${text}`, value }
    })
    await fc.assert(
      fc.asyncProperty(batch(written), async (texts) => {
        const { found, said } = await valuesOf('DATE', { formats, pivotYear: 1930 }, texts)
        expect(found).toEqual(said)
      }),
      { numRuns: RUNS },
    )
  })
})

describe('instants', () => {
  const instant = fc.record({
    day: fc.integer({ min: dayNumber(1900, 1, 1), max: dayNumber(2100, 1, 1) }),
    hour: fc.integer({ min: 0, max: 24 }),
    minute: fc.integer({ min: 0, max: 60 }),
    second: fc.integer({ min: 0, max: 60 }),
    fraction: fc.stringMatching(/^\d{0,9}$/),
    offset: fc.option(
      fc.record({
        sign: fc.constantFrom('+', '-'),
        hours: fc.integer({ min: 0, max: 16 }),
        minutes: fc.integer({ min: 0, max: 61 }),
      }),
    ),
    t: fc.constantFrom('T', ' '),
  })

  test('are those of the clock and the offset that are written, or rejected', async () => {
    const written = instant.map(({ day, hour, minute, second, fraction, offset, t }) => {
      const shift = offset === null ? 0 : (offset.hours * 60 + offset.minutes) * (offset.sign === '-' ? -1 : 1)
      const date = new Date(day * 86_400_000).toISOString().slice(0, 10)
      const behind = fraction === '' ? '' : `.${fraction}`
      const zone = offset === null ? 'Z' : `${offset.sign}${two(offset.hours)}:${two(offset.minutes)}`
      const text = `${date}${t}${two(hour)}:${two(minute)}:${two(second)}${behind}${zone}`
      const isClock = hour < 24 && minute < 60 && second < 60 && /^\d{0,6}0*$/.test(fraction)
      const isOffset = offset === null || (offset.minutes < 60 && shift >= -720 && shift <= 840)
      if (!isClock || !isOffset) return { text, value: WRONG }
      const seconds = day * 86_400 + hour * 3600 + minute * 60 + second - shift * 60
      const micros = fraction.slice(0, 6).padEnd(6, '0')
      return { text, value: `${new Date(seconds * 1000).toISOString().slice(0, 19)}.${micros}Z` }
    })
    await fc.assert(
      fc.asyncProperty(batch(written), async (texts) => {
        const { found, said } = await valuesOf(INSTANT, {}, texts)
        expect(found).toEqual(said)
      }),
      { numRuns: RUNS },
    )
  })

  test('of a zone are the only ones that its clocks show so, or rejected', async () => {
    const zones = [
      'Europe/Berlin',
      'America/New_York',
      'Australia/Lord_Howe',
      'Asia/Kathmandu',
      'Pacific/Apia',
      'Africa/Casablanca',
    ]
    // Around changes of clocks, to the quarter of an hour.
    const quarter = fc
      .integer({ min: 0, max: 30 * 366 * 96 })
      .map((quarters) => Date.UTC(1995, 0, 1) + quarters * 900_000)
    const near = fc
      .tuple(fc.integer({ min: 1996, max: 2024 }), fc.constantFrom(2, 3, 9, 10), fc.integer({ min: 0, max: 31 * 96 }))
      .map(([year, month, quarters]) => Date.UTC(year, month, 1) + quarters * 900_000)
    const given = fc.tuple(fc.constantFrom(...zones), batch(fc.oneof(quarter, near)))
    await fc.assert(
      fc.asyncProperty(given, async ([timeZone, locals]) => {
        const written = locals.map((local) => {
          const candidates = instantsOf(local, timeZone)
          const text = new Date(local).toISOString().slice(0, 19).replace('T', ' ')
          const [only] = candidates
          const value =
            candidates.length === 1 && only !== undefined
              ? `${new Date(only).toISOString().slice(0, 19)}.000000Z`
              : WRONG
          return { text, value }
        })
        const { found, said } = await valuesOf(INSTANT, { timeZone }, written)
        expect(found).toEqual(said)
      }),
      { numRuns: RUNS },
    )
  })
})

/** The instants at which clocks of a zone show a local time: tried out, by quarters of an hour. */
function instantsOf(local: number, timeZone: string): number[] {
  const shown = new Intl.DateTimeFormat('en-CA', {
    timeZone,
    hourCycle: 'h23',
    dateStyle: 'short',
    timeStyle: 'medium',
  })
  const wanted = new Date(local).toISOString().slice(0, 19).replace('T', ', ')
  const quarters = Array.from({ length: 29 * 4 + 1 }, (_, index) => local + (index - 15 * 4) * 900_000)
  return quarters.filter((instant) => shown.format(instant) === wanted)
}

describe('lists', () => {
  const item = fc.oneof(
    fc.constant(null),
    fc.string({ maxLength: 6 }).filter((text) => !text.includes('\0')),
  )

  test('of JSON and PostgreSQL have the items that were written, each in its place', async () => {
    const written = fc.tuple(fc.array(item, { maxLength: 5 }), fc.boolean()).map(([items, isJson]) => {
      const quoted = (text: string) => `"${text.replaceAll(/["\\]/g, String.raw`\$&`)}"`
      const braces = `{${items.map((one) => (one === null ? 'NULL' : quoted(one))).join(',')}}`
      return { text: isJson ? JSON.stringify(items) : braces, value: items }
    })
    await fc.assert(
      fc.asyncProperty(batch(written), async (texts) => {
        const { found, said } = await valuesOf('VARCHAR[]', {}, texts)
        expect(found).toEqual(said)
      }),
      { numRuns: RUNS },
    )
  })
})

describe('any text', () => {
  const characters = fc.constantFrom(...Array.from('0123456789.,-+:/ TZeE%()[]{}"\'_aé٣\u{a0}'))
  const garbage = fc.string({ unit: characters, minLength: 1, maxLength: 20 })

  test.each([
    [
      'BIGINT',
      /^[+-]?(?:\d+\.?\d*|\.\d+|\d{1,3}(?:,\d{3})+(?:\.\d*)?|\d{1,3}(?:[ \u{a0}'’]\d{3})+(?:\.\d*)?)(?:[eE][+-]?\d{1,3})?$/u,
    ],
    [
      'DOUBLE',
      /^[+-]?(?:\d+\.?\d*|\.\d+|\d{1,3}(?:,\d{3})+(?:\.\d*)?|\d{1,3}(?:[ \u{a0}'’]\d{3})+(?:\.\d*)?)(?:[eE][+-]?\d{1,3})?$/u,
    ],
    ['DATE', /^\d{4}-\d{1,2}-\d{1,2}$/],
    ['TIME', /^\d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?$/],
    [INSTANT, /^\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?(?: ?(?:Z|[+-]\d{2}(?::?\d{2})?))?)?$/],
  ] as const)('has no value of type %s unless it has one of its forms', async (type, form) => {
    await fc.assert(
      fc.asyncProperty(batch(garbage), async (texts) => {
        const found = Object.entries(await reader.read(type, {}, texts))
        const formless = found.flatMap(([text, value]) => {
          const inner = text.replaceAll(/^[ \u{a0}]+|[ \u{a0}]+$/gu, '')
          return form.test(inner) ? [] : [{ text, value, expected: inner === '' ? null : WRONG }]
        })
        expect(formless.map(({ text, value }) => [text, value])).toEqual(
          formless.map(({ text, expected }) => [text, expected]),
        )
      }),
      { numRuns: RUNS },
    )
  })
})
