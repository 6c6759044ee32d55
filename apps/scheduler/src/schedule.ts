import { parseWindow, shiftWindow, windowAt, windowsBetween, type Window } from '@cinelake/core'
import type { Schedule } from '@cinelake/pipeline'
import type { Rhythm } from './timers.ts'

/** Which window a pipeline begins with that never ran: its schedule's first, or the newest that is due. */
export const FIRST_WINDOWS = ['start', 'latest'] as const
export type FirstWindow = (typeof FIRST_WINDOWS)[number]

/**
 * The windows whose time has come and that nobody asked for yet, oldest first, up to the newest that ended at least
 * `delayMs` ago. What was missed while nothing ran is among them.
 *
 * @param known labels of the windows that were asked for already, however they ended
 * @param first `latest`: what is older than the newest known window is left to whoever asks for it
 */
export function dueWindows(
  schedule: Schedule,
  known: ReadonlySet<string>,
  now: Date,
  first: FirstWindow = 'start',
): Window[] {
  const start = parseWindow(schedule, schedule.start)
  if (start === undefined) return []
  const newest = shiftWindow(schedule, windowToCome(schedule, now), -1)
  const all = windowsBetween(schedule, start, newest)
  if (first === 'start') return all.filter((window) => !known.has(window.label))
  const done = all.findLastIndex((window) => known.has(window.label))
  return done < 0 ? all.slice(-1) : all.slice(done + 1)
}

/** When the next window is due: later than `now`. */
export function nextDueAt(rhythm: Rhythm, now: Date): Date {
  return new Date(Date.parse(windowToCome(rhythm, now).end) + rhythm.delayMs)
}

/** The oldest window that is not due yet. */
function windowToCome(rhythm: Rhythm, now: Date): Window {
  return windowAt(rhythm, new Date(now.getTime() - rhythm.delayMs))
}
