import { reportError, type Clock, type Log } from '@cinelake/core'
import type { CheckedPipeline } from '@cinelake/pipeline'
import { dueWindows, nextDueAt } from './schedule.ts'
import type { Scheduler } from './scheduler.ts'
import type { Timers } from './timers.ts'

export type FollowScheduleDeps = {
  readonly scheduler: Pick<Scheduler, 'requestRuns' | 'windows'>
  readonly timers: Pick<Timers, 'set' | 'consume'>
  readonly pipelines: readonly CheckedPipeline[]
  readonly clock: Clock
  readonly log: Log
}

/** Milliseconds until a pipeline whose windows could not be asked for is looked at again. */
const AGAIN_MS = 60_000

/**
 * Asks for each window of the pipelines when it is due, beginning with those that were missed. Several schedulers may
 * follow the same schedule: asking twice gives the same run.
 */
export async function followSchedule(deps: FollowScheduleDeps): Promise<AsyncDisposable> {
  const consumer = await deps.timers.consume('schedule', () => askForDue(deps))
  await askForDue(deps)
  return consumer
}

async function askForDue(deps: FollowScheduleDeps): Promise<void> {
  const { scheduler, timers, pipelines, clock, log } = deps
  const next: number[] = []
  for (const pipeline of pipelines) {
    const now = clock()
    next.push(nextDueAt(pipeline.schedule, now).getTime())
    try {
      const due = dueWindows(pipeline.schedule, await scheduler.windows(pipeline.name), now)
      if (due.length === 0) continue
      await scheduler.requestRuns(pipeline, due)
      log.info({ pipeline: pipeline.name, from: due[0]?.label, to: due.at(-1)?.label }, 'windows are due')
    } catch (error) {
      // One pipeline does not hold up the others.
      log.warn({ pipeline: pipeline.name, error: reportError(error) }, 'windows that are due could not be asked for')
      next.push(now.getTime() + AGAIN_MS)
    }
  }
  if (next.length > 0) await timers.set('schedule', new Date(Math.min(...next)), { kind: 'schedule' })
}
