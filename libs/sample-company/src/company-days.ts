import { parseWindow, shiftWindow, windowAt, type Calendar, type Window } from '@cinelake/core'

/** The company's business time. */
const COMPANY_CALENDAR: Calendar = { every: 'day', timeZone: 'Europe/Berlin' }

/** Default of day 0: the first day of a company. */
export const FIRST_DAY = '2026-03-01'

const DAY_MS = 86_400_000

/** Milliseconds after the end of a day at which it is read. Source: `delay` in pipelines/ott/pipeline.yaml */
const READ_DELAY_MS = 3 * 3_600_000

/** A company, or the part of it that its calendar needs. */
type Begun = { readonly firstDay?: string }

/** The date of a day: 0 → `2026-03-01`, -1 → `2026-02-28`. */
export function dateOf(company: Begun, day: number): string {
  return isoDate(dayStart(company, day))
}

/** @returns the day's number, or undefined when the text is not a date */
export function dayOf(company: Begun, date: string): number | undefined {
  const time = /^\d{4}-\d{2}-\d{2}$/.test(date) ? Date.parse(date) : Number.NaN
  return Number.isNaN(time) || isoDate(time) !== date ? undefined : Math.round((time - dayStart(company, 0)) / DAY_MS)
}

/** Start and end of a day. */
export function windowOfDay(company: Begun, day: number): Window {
  const window = parseWindow(COMPANY_CALENDAR, dateOf(company, day))
  if (window === undefined) throw new RangeError(`day ${day} is outside the calendar`)
  return window
}

/** Start of a day in UTC, in milliseconds. */
export function dayStart({ firstDay = FIRST_DAY }: Begun, day: number): number {
  return Date.parse(firstDay) + day * DAY_MS
}

/** The date of the last day that has ended. */
export function lastEndedDay(now: Date): string {
  return shiftWindow(COMPANY_CALENDAR, windowAt(COMPANY_CALENDAR, now), -1).label
}

/** The date of the last day that a pipeline which reads the company's systems at night has had time to read. */
export function lastDueDay(now: Date): string {
  return lastEndedDay(new Date(now.getTime() - READ_DELAY_MS))
}

/** Milliseconds until the day of an instant has ended. */
export function untilDayEnds(now: Date): number {
  return Date.parse(windowAt(COMPANY_CALENDAR, now).end) - now.getTime()
}

/** `yyyy-mm-dd` of an instant in UTC. */
export function isoDate(time: number): string {
  return new Date(time).toISOString().slice(0, 10)
}

/** An instant in the format of the company's systems: `2026-03-01T04:05:06Z`. */
export function isoInstant(time: number): string {
  return `${new Date(time).toISOString().slice(0, 19)}Z`
}
