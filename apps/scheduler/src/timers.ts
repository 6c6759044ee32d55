import type { Try } from './decision.ts'

/** What there is to be woken up for. Small and serialisable: an adapter may keep it outside of the process. */
export type Alarm =
  /** A task's `dueAt` has come: its next try, or the end of patience with a silent worker. */
  | ({ readonly kind: 'task'; readonly run: string } & Try)
  /** Time to look for what a replica left behind when it died. */
  | { readonly kind: 'sweep' }
  /** The end of a pipeline's window, or what is due after it. */
  | { readonly kind: 'schedule' }
export type AlarmKind = Alarm['kind']
export type AlarmOf<Kind extends AlarmKind> = Extract<Alarm, { kind: Kind }>
export type AlarmHandler<Kind extends AlarmKind> = (alarm: AlarmOf<Kind>) => Promise<void>

/**
 * The clock of the platform: retry delays, deadlines, the daily schedule. It is a convenience, not the truth: every
 * instant is in SQL as well, so that alarms that are lost with a process are set again by whoever takes over.
 */
export interface Timers extends AsyncDisposable {
  /** Sets an alarm, in place of one set under the same key before. It goes off once, at `at` or later. */
  set(key: string, at: Date, alarm: Alarm): Promise<void>
  /** Removes an alarm; nothing happens where there is none. */
  clear(key: string): Promise<void>
  /** Takes the alarms of one kind as they go off. One that the handler fails on goes off again. */
  consume<Kind extends AlarmKind>(kind: Kind, handler: AlarmHandler<Kind>): Promise<AsyncDisposable>
}
