import { countWindows, parseWindow, windowsBetween, type Window } from '@cinelake/core'
import type { CheckedPipeline } from '@cinelake/pipeline'
import { schedulerErrors } from '../errors.ts'

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
