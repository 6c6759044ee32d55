import type { Schedule } from '@cinelake/pipeline'
import type { Try } from '@cinelake/run-store'

/** What there is to be woken up for. Small and serialisable: an adapter may keep it outside of the process. */
export type Timer =
  /** A task's `dueAt` has come: its next try, or a timeout. */
  | ({ readonly kind: 'task'; readonly run: string } & Try)
  /** A window of the pipeline is due. */
  | { readonly kind: 'schedule'; readonly pipeline: string }
export type TimerKind = Timer['kind']
export type TimerOf<Kind extends TimerKind> = Extract<Timer, { kind: Kind }>
export type TimerHandler<Kind extends TimerKind> = (timer: TimerOf<Kind>) => Promise<void>

/** When a timer that repeats goes off: `delayMs` after the end of each window. */
export type Rhythm = Pick<Schedule, 'every' | 'timeZone' | 'delayMs'>

/**
 * The clock of the platform: retry delays, deadlines, the daily schedule. It is a convenience, not the truth: every
 * instant is in SQL or in a pipeline's text as well, and what went off too late or never is found by the sweep. So an
 * adapter never holds up or fails the work that sets a timer: what it cannot keep now it keeps later, or drops and
 * says so in the log.
 *
 * Timers are told apart by kind and key; a key is any text. Several processes may share them: then one of them handles
 * each timer. One whose process dies meanwhile goes off again in another, hence handlers are idempotent.
 */
export interface Timers extends AsyncDisposable {
  /** Sets a timer, in place of one set under the same key before. It goes off once, at `at` or later. */
  set(key: string, at: Date, timer: Timer): Promise<void>
  /**
   * Sets a timer that goes off again and again from now on, in place of one that repeated under the same key before.
   * One that goes off once may stand beside it under the same key.
   */
  repeat(key: string, rhythm: Rhythm, timer: Timer): Promise<void>
  /** Removes what is set under a key; nothing happens where there is nothing. What is being handled goes on. */
  clear(kind: TimerKind, key: string): Promise<void>
  /** Takes the timers of one kind as they go off. One that the handler fails on goes off again, later and later. */
  consume<Kind extends TimerKind>(kind: Kind, handler: TimerHandler<Kind>): Promise<AsyncDisposable>
}

/** The first wait of a timer whose handler failed, and the longest. Milliseconds. */
const AGAIN_MS = 1000
const AGAIN_AT_MOST_MS = 60_000

/** How long to wait after a handler failed so many times, until the timer goes off again. Milliseconds. */
export function againAfterMs(failures: number): number {
  return Math.min(AGAIN_AT_MOST_MS, AGAIN_MS * 2 ** (failures - 1))
}
