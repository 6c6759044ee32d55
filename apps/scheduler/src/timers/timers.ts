import type { Schedule } from '@cinelake/pipeline'
import type { Try } from '@cinelake/run-store'

/** The purpose of a timer. Small and serialisable: an adapter may store it outside of the process. */
export type Timer =
  /** A task's `dueAt` has come: its next attempt, or a timeout. */
  | ({ readonly kind: 'task'; readonly run: string } & Try)
  /** A window of the pipeline is due. */
  | { readonly kind: 'schedule'; readonly pipeline: string }
export type TimerKind = Timer['kind']
export type TimerOf<Kind extends TimerKind> = Extract<Timer, { kind: Kind }>
export type TimerHandler<Kind extends TimerKind> = (timer: TimerOf<Kind>) => Promise<void>

/** When a repeating timer fires: `delayMs` after the end of each window. */
export type Rhythm = Pick<Schedule, 'every' | 'timeZone' | 'delayMs'>

/**
 * The timers of the platform: retry delays, timeouts, the daily schedule. They are an optimisation, not the source of
 * truth: every instant is also in SQL or in a pipeline's text, and the sweep finds timers that fired too late or never.
 * So an adapter never blocks or fails the work that sets a timer: a timer that cannot be stored now is stored later, or
 * dropped with a line in the log.
 *
 * A timer is identified by kind and key; a key is any text. Several processes may share timers: then one of them
 * handles each timer. If that process dies meanwhile, the timer fires again in another one, so handlers are idempotent.
 */
export interface Timers extends AsyncDisposable {
  /** Sets a timer, in place of an earlier one under the same key. It fires once, at `at` or later. */
  set(key: string, at: Date, timer: Timer): Promise<void>
  /**
   * Sets a timer that repeats from now on, in place of an earlier repeating one under the same key. A one-time timer
   * may exist beside it under the same key.
   */
  repeat(key: string, rhythm: Rhythm, timer: Timer): Promise<void>
  /** Removes the timers under a key, if any. A handler that is running continues. */
  clear(kind: TimerKind, key: string): Promise<void>
  /** Handles the timers of one kind as they fire. One whose handler fails fires again, with growing delays. */
  consume<Kind extends TimerKind>(kind: Kind, handler: TimerHandler<Kind>): Promise<AsyncDisposable>
}

/** The delay after the first failure of a handler, and the longest. Milliseconds. */
const AGAIN_MS = 1000
const AGAIN_AT_MOST_MS = 60_000

/** How long to wait after a handler has failed so many times, until the timer fires again. Milliseconds. */
export function againAfterMs(failures: number): number {
  return Math.min(AGAIN_AT_MOST_MS, AGAIN_MS * 2 ** (failures - 1))
}
