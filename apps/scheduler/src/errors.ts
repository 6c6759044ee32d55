import { closestName, defineErrors, terminal, TerminalError, type Window } from '@cinelake/core'

/** A run in progress cannot be requested with other parameters. */
export class RunUnderWayError extends TerminalError {
  readonly code = 'RUN_UNDER_WAY'

  constructor(run: string, state: string, why: string) {
    super(
      `the run is under way [run=${run} state=${state}]: expected a finished run to ${why}; wait for it or cancel it, then ask again`,
      { run, state },
    )
  }
}

export const schedulerErrors = defineErrors({
  /** Tasks cannot be re-run as requested. */
  REDO_REFUSED: terminal((pipeline: string, problems: readonly string[]) => [
    `tasks cannot be done again so [pipeline=${pipeline}]: ${problems.join('; ')}`,
    { pipeline },
  ]),

  /**
   * The scheduler has no pipeline of that name.
   * @param url of the scheduler that was called
   */
  PIPELINE_UNKNOWN: terminal((name: string, known: readonly string[], url?: string) => {
    const closest = closestName(name, known)
    const hint = closest === undefined ? '' : ` (did you mean \`${closest}\`?)`
    return [
      `there is no such pipeline [pipeline=${name}${url === undefined ? '' : ` url=${url}`}]: expected one of ${known.join(', ') || 'none'}${hint}; check the name, or deploy it below the folder that CINELAKE_PIPELINES names`,
      { pipeline: name, ...(url !== undefined && { url }) },
    ]
  }),

  /** A text that names no window of a pipeline. */
  WINDOW_UNKNOWN: terminal((pipeline: string, text: string, every: string) => [
    `the text names no window [pipeline=${pipeline} window=${text}]: expected ${EXAMPLES[every] ?? every}; write it so`,
    { pipeline, window: text },
  ]),

  /** More windows are requested than one request may ask for. */
  WINDOWS_TOO_MANY: terminal((pipeline: string, from: string, to: string, limit: number) => [
    `the range has too many windows [pipeline=${pipeline} from=${from} to=${to}]: expected at most ${limit}; ask for it in several parts, or raise CINELAKE_MAX_WINDOWS`,
    { pipeline, from, to, limit },
  ]),

  /** The end of a range is before its start. */
  WINDOWS_REVERSED: terminal((pipeline: string, from: string, to: string) => [
    `the range ends before it begins [pipeline=${pipeline} from=${from} to=${to}]: expected the earlier window first; swap them`,
    { pipeline, from, to },
  ]),

  /** A window that is not over, so that its data cannot be complete. */
  WINDOW_NOT_OVER: terminal((pipeline: string, { label, end }: Window, isBegun: boolean) => [
    `the window ${isBegun ? 'is not over yet' : 'has not begun yet'} [pipeline=${pipeline} window=${label}]: expected its end to be in the past, got ${end}; ask for an earlier one, or force it (\`--force\`, or "force": true)`,
    { pipeline, window: label, end },
  ]),

  /** A window before the first one of the pipeline's schedule. */
  WINDOW_BEFORE_START: terminal((pipeline: string, window: string, start: string) => [
    `the window is before the first one of the schedule [pipeline=${pipeline} window=${window}]: expected ${start} or later; set schedule.start in pipeline.yaml earlier, or force it (\`--force\`, or "force": true)`,
    { pipeline, window, start },
  ]),
})

const EXAMPLES: Readonly<Record<string, string>> = {
  hour: 'an hour like 2026-03-01T05',
  day: 'a day like 2026-03-01',
  month: 'a month like 2026-03',
}
