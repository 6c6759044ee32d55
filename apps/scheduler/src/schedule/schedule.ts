import { parseWindow, shiftWindow, windowAt, countWindows, windowsBetween, type Window } from '@cinelake/core'
import type { Schedule, CheckedPipeline } from '@cinelake/pipeline'
import type { Rhythm } from '../timers/timers.ts'
import { schedulerErrors } from '../errors.ts'

/** The first window of a pipeline that has never run: its schedule's first, or the newest that is due. */
export const FIRST_WINDOWS = ['start', 'latest'] as const
export type FirstWindow = (typeof FIRST_WINDOWS)[number]

/**
 * The windows that are due and were not requested yet, oldest first, up to the newest that ended at least `delayMs`
 * ago. This includes windows missed while no scheduler ran.
 *
 * The number of steps is bounded by the known windows plus those to request: a schedule may start in any year.
 *
 * @param known labels of the windows that were requested already, however they ended
 * @param first `latest`: windows older than the newest known one run only on request
 * @param limit most windows to return; the rest is due the next time
 */
export function dueWindows(
  schedule: Schedule,
  known: ReadonlySet<string>,
  now: Date,
  first: FirstWindow = 'start',
  limit = Infinity,
): Window[] {
  const start = parseWindow(schedule, schedule.start)
  const newest = shiftWindow(schedule, windowToCome(schedule, now), -1)
  if (start === undefined || isBefore(newest, start)) return []
  const last = first === 'latest' ? newestKnown(schedule, known, { start, newest }) : undefined
  if (first === 'latest' && last === undefined) return [newest]

  const due: Window[] = []
  let window = last === undefined ? start : shiftWindow(schedule, last, 1)
  for (; due.length < limit && !isBefore(newest, window); window = shiftWindow(schedule, window, 1)) {
    if (!known.has(window.label)) due.push(window)
  }
  return due
}

/** The newest requested window that belongs to the current schedule. */
function newestKnown(
  schedule: Schedule,
  known: ReadonlySet<string>,
  { start, newest }: { readonly start: Window; readonly newest: Window },
): Window | undefined {
  // Labels sort as their windows do, except for the two hours with one name when the clock goes back.
  const local = (label: string) => label.slice(0, LOCAL_HOUR)
  const newestFirst = [...known]
    .filter((label) => local(label) <= local(newest.label))
    .sort()
    .reverse()
  const found: Window[] = []
  for (const label of newestFirst) {
    // Labels of another length date from before the schedule was changed.
    const window = parseWindow(schedule, label)
    if (window !== undefined) found.push(window)
    if (found.length === 2) break
  }
  return found
    .filter((window) => !isBefore(window, start) && !isBefore(newest, window))
    .sort((one, other) => Date.parse(one.start) - Date.parse(other.start))
    .at(-1)
}

/** Characters of `2026-10-25T02`. */
const LOCAL_HOUR = 13

function isBefore(window: Window, other: Window): boolean {
  return Date.parse(window.start) < Date.parse(other.start)
}

/** When the next window is due: later than `now`. */
export function nextDueAt(rhythm: Rhythm, now: Date): Date {
  return new Date(Date.parse(windowToCome(rhythm, now).end) + rhythm.delayMs)
}

/** The oldest window that is not due yet. */
function windowToCome(rhythm: Rhythm, now: Date): Window {
  return windowAt(rhythm, new Date(now.getTime() - rhythm.delayMs))
}

/** Most windows that one request may ask for, unless CINELAKE_MAX_WINDOWS overrides it: almost three years of days. */
export const MAX_WINDOWS = 1000

export type WindowBounds = {
  readonly now: Date
  /** Most windows to return. */
  readonly limit: number
  /** Accepts windows that are not over, and those before the schedule's first. */
  readonly force?: boolean
}

/**
 * The windows of a range that may run, oldest first. Its cost is bounded by the limit, however long the range is.
 * @throws {WINDOWS_REVERSED} terminal @throws {WINDOWS_TOO_MANY} terminal
 * @throws {WINDOW_NOT_OVER} terminal @throws {WINDOW_BEFORE_START} terminal
 */
export function runnableWindows(
  { name, schedule }: Pick<CheckedPipeline, 'name' | 'schedule'>,
  { from, to }: { readonly from: Window; readonly to: Window },
  { now, limit, force = false }: WindowBounds,
): Window[] {
  if (Date.parse(from.start) > Date.parse(to.start)) throw schedulerErrors.WINDOWS_REVERSED(name, from.label, to.label)
  if (!force) {
    const first = parseWindow(schedule, schedule.start)
    if (first !== undefined && Date.parse(from.start) < Date.parse(first.start)) {
      throw schedulerErrors.WINDOW_BEFORE_START(name, from.label, first.label)
    }
    if (Date.parse(to.end) > now.getTime())
      throw schedulerErrors.WINDOW_NOT_OVER(name, to, Date.parse(to.start) <= now.getTime())
  }
  if (countWindows(schedule, from, to, limit) > limit)
    throw schedulerErrors.WINDOWS_TOO_MANY(name, from.label, to.label, limit)
  return windowsBetween(schedule, from, to)
}
