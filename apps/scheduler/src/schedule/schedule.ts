import { parseWindow, shiftWindow, windowAt, type Window } from '@cinelake/core'
import type { Schedule } from '@cinelake/pipeline'
import type { Rhythm } from '../timers/timers.ts'

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
