import { reportError, silentLog, systemClock, type Clock, type Log } from '@cinelake/core'
import { nextDueAt } from './schedule.ts'
import { againAfterMs, type Alarm, type AlarmHandler, type AlarmKind, type Rhythm, type Timers } from './timers.ts'

export type MemoryTimersOptions = { readonly clock?: Clock; readonly log?: Log }

export interface MemoryTimers extends Timers {
  /** Lets everything go off that is due by the clock, and waits for the handlers. For tests that move the clock. */
  fireDue(): Promise<void>
}

/** Milliseconds. The longest delay that `setTimeout` takes: 2³¹ - 1; a longer one would go off at once. */
const MAX_DELAY_MS = 2_147_483_647

type Entry = {
  readonly key: string
  readonly at: Date
  readonly alarm: Alarm
  readonly rhythm?: Rhythm
  /** How often its handler failed in a row. */
  readonly failures?: number
}
type Pending = Entry & { readonly timeout: NodeJS.Timeout }
type AnyHandler = (alarm: Alarm) => Promise<void>

/** Alarms of a single process, gone when it ends. */
export function createMemoryTimers({ clock = systemClock, log = silentLog }: MemoryTimersOptions = {}): MemoryTimers {
  const pending = new Map<string, Pending>()
  const handlers = new Map<AlarmKind, AnyHandler>()
  const underWay = new Set<Promise<void>>()
  let isClosed = false

  const remove = (slot: string) => {
    clearTimeout(pending.get(slot)?.timeout)
    pending.delete(slot)
  }

  const put = (entry: Entry) => {
    if (isClosed) return
    const slot = slotOf(entry.alarm.kind, entry.key, entry.rhythm !== undefined)
    remove(slot)
    const delayMs = Math.min(MAX_DELAY_MS, Math.max(0, entry.at.getTime() - clock().getTime()))
    pending.set(slot, { ...entry, timeout: setTimeout(() => void fire(slot), delayMs) })
  }

  const fire = async (slot: string): Promise<void> => {
    const entry = pending.get(slot)
    if (entry === undefined) return
    // A timeout may go off a little early, or be only a part of a long delay.
    if (clock() < entry.at) return put(entry)
    const handler = handlers.get(entry.alarm.kind)
    if (handler === undefined) return
    remove(slot)
    if (entry.rhythm !== undefined) put({ ...entry, at: nextDueAt(entry.rhythm, clock()) })
    const work = handler(entry.alarm).catch((error: unknown) => again(entry, error))
    underWay.add(work)
    await work
    underWay.delete(work)
  }

  const again = ({ key, alarm, failures = 0 }: Entry, error: unknown) => {
    log.warn({ key, error: reportError(error) }, 'alarm was not handled; it goes off again')
    if (pending.has(slotOf(alarm.kind, key, false))) return
    const at = new Date(clock().getTime() + againAfterMs(failures + 1))
    put({ key, at, alarm, failures: failures + 1 })
  }

  return {
    set: async (key, at, alarm) => put({ key, at, alarm }),
    repeat: async (key, rhythm, alarm) => put({ key, at: nextDueAt(rhythm, clock()), alarm, rhythm }),
    async clear(kind, key) {
      for (const isRepeated of [false, true]) remove(slotOf(kind, key, isRepeated))
    },
    async consume<Kind extends AlarmKind>(kind: Kind, handler: AlarmHandler<Kind>) {
      handlers.set(kind, handler as AnyHandler)
      // Those that went off while nobody listened.
      for (const [slot, { at, alarm }] of pending) if (alarm.kind === kind && at <= clock()) void fire(slot)
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

function slotOf(kind: AlarmKind, key: string, isRepeated: boolean): string {
  return `${kind} ${isRepeated ? 'again' : 'once'} ${key}`
}
