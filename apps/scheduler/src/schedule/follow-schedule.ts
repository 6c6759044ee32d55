import { reportError, type Clock, type Log } from '@cinelake/core'
import type { CheckedPipeline } from '@cinelake/pipeline'
import { startInterval } from '../process/interval.ts'
import type { Scheduler } from '../scheduler.ts'
import type { Timers } from '../timers/timers.ts'
import { dueWindows, nextDueAt, type FirstWindow } from './schedule.ts'

export type FollowScheduleDeps = {
  readonly scheduler: Pick<Scheduler, 'requestRuns' | 'windows' | 'runs'>
  readonly timers: Pick<Timers, 'repeat' | 'clear' | 'consume'>
  readonly pipelines: readonly CheckedPipeline[]
  /** The first window of a pipeline that has never run. */
  readonly first: FirstWindow
  /** Milliseconds between checks for windows whose timer did not fire. */
  readonly lookMs: number
  readonly clock: Clock
  readonly log: Log
  /** Aborted when the service stops: windows not requested until then are due at the next start. */
  readonly stopping?: AbortSignal
}

/**
 * Runs of a pipeline that may wait. They run one after the other, so requesting them later delays none, and a schedule
 * that started long ago does not fill the run history at once.
 */
const WAITING_AT_MOST = 100

/**
 * Requests each window of the pipelines when it is due, beginning with those that were missed. Several schedulers may
 * follow the same schedule: asking twice gives the same run.
 *
 * Each pipeline has a repeating timer. If timers are lost, each scheduler notices by its own clock that a window is
 * due, and sets the timer again.
 */
export async function followSchedule(deps: FollowScheduleDeps): Promise<AsyncDisposable> {
  const { timers, pipelines, clock, log, lookMs } = deps
  await using starting = new AsyncDisposableStack()
  const lookAt = new Map<string, number>()

  const ask = async (pipeline: CheckedPipeline) => {
    const now = clock()
    const isAll = await askForDue(deps, pipeline, now)
    lookAt.set(pipeline.name, isAll ? nextDueAt(pipeline.schedule, now).getTime() + lookMs : now.getTime())
    await timers.repeat(pipeline.name, pipeline.schedule, { kind: 'schedule', pipeline: pipeline.name })
  }
  const look = async () => {
    for (const pipeline of pipelines) {
      if (deps.stopping?.aborted === true) return
      if (clock().getTime() < (lookAt.get(pipeline.name) ?? 0)) continue
      // One pipeline does not block the others.
      await ask(pipeline).catch((error: unknown) => {
        log.warn({ pipeline: pipeline.name, error: reportError(error) }, 'windows that are due could not be asked for')
      })
    }
  }

  starting.use(
    await timers.consume('schedule', async ({ pipeline: name }) => {
      const pipeline = pipelines.find((each) => each.name === name)
      if (pipeline !== undefined) return await ask(pipeline)
      // Set by a scheduler that had the pipeline; one that still has it sets the timer again.
      log.info({ pipeline: name }, 'timer for a pipeline that is not here was removed')
      await timers.clear('schedule', name)
    }),
  )
  await look()
  starting.use(startInterval('look for due windows', lookMs, look, log))
  return starting.move()
}

/** @returns whether no more windows are due */
async function askForDue(deps: FollowScheduleDeps, pipeline: CheckedPipeline, now: Date): Promise<boolean> {
  const { scheduler, first, log, stopping } = deps
  const { name, schedule } = pipeline
  const waiting = await scheduler.runs({ pipeline: name, state: 'waiting', limit: WAITING_AT_MOST })
  const limit = WAITING_AT_MOST - waiting.length
  if (limit <= 0) return false
  const due = dueWindows(schedule, await scheduler.windows(name), now, first, limit)
  if (due.length === 0) return true
  await scheduler.requestRuns(pipeline, due, stopping === undefined ? {} : { signal: stopping })
  log.info({ pipeline: name, from: due[0]?.label, to: due.at(-1)?.label }, 'windows are due')
  return due.length < limit
}
