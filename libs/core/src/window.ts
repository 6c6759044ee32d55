import { Temporal } from 'temporal-polyfill'

/** The only source of the current time. Passed in, so that a window can be rebuilt at any time with the same result. */
export type Clock = () => Date

export const systemClock: Clock = () => new Date()

/** How long a window is. */
export const WINDOW_LENGTHS = ['hour', 'day', 'month'] as const
export type WindowLength = (typeof WINDOW_LENGTHS)[number]

/** The half-open interval `[start, end)` of business time that a run covers. */
export type Window = {
  /** UTC instant, ISO 8601 with seconds: `2026-02-28T23:00:00Z`. */
  readonly start: string
  /** UTC instant, exclusive. */
  readonly end: string
  /** The window's label, in the pipeline's time zone: `2026-03-01`, `2026-03` or `2026-03-01T05+01:00`. */
  readonly label: string
}

export type Calendar = { readonly every: WindowLength; readonly timeZone: string }

/**
 * The window that contains an instant. In a zone with daylight saving a day may be 23 or 25 hours long; windows still
 * adjoin.
 */
export function windowAt(calendar: Calendar, instant: Date): Window {
  return windowOf(
    calendar,
    Temporal.Instant.fromEpochMilliseconds(instant.getTime()).toZonedDateTimeISO(calendar.timeZone),
  )
}

/** The window after (`by` = 1) or before (`by` = -1) another. */
export function shiftWindow(calendar: Calendar, window: Window, by: number): Window {
  let shifted = window
  // Computed through instants: a zone's calendar may skip dates.
  for (let steps = by; steps > 0; steps--) shifted = windowAt(calendar, new Date(shifted.end))
  for (let steps = by; steps < 0; steps++) shifted = windowAt(calendar, new Date(Date.parse(shifted.start) - 1))
  return shifted
}

/** The windows that start in `[from, to]`, oldest first. For a range from user input, call `countWindows` first. */
export function windowsBetween(calendar: Calendar, from: Window, to: Window): Window[] {
  const windows: Window[] = []
  for (let window = from; isUpTo(window, to); window = shiftWindow(calendar, window, 1)) windows.push(window)
  return windows
}

/** Milliseconds. No window is longer: a month has 31 days, a day whose clock is put back across it at most two. */
const LONGEST_MS: Readonly<Record<WindowLength, number>> = {
  hour: 3_600_000,
  day: 2 * 86_400_000,
  month: 32 * 86_400_000,
}

/**
 * How many windows start in `[from, to]`, counting up to a limit, so that a range of thousands of years costs no more
 * than a short one.
 * @returns the count, or `limit + 1` when there are more than `limit`
 */
export function countWindows(calendar: Calendar, from: Window, to: Window, limit: number): number {
  const between = Date.parse(to.start) - Date.parse(from.start)
  if (between < 0) return 0
  if (Math.ceil(between / LONGEST_MS[calendar.every]) > limit) return limit + 1
  let count = 0
  for (let window = from; isUpTo(window, to) && count <= limit; window = shiftWindow(calendar, window, 1)) count += 1
  return count
}

/** Instants, not their texts: beyond the year 9999 a text begins with `+`. */
function isUpTo(window: Window, last: Window): boolean {
  return Date.parse(window.start) <= Date.parse(last.start)
}

/**
 * Reads a window as people write it: `2026-03-01` for a day, `2026-03` for a month, `2026-03-01T05` for an hour.
 * @returns undefined when the text is not a window of this calendar
 */
export function parseWindow(calendar: Calendar, text: string): Window | undefined {
  try {
    if (calendar.every === 'hour') return parseHour(calendar, text)
    const pattern = calendar.every === 'month' ? /^\d{4}-\d{2}$/ : /^\d{4}-\d{2}-\d{2}$/
    if (!pattern.test(text)) return undefined
    const date = Temporal.PlainDate.from(calendar.every === 'month' ? `${text}-01` : text)
    const window = windowOf(calendar, date.toZonedDateTime(calendar.timeZone))
    // A day that a zone skipped (Samoa has no 2011-12-30) would be read as the next one.
    return window.label === text ? window : undefined
  } catch (error) {
    if (error instanceof RangeError) return undefined
    throw error
  }
}

