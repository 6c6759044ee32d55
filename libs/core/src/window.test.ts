import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  countWindows,
  isTimeZone,
  parseWindow,
  shiftWindow,
  windowAt,
  windowsBetween,
  WINDOW_LENGTHS,
  type Calendar,
  type Window,
} from './window.ts'

const ZONES = [
  'UTC',
  'Europe/Berlin',
  'America/Sao_Paulo',
  'Pacific/Apia',
  'Asia/Kathmandu',
  'Australia/Lord_Howe',
  'Africa/Casablanca',
  'America/St_Johns',
]

const calendars = fc.record({ every: fc.constantFrom(...WINDOW_LENGTHS), timeZone: fc.constantFrom(...ZONES) })
// Whole seconds: windows are made of them. Since 1972, when UTC and the zones were tidied up.
const instants = fc
  .integer({ min: Date.UTC(1975) / 1000, max: Date.UTC(2100) / 1000 })
  .map((seconds) => new Date(seconds * 1000))

/** Instants at which clocks changed in uncommon ways. */
const CHANGES: readonly (readonly [string, string])[] = [
  ['Europe/Berlin', '2026-03-29T01:00:00Z'],
  ['Europe/Berlin', '2026-10-25T01:00:00Z'],
  ['America/Sao_Paulo', '2017-10-15T03:00:00Z'],
  ['America/Sao_Paulo', '2018-02-18T02:00:00Z'],
  ['Pacific/Apia', '2011-12-30T10:00:00Z'],
  ['Australia/Lord_Howe', '2026-04-04T15:00:00Z'],
  ['Australia/Lord_Howe', '2026-10-03T15:30:00Z'],
  ['Asia/Kathmandu', '1985-12-31T18:30:00Z'],
  // One minute past midnight.
  ['America/St_Johns', '2010-03-14T03:31:00Z'],
  ['America/St_Johns', '2010-11-07T02:31:00Z'],
]

/** A calendar and an instant in it, often close to a change of clocks. */
const moments = fc.oneof(
  fc.tuple(calendars, instants),
  fc
    .tuple(fc.constantFrom(...WINDOW_LENGTHS), fc.constantFrom(...CHANGES), fc.integer({ min: -200_000, max: 200_000 }))
    .map(([every, [timeZone, change], seconds]): [Calendar, Date] => [
      { every, timeZone },
      new Date(Date.parse(change) + seconds * 1000),
    ]),
  fc
    .tuple(fc.constantFrom(...CHANGES), fc.integer({ min: -7200, max: 7200 }))
    .map(([[timeZone, change], seconds]): [Calendar, Date] => [
      { every: 'hour', timeZone },
      new Date(Date.parse(change) + seconds * 1000),
    ]),
)

const hoursOf = ({ start, end }: Window) => (Date.parse(end) - Date.parse(start)) / 3_600_000

function day(timeZone: string, label: string): Window {
  const window = parseWindow({ every: 'day', timeZone }, label)
  if (window === undefined) throw new Error(`no window: ${label}`)
  return window
}

describe('laws of windows', () => {
  test('an instant lies in its window', () => {
    fc.assert(
      fc.property(moments, ([calendar, instant]) => {
        const { start, end } = windowAt(calendar, instant)
        expect(Date.parse(start)).toBeLessThanOrEqual(instant.getTime())
        expect(Date.parse(end)).toBeGreaterThan(instant.getTime())
      }),
    )
  })

  test('windows touch: each begins where the one before it ends', () => {
    fc.assert(
      fc.property(moments, ([calendar, instant]) => {
        const window = windowAt(calendar, instant)
        expect(shiftWindow(calendar, window, 1).start).toBe(window.end)
        expect(shiftWindow(calendar, window, -1).end).toBe(window.start)
        expect(windowAt(calendar, new Date(window.end))).toEqual(shiftWindow(calendar, window, 1))
      }),
    )
  })

  test('a label is read back as its window, and no two windows share one', () => {
    fc.assert(
      fc.property(moments, ([calendar, instant]) => {
        const window = windowAt(calendar, instant)
        const next = shiftWindow(calendar, window, 1)
        expect(parseWindow(calendar, window.label)).toEqual(window)
        expect(next.label).not.toBe(window.label)
      }),
    )
  })

  test('every instant of a window has that window', () => {
    fc.assert(
      fc.property(
        moments,
        fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }),
        ([calendar, instant], share) => {
          const window = windowAt(calendar, instant)
          const inside =
            Date.parse(window.start) + Math.floor(share * (Date.parse(window.end) - Date.parse(window.start)))
          expect(windowAt(calendar, new Date(inside))).toEqual(window)
        },
      ),
    )
  })
})

