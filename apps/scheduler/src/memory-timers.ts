import { reportError, silentLog, systemClock, type Clock, type Log } from '@cinelake/core'
import type { Alarm, AlarmHandler, AlarmKind, Timers } from './timers.ts'

export type MemoryTimersOptions = { readonly clock?: Clock; readonly log?: Log }

export interface MemoryTimers extends Timers {
  /** Lets everything go off that is due by the clock, and waits for the handlers. For tests that move the clock. */
  fireDue(): Promise<void>
}

/** Milliseconds. The longest delay that `setTimeout` takes: 2³¹ - 1; a longer one would go off at once. */
const MAX_DELAY_MS = 2_147_483_647
/** Milliseconds until an alarm goes off again whose handler failed. */
const AGAIN_MS = 1000

type Pending = { readonly at: Date; readonly alarm: Alarm; readonly timeout: NodeJS.Timeout }
type AnyHandler = (alarm: Alarm) => Promise<void>

/** Alarms of a single process, gone when it ends. */
export function createMemoryTimers({ clock = systemClock, log = silentLog }: MemoryTimersOptions = {}): MemoryTimers {
  const pending = new Map<string, Pending>()
  const handlers = new Map<AlarmKind, AnyHandler>()
  const underWay = new Set<Promise<void>>()
  let isClosed = false

  const remove = (key: string) => {
    clearTimeout(pending.get(key)?.timeout)
    pending.delete(key)
  }

  const set = (key: string, at: Date, alarm: Alarm) => {
    if (isClosed) return
    remove(key)
    const delayMs = Math.min(MAX_DELAY_MS, Math.max(0, at.getTime() - clock().getTime()))
    pending.set(key, { at, alarm, timeout: setTimeout(() => void fire(key), delayMs) })
  }

  const fire = async (key: string): Promise<void> => {
    const entry = pending.get(key)
    if (entry === undefined) return
    const { at, alarm } = entry
    // A timeout may go off a little early, or be only a part of a long delay.
    if (clock() < at) return set(key, at, alarm)
    const handler = handlers.get(alarm.kind)
    if (handler === undefined) return
    remove(key)
    const work = handler(alarm).catch((error: unknown) => {
      log.warn({ key, error: reportError(error) }, 'alarm was not handled; it goes off again')
      if (!pending.has(key)) set(key, new Date(clock().getTime() + AGAIN_MS), alarm)
    })
    underWay.add(work)
    await work
    underWay.delete(work)
  }

  return {
    async set(key, at, alarm) {
      set(key, at, alarm)
    },
    async clear(key) {
      remove(key)
    },
    async consume<Kind extends AlarmKind>(kind: Kind, handler: AlarmHandler<Kind>) {
      handlers.set(kind, handler as AnyHandler)
      // Those that went off while nobody listened.
      for (const [key, { at, alarm }] of pending) if (alarm.kind === kind && at <= clock()) void fire(key)
      return {
        async [Symbol.asyncDispose]() {
          handlers.delete(kind)
          await Promise.all(underWay)
        },
      }
    },
    async fireDue() {
      const due = [...pending].filter(([, { at }]) => at <= clock())
      await Promise.all(due.map(([key]) => fire(key)))
    },
    async [Symbol.asyncDispose]() {
      isClosed = true
      for (const key of pending.keys()) remove(key)
      await Promise.all(underWay)
    },
  }
}
