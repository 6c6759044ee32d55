import type { Schedule } from '@cinelake/pipeline'
import type { Try } from './decision.ts'

/** What there is to be woken up for. Small and serialisable: an adapter may keep it outside of the process. */
export type Alarm =
  /** A task's `dueAt` has come: its next try, or the end of patience with a silent worker. */
  | ({ readonly kind: 'task'; readonly run: string } & Try)
  /** A window of the pipeline is due. */
  | { readonly kind: 'schedule'; readonly pipeline: string }
export type AlarmKind = Alarm['kind']
export type AlarmOf<Kind extends AlarmKind> = Extract<Alarm, { kind: Kind }>
export type AlarmHandler<Kind extends AlarmKind> = (alarm: AlarmOf<Kind>) => Promise<void>

/** When an alarm that repeats goes off: `delayMs` after the end of each window. */
export type Rhythm = Pick<Schedule, 'every' | 'timeZone' | 'delayMs'>

/**
 * The clock of the platform: retry delays, deadlines, the daily schedule. It is a convenience, not the truth: every
 * instant is in SQL or in a pipeline's text as well, and what went off too late or never is found by the sweep. So an
 * adapter never holds up or fails the work that sets an alarm: what it cannot keep now it keeps later, or drops and
 * says so in the log.
 *
 * Alarms are told apart by kind and key; a key is any text. Several processes may share them: then one of them handles
 * each alarm. One whose process dies meanwhile goes off again in another, hence handlers are idempotent.
 */
export interface Timers extends AsyncDisposable {
  /** Sets an alarm, in place of one set under the same key before. It goes off once, at `at` or later. */
  set(key: string, at: Date, alarm: Alarm): Promise<void>
  /**
   * Sets an alarm that goes off again and again from now on, in place of one that repeated under the same key before.
   * One that goes off once may stand beside it under the same key.
   */
  repeat(key: string, rhythm: Rhythm, alarm: Alarm): Promise<void>
  /** Removes what is set under a key; nothing happens where there is nothing. What is being handled goes on. */
  clear(kind: AlarmKind, key: string): Promise<void>
  /** Takes the alarms of one kind as they go off. One that the handler fails on goes off again, later and later. */
  consume<Kind extends AlarmKind>(kind: Kind, handler: AlarmHandler<Kind>): Promise<AsyncDisposable>
}

/** The first wait of an alarm whose handler failed, and the longest. Milliseconds. */
const AGAIN_MS = 1000
const AGAIN_AT_MOST_MS = 60_000

/** How long to wait after a handler failed so many times, until the alarm goes off again. Milliseconds. */
export function againAfterMs(failures: number): number {
  return Math.min(AGAIN_AT_MOST_MS, AGAIN_MS * 2 ** (failures - 1))
}