describe('days in zones whose clocks change', () => {
  test.each([
    ['Europe/Berlin', '2026-03-01', 24],
    ['Europe/Berlin', '2026-03-29', 23],
    ['Europe/Berlin', '2026-10-25', 25],
    // Midnight did not exist there on the day that summer time began.
    ['America/Sao_Paulo', '2017-10-14', 24],
    ['America/Sao_Paulo', '2017-10-15', 23],
    ['America/Sao_Paulo', '2018-02-17', 25],
    ['America/Sao_Paulo', '2020-10-18', 24],
    ['Australia/Lord_Howe', '2026-10-04', 23.5],
  ])('%s, %s: %d hours', (timeZone, label, hours) => {
    expect(hoursOf(day(timeZone, label))).toBe(hours)
  })

  test('a day in Berlin is named by its own date and begins at its own midnight', () => {
    expect(day('Europe/Berlin', '2026-03-01')).toEqual({
      start: '2026-02-28T23:00:00Z',
      end: '2026-03-01T23:00:00Z',
      label: '2026-03-01',
    })
  })

  test('a day without a midnight begins with its first instant', () => {
    expect(day('America/Sao_Paulo', '2017-10-15')).toMatchObject({
      start: '2017-10-15T03:00:00Z',
      end: '2017-10-16T02:00:00Z',
    })
  })

  test('the day that Samoa skipped is no window: the 29th is followed by the 31st', () => {
    const apia: Calendar = { every: 'day', timeZone: 'Pacific/Apia' }
    const before = day('Pacific/Apia', '2011-12-29')

    expect(shiftWindow(apia, before, 1).label).toBe('2011-12-31')
    expect(shiftWindow(apia, shiftWindow(apia, before, 1), -1)).toEqual(before)
    expect(parseWindow(apia, '2011-12-30')).toBeUndefined()
  })

  test('the hour that comes twice in autumn is two windows', () => {
    const berlin: Calendar = { every: 'hour', timeZone: 'Europe/Berlin' }
    const first = windowAt(berlin, new Date('2026-10-25T00:30:00Z'))
    const second = shiftWindow(berlin, first, 1)

    expect([first.label, second.label]).toEqual(['2026-10-25T02+02:00', '2026-10-25T02+01:00'])
    expect(parseWindow(berlin, second.label)).toEqual(second)
  })
})

