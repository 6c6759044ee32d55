import { ConfigError, parseWindow, shiftWindow, windowAt, windowsBetween, type Window } from '@cinelake/core'
import type { CheckedPipeline } from '@cinelake/pipeline'
import { MAX_WINDOWS, runnableWindows } from '@cinelake/scheduler'

export type WindowChoice = {
  readonly window?: string
  readonly from?: string
  readonly to?: string
  /** Also windows that are not over, or that are before the first one of the schedule. */
  readonly force?: true
}

export const EXAMPLES = { hour: '2026-03-01T05', day: '2026-03-01', month: '2026-03' } as const

/**
 * The windows that the options name: one, or a range. By default the last complete one: the window before the current
 * one in the pipeline's time zone.
 * @param limit most windows
 * @throws {ConfigError} terminal: every option that names no window
 * @throws {TerminalError} a window that cannot be run, or more than may be run at once
 */
export function chosenWindows(
  pipeline: CheckedPipeline,
  choice: WindowChoice,
  now: Date,
  limit = MAX_WINDOWS,
): Window[] {
  const calendar = pipeline.schedule
  const problems: string[] = []
  const read = (option: string, text: string | undefined): Window | undefined => {
    const window = text === undefined ? undefined : parseWindow(calendar, text)
    if (text !== undefined && window === undefined) {
      problems.push(
        `--${option} is ${text}: expected ${article(calendar.every)} ${calendar.every} of the pipeline's time zone ` +
          `${calendar.timeZone}, written as ${EXAMPLES[calendar.every]}`,
      )
    }
    return window
  }
  if (choice.window !== undefined && (choice.from !== undefined || choice.to !== undefined)) {
    problems.push('--window was given together with --from or --to: expected one or the other')
  }
  if (choice.to !== undefined && choice.from === undefined) problems.push('--to was given without --from')
  const lastComplete = shiftWindow(calendar, windowAt(calendar, now), -1)
  const one = read('window', choice.window)
  const from = read('from', choice.from)
  const to = read('to', choice.to) ?? lastComplete
  if (from !== undefined && Date.parse(from.start) > Date.parse(to.start)) {
    problems.push(`--from ${from.label} is after --to ${to.label}: expected the earlier window first`)
  }
  if (problems.length > 0) throw new ConfigError('the windows cannot be used', problems)
  const range = from === undefined ? { from: one ?? lastComplete, to: one ?? lastComplete } : { from, to }
  return runnableWindows(pipeline, range, { now, limit, force: choice.force === true })
}

/** Why these windows were chosen; undefined when the options name them. */
export function whyChosen({ window, from }: WindowChoice, windows: readonly Window[]): string | undefined {
  const [first] = windows
  if (window !== undefined || from !== undefined || first === undefined) return undefined
  return `${first.label} is the last window that is complete; --window takes another`
}

/** From the first window of the schedule to the last complete one. */
export function allWindows({ schedule }: CheckedPipeline, now: Date): Window[] {
  const first = parseWindow(schedule, schedule.start)
  const last = shiftWindow(schedule, windowAt(schedule, now), -1)
  return first === undefined || first.start > last.start ? [] : windowsBetween(schedule, first, last)
}

function article(noun: string): string {
  return noun === 'hour' ? 'an' : 'a'
}
