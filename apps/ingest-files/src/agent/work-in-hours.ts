import type { Consumer } from '@cinelake/bus'
import { reportError, type Clock, type Log } from '@cinelake/core'
import type { OperatingHours } from './operating-hours.ts'

/** Milliseconds between checks of the clock. */
const LOOK_MS = 5_000

type Deps = {
  /** Undefined: at all hours. */
  readonly hours: OperatingHours | undefined
  /** Starts to take work. */
  readonly begin: () => Promise<Consumer>
  readonly clock: Clock
  readonly log: Log
  readonly lookMs?: number
}

/** When an agent takes work. */
export type WorkInHours = AsyncDisposable & { readonly state: () => 'working' | 'outside-hours' }

/**
 * Takes work only within operating hours. *Closed* → (the hours begin) *open* → (they end) *draining*, where no new
 * work is taken and running tasks continue → (they have ended) *closed*. Hours that begin while tasks are still running
 * wait for them: an agent never exceeds its concurrency.
 */
export async function startWorkInHours({ hours, begin, clock, log, lookMs = LOOK_MS }: Deps): Promise<WorkInHours> {
  const isOpen = () => hours?.includes(clock()) ?? true
  let consumer: Consumer | undefined = isOpen() ? await begin() : undefined
  let changing: Promise<void> = Promise.resolve()
  let isChanging = false
  if (consumer === undefined) log.info({ hours: hours?.text, timeZone: hours?.timeZone }, 'outside of its hours')

  const change = async () => {
    try {
      if (isOpen() && consumer === undefined) {
        consumer = await begin()
        log.info({ hours: hours?.text }, 'takes work again')
      } else if (!isOpen() && consumer !== undefined) {
        log.info({ hours: hours?.text }, 'takes no more work; running tasks continue')
        const closing = consumer
        consumer = undefined
        await closing[Symbol.asyncDispose]()
      }
    } catch (error) {
      log.warn({ error: reportError(error) }, 'could not begin or end to take work; it is tried again')
    } finally {
      isChanging = false
    }
  }
  const timer = setInterval(() => {
    if (isChanging) return
    isChanging = true
    changing = change()
  }, lookMs)

  return {
    state: () => (isOpen() ? 'working' : 'outside-hours'),
    async [Symbol.asyncDispose]() {
      clearInterval(timer)
      await changing
      await consumer?.[Symbol.asyncDispose]()
    },
  }
}
