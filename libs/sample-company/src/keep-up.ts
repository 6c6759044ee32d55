import { reportError, type Clock, type Log } from '@cinelake/core'
import { lastEndedDay, untilDayEnds } from './company-days.ts'
import type { SampleCompany } from './sample-company.ts'

type KeepUpDeps = {
  readonly company: Pick<SampleCompany, 'advanceTo'>
  readonly clock: Clock
  readonly log: Log
}

/** Milliseconds until the clock is checked again: it may be set, and a machine may sleep. */
const LONGEST_WAIT_MS = 10 * 60_000

/** Milliseconds until a failed day is tried again. */
const AGAIN_MS = 60_000

/**
 * Advances the company to the last day that has ended, and from then on at the end of every day: its files are dropped
 * and its systems show it. Disposing stops that.
 */
export async function keepUp({ company, clock, log }: KeepUpDeps): Promise<AsyncDisposable> {
  const stopped = new AbortController()
  let reached = ''
  const liveUntil = async (now: Date): Promise<void> => {
    const date = lastEndedDay(now)
    if (date === reached) return
    await company.advanceTo(date)
    reached = date
    log.info({ date }, 'the company has lived until the end of a day')
  }
  const goOn = async (): Promise<void> => {
    while (!stopped.signal.aborted) {
      const now = clock()
      const waitMs = await liveUntil(now).then(
        () => Math.min(untilDayEnds(now), LONGEST_WAIT_MS),
        (error: unknown) => {
          log.warn({ error: reportError(error) }, 'a day could not be lived; it is tried again')
          return AGAIN_MS
        },
      )
      await pause(waitMs, stopped.signal)
    }
  }

  await liveUntil(clock())
  const ended = goOn()
  return {
    async [Symbol.asyncDispose]() {
      stopped.abort()
      await ended
    },
  }
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  const timer = setTimeout(resolve, ms)
  signal.addEventListener('abort', () => resolve(), { once: true })
  if (signal.aborted) resolve()
  return promise.finally(() => clearTimeout(timer))
}
