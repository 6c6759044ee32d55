import { parseWindow, type Calendar, type Window } from '@cinelake/core'

/** The company's business time. */
const COMPANY_CALENDAR: Calendar = { every: 'day', timeZone: 'Europe/Berlin' }

/** Day 0 of the sample company: the first day that it is there for. */
export const FIRST_DAY = '2026-03-01'

const DAY_MS = 86_400_000

/** The date of a day: 0 → `2026-03-01`, -1 → `2026-02-28`. */
export function dateOf(day: number): string {
  return isoDate(Date.parse(FIRST_DAY) + day * DAY_MS)
}

/** @returns the day's number, or undefined when the text is not a date */
export function dayOf(date: string): number | undefined {
  const time = /^\d{4}-\d{2}-\d{2}$/.test(date) ? Date.parse(date) : Number.NaN
  return Number.isNaN(time) || isoDate(time) !== date ? undefined : Math.round((time - Date.parse(FIRST_DAY)) / DAY_MS)
}

/** The instants between which a day lies. */
export function windowOfDay(day: number): Window {
  const window = parseWindow(COMPANY_CALENDAR, dateOf(day))
  if (window === undefined) throw new RangeError(`day ${day} is outside the calendar`)
  return window
}

/** `yyyy-mm-dd` of an instant in UTC. */
export function isoDate(time: number): string {
  return new Date(time).toISOString().slice(0, 10)
}

/** An instant as the company's systems write it: `2026-03-01T04:05:06Z`. */
export function isoInstant(time: number): string {
  return `${new Date(time).toISOString().slice(0, 19)}Z`
}
