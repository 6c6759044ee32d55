import { parseWindow, shiftWindow, windowAt, windowsBetween, type Window } from '@cinelake/core'
import type { Schedule } from '@cinelake/pipeline'

/**
 * The windows whose time has come and that nobody asked for yet, oldest first: from the schedule's start to the newest
 * that ended at least `delayMs` ago. What was missed while nothing ran is among them.
 *
 * @param known labels of the windows that were asked for already, however they ended
 */
export function dueWindows(schedule: Schedule, known: ReadonlySet<string>, now: Date): Window[] {
  const start = parseWindow(schedule, schedule.start)
  if (start === undefined) return []
  const newest = shiftWindow(schedule, windowToCome(schedule, now), -1)
  return windowsBetween(schedule, start, newest).filter((window) => !known.has(window.label))
}

/** When the next window is due. */
export function nextDueAt(schedule: Schedule, now: Date): Date {
  return new Date(Date.parse(windowToCome(schedule, now).end) + schedule.delayMs)
}

/** The oldest window that is not due yet. */
function windowToCome(schedule: Schedule, now: Date): Window {
  return windowAt(schedule, new Date(now.getTime() - schedule.delayMs))
}
