import type { Consumer } from '@cinelake/bus'
import { type Clock, type Log, isTimeZone, reportError } from '@cinelake/core'

/** Times of the day in which an agent takes work, in its own time zone. */
export type OperatingHours = {
  /** The setting as written. */
  readonly text: string
  readonly timeZone: string
  readonly includes: (instant: Date) => boolean
}

/** Minutes since midnight. `[from, to)`; spans midnight where `from` is the later one. */
type Stretch = { readonly from: number; readonly to: number }

/**
 * Parses `22:00-06:00`, or several such ranges separated by commas. Local time counts: where the clock changes, a night
 * is an hour shorter or longer.
 * @returns a description of the problem where the text is invalid
 */
export function readOperatingHours(text: string, timeZone: string): OperatingHours | { readonly problem: string } {
  if (!isTimeZone(timeZone)) return { problem: 'expected a time zone by its IANA name, such as Europe/Berlin' }
  const stretches: Stretch[] = []
  for (const part of text.split(',')) {
    const stretch = readStretch(part.trim())
    if (stretch === undefined) {
      return { problem: 'expected hours such as 22:00-06:00, or several with commas between them' }
    }
    stretches.push(stretch)
  }
  const wall = new Intl.DateTimeFormat('en-GB', { timeZone, hour: '2-digit', minute: '2-digit', hourCycle: 'h23' })
  return {
    text,
    timeZone,
    includes(instant) {
      const minute = minuteOf(wall.format(instant)) ?? 0
      return stretches.some(({ from, to }) =>
        from < to ? from <= minute && minute < to : from <= minute || minute < to,
      )
    },
  }
}

function readStretch(text: string): Stretch | undefined {
  const [first = '', second = '', ...rest] = text.split('-')
  const [from, to] = [minuteOf(first), second === '24:00' ? 24 * 60 : minuteOf(second)]
  if (from === undefined || to === undefined || from === to || rest.length > 0) return undefined
  return { from, to }
}

function minuteOf(text: string): number | undefined {
  const [, hours, minutes] = /^([01]\d|2[0-3]):([0-5]\d)$/.exec(text) ?? []
  return hours === undefined || minutes === undefined ? undefined : Number(hours) * 60 + Number(minutes)
}

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
type WorkInHours = AsyncDisposable & { readonly state: () => 'working' | 'outside-hours' }

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
