import { reportError, silentLog, systemClock, type Clock, type Log } from '@cinelake/core'
import { nextDueAt } from '../../schedule/schedule.ts'
import { againAfterMs, type Timer, type TimerHandler, type TimerKind, type Rhythm, type Timers } from '../timers.ts'

export type MemoryTimersOptions = { readonly clock?: Clock; readonly log?: Log }

export interface MemoryTimers extends Timers {
  /** Fires every timer that is due by the clock, and waits for the handlers. For tests that move the clock. */
  fireDue(): Promise<void>
}

/** Milliseconds. The longest delay of `setTimeout`: 2³¹ - 1; a longer one would fire at once. */
const MAX_DELAY_MS = 2_147_483_647

type Entry = {
  readonly key: string
  readonly at: Date
  readonly timer: Timer
  readonly rhythm?: Rhythm
  /** Consecutive failures of its handler. */
  readonly failures?: number
}
type Pending = Entry & { readonly timeout: NodeJS.Timeout }
type AnyHandler = (timer: Timer) => Promise<void>

/** Timers of a single process, lost when it ends. */
export function createMemoryTimers({ clock = systemClock, log = silentLog }: MemoryTimersOptions = {}): MemoryTimers {
  const pending = new Map<string, Pending>()
  const handlers = new Map<TimerKind, AnyHandler>()
  const underWay = new Set<Promise<void>>()
  let isClosed = false

  const remove = (slot: string) => {
    clearTimeout(pending.get(slot)?.timeout)
    pending.delete(slot)
  }

  const put = (entry: Entry) => {
    if (isClosed) return
    const slot = slotOf(entry.timer.kind, entry.key, entry.rhythm !== undefined)
    remove(slot)
    const delayMs = Math.min(MAX_DELAY_MS, Math.max(0, entry.at.getTime() - clock().getTime()))
    pending.set(slot, { ...entry, timeout: setTimeout(() => void fire(slot), delayMs) })
  }

  const fire = async (slot: string): Promise<void> => {
    const entry = pending.get(slot)
    if (entry === undefined) return
    // A timeout may fire a little early, or be only a part of a long delay.
    if (clock() < entry.at) return put(entry)
    const handler = handlers.get(entry.timer.kind)
    if (handler === undefined) return
    remove(slot)
    if (entry.rhythm !== undefined) put({ ...entry, at: nextDueAt(entry.rhythm, clock()) })
    const work = handler(entry.timer).catch((error: unknown) => again(entry, error))
    underWay.add(work)
    await work
    underWay.delete(work)
  }

  const again = ({ key, timer, failures = 0 }: Entry, error: unknown) => {
    log.warn({ key, error: reportError(error) }, 'timer was not handled; it goes off again')
    if (pending.has(slotOf(timer.kind, key, false))) return
    const at = new Date(clock().getTime() + againAfterMs(failures + 1))
    put({ key, at, timer, failures: failures + 1 })
  }

  return {
    set: async (key, at, timer) => put({ key, at, timer }),
    repeat: async (key, rhythm, timer) => put({ key, at: nextDueAt(rhythm, clock()), timer, rhythm }),
    async clear(kind, key) {
      for (const isRepeated of [false, true]) remove(slotOf(kind, key, isRepeated))
    },
    async consume<Kind extends TimerKind>(kind: Kind, handler: TimerHandler<Kind>) {
      handlers.set(kind, handler as AnyHandler)
      // Timers that fired before a handler was registered.
      for (const [slot, { at, timer }] of pending) if (timer.kind === kind && at <= clock()) void fire(slot)
      return {
        async [Symbol.asyncDispose]() {
          handlers.delete(kind)
          await Promise.all(underWay)
        },
      }
    },
    async fireDue() {
      const due = [...pending].filter(([, { at }]) => at <= clock())
      await Promise.all(due.map(([slot]) => fire(slot)))
    },
    async [Symbol.asyncDispose]() {
      isClosed = true
      for (const slot of pending.keys()) remove(slot)
      await Promise.all(underWay)
    },
  }
}

function slotOf(kind: TimerKind, key: string, isRepeated: boolean): string {
  return `${kind} ${isRepeated ? 'again' : 'once'} ${key}`
}