describe('windows as people write them', () => {
  test.each([
    ['day', '2026-03-01', '2026-03-01'],
    ['day', '2026-3-1', undefined],
    ['day', '2026-02-30', undefined],
    ['day', '2026-03', undefined],
    ['day', 'yesterday', undefined],
    ['day', '', undefined],
    ['month', '2026-03', '2026-03'],
    ['month', '2026-13', undefined],
    ['month', '2026-03-01', undefined],
    ['hour', '2026-03-01T05', '2026-03-01T05+00:00'],
    ['hour', '2026-03-01T05Z', '2026-03-01T05+00:00'],
    ['hour', '2026-03-01T05+01:00', '2026-03-01T04+00:00'],
    ['hour', '2026-03-01T25', undefined],
    ['hour', '2026-03-01 05', undefined],
  ] as const)('%s %j is %j', (every, text, label) => {
    expect(parseWindow({ every, timeZone: 'UTC' }, text)?.label).toBe(label)
  })

  test.each([
    ['2026-03-29T01', '2026-03-29T01+01:00'],
    ['2026-03-29T02', undefined],
    ['2026-03-29T03', '2026-03-29T03+02:00'],
    ['2026-10-25T02', '2026-10-25T02+02:00'],
    ['2026-10-25T02+01:00', '2026-10-25T02+01:00'],
    ['2026-10-25T00Z', '2026-10-25T02+02:00'],
  ])('the hour %s in Berlin is %s', (text, label) => {
    expect(parseWindow({ every: 'hour', timeZone: 'Europe/Berlin' }, text)?.label).toBe(label)
  })

  test('a range holds both its ends, oldest first, across a change of clocks', () => {
    const calendar: Calendar = { every: 'day', timeZone: 'Europe/Berlin' }

    const windows = windowsBetween(calendar, day('Europe/Berlin', '2026-03-28'), day('Europe/Berlin', '2026-03-30'))

    expect(windows.map(({ label }) => label)).toEqual(['2026-03-28', '2026-03-29', '2026-03-30'])
  })

  test('a range whose end comes before its start is empty', () => {
    const calendar: Calendar = { every: 'day', timeZone: 'UTC' }

    expect(windowsBetween(calendar, day('UTC', '2026-03-02'), day('UTC', '2026-03-01'))).toEqual([])
  })
})

describe('how many windows a range has', () => {
  /** Step by step, to any length. */
  function counted(calendar: Calendar, from: Window, to: Window): number {
    let count = 0
    for (let at = from; Date.parse(at.start) <= Date.parse(to.start); at = shiftWindow(calendar, at, 1)) count += 1
    return count
  }

  test('is what counting them gives, up to the limit', () => {
    fc.assert(
      fc.property(
        moments,
        fc.integer({ min: -3, max: 60 }),
        fc.integer({ min: 0, max: 50 }),
        ([calendar, instant], steps, limit) => {
          const from = windowAt(calendar, instant)
          const to = shiftWindow(calendar, from, steps)

          const exact = counted(calendar, from, to)
          expect(countWindows(calendar, from, to, limit)).toBe(Math.min(exact, limit + 1))
          expect(windowsBetween(calendar, from, to)).toHaveLength(exact)
        },
      ),
    )
  })

  test('no window is longer than the shortcut for long ranges takes it to be', () => {
    fc.assert(
      fc.property(moments, fc.integer({ min: 1, max: 40 }), ([calendar, instant], steps) => {
        const from = windowAt(calendar, instant)

        // With a limit of the exact count, the shortcut must never say that there are more.
        expect(countWindows(calendar, from, shiftWindow(calendar, from, steps), steps + 1)).toBe(steps + 1)
      }),
    )
  })

  test.each([
    ['hour', '2026-01-01T00', '9999-12-31T23'],
    ['day', '0001-01-01', '9999-12-31'],
    ['month', '0001-01', '9999-12'],
  ] as const)('a range of thousands of years is told in no time (%s)', (every, first, last) => {
    const calendar: Calendar = { every, timeZone: 'Europe/Berlin' }
    const [from, to] = [parseWindow(calendar, first), parseWindow(calendar, last)]
    if (from === undefined || to === undefined) throw new Error('no window')
    const begun = process.threadCpuUsage()

    expect(countWindows(calendar, from, to, 1000)).toBe(1001)

    expect(process.threadCpuUsage(begun).user).toBeLessThan(1_000_000)
  })
})

test.each([
  ['Europe/Berlin', true],
  ['UTC', true],
  ['Europe/Nowhere', false],
  ['', false],
])('%j is a time zone: %s', (name, expected) => {
  expect(isTimeZone(name)).toBe(expected)
})