/** Whether a time zone is one that this runtime knows (IANA name). */
export function isTimeZone(name: string): boolean {
  try {
    Temporal.Instant.fromEpochMilliseconds(0).toZonedDateTimeISO(name)
    return true
  } catch {
    return false
  }
}

function parseHour(calendar: Calendar, text: string): Window | undefined {
  const match = /^(\d{4}-\d{2}-\d{2}T\d{2})([+-]\d{2}:\d{2}|Z)?$/.exec(text)
  if (match === null) return undefined
  const [, hour, offset] = match
  const start =
    offset === undefined
      ? Temporal.PlainDateTime.from(`${hour}:00`).toZonedDateTime(calendar.timeZone)
      : Temporal.Instant.from(`${hour}:00${offset}`).toZonedDateTimeISO(calendar.timeZone)
  // An hour in which the clock changes may begin or end in its middle, so check both sides.
  const windows = [start, start.add({ seconds: 3599 })].map((local) => windowOf(calendar, local))
  const named = windows.find(({ label }) => label.startsWith(`${hour}${offset ?? ''}`))
  // `Z`, or the offset of another zone, names an instant; the hour that contains it is meant.
  return named ?? (offset === undefined ? undefined : windows[0])
}

function windowOf(calendar: Calendar, local: Temporal.ZonedDateTime): Window {
  const [start, end] = calendar.every === 'hour' ? hourOf(local) : daysOf(calendar.every, local)
  return { start: utc(start), end: utc(end), label: label(calendar.every, start) }
}

type Interval = readonly [start: Temporal.ZonedDateTime, end: Temporal.ZonedDateTime]

function daysOf(every: 'day' | 'month', local: Temporal.ZonedDateTime): Interval {
  const date = local.toPlainDate()
  const first = every === 'month' ? date.with({ day: 1 }) : date
  const next = first.add(every === 'month' ? { months: 1 } : { days: 1 })
  // Through the plain date: a day that has no midnight starts at its first instant.
  const [start, end] = [first.toZonedDateTime(local.timeZoneId), next.toZonedDateTime(local.timeZoneId)]
  // A clock that is set back across midnight returns to a day that has ended.
  return Temporal.ZonedDateTime.compare(local, end) < 0 ? [start, end] : daysOf(every, end)
}

/** The hour on the wall clock, shortened where the clock changes by less than an hour or at an odd minute. */
function hourOf(local: Temporal.ZonedDateTime): Interval {
  const { minute, second, millisecond, microsecond, nanosecond } = local
  const start = local.subtract({
    minutes: minute,
    seconds: second,
    milliseconds: millisecond,
    microseconds: microsecond,
    nanoseconds: nanosecond,
  })
  const end = start.add({ hours: 1 })
  return [
    start.offset === local.offset ? start : clockChange(start, local),
    end.subtract({ seconds: 1 }).offset === local.offset ? end : clockChange(local, end),
  ]
}

/** The first second in `(from, to]` that has another offset than `from`. */
function clockChange(from: Temporal.ZonedDateTime, to: Temporal.ZonedDateTime): Temporal.ZonedDateTime {
  let before = Math.floor(from.epochMilliseconds / 1000)
  let after = Math.floor(to.epochMilliseconds / 1000)
  const at = (second: number) =>
    Temporal.Instant.fromEpochMilliseconds(second * 1000).toZonedDateTimeISO(from.timeZoneId)
  while (after - before > 1) {
    const middle = Math.floor((before + after) / 2)
    if (at(middle).offset === from.offset) before = middle
    else after = middle
  }
  return at(after)
}

function label(every: WindowLength, start: Temporal.ZonedDateTime): string {
  const date = start.toPlainDate().toString()
  if (every === 'day') return date
  if (every === 'month') return date.slice(0, 7)
  // The offset distinguishes the two hours with the same name when the clock is set back.
  return `${date}T${String(start.hour).padStart(2, '0')}${start.offset}`
}

function utc(local: Temporal.ZonedDateTime): string {
  return local.toInstant().toString({ smallestUnit: 'second' })
}
