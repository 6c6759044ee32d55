import type { Window } from '@cinelake/core'
import { freezePipeline, type CheckedPipeline } from '@cinelake/pipeline'
import type { RunRecord } from '@cinelake/run-store'
import { RunUnderWayError, type RedoAsked, type Requested, type Scheduler } from '@cinelake/scheduler'
import type { Progress } from './output/progress.ts'
import type { Platform } from './platform.ts'
import { claimName, queuesOf, type Origin } from './run-windows.ts'

type Options = {
  /** The folder of the pipeline's text; undefined for the text of the newest run. */
  readonly origin: Origin | undefined
  readonly progress: Progress
  readonly signal: AbortSignal
}

/**
 * Re-runs tasks of windows that have run, from landed data, and waits until they are finished.
 * @param windows undefined for all; for a rebuild only
 * @returns the requested runs, oldest window first
 * @throws {PipelineOriginError} terminal: another folder has the pipeline's name; nothing was changed
 * @throws {REDO_REFUSED} terminal: it is not possible, with every reason
 * @throws {CancelledError} transient: cancelled; the same call resumes
 */
export async function runAgain(
  platform: Platform,
  pipeline: CheckedPipeline,
  asked: RedoAsked,
  windows: readonly Window[] | undefined,
  { origin, progress, signal }: Options,
): Promise<RunRecord[]> {
  const { scheduler, bus } = platform
  if (origin !== undefined) await claimName(scheduler, pipeline, origin)
  await endOtherTexts(scheduler, pipeline)
  await platform.work(await queuesOf(scheduler, pipeline))
  await using _listening = await bus.subscribe('progress', async (event) => progress.onEvent(event))
  using _watching = scheduler.watch(progress.onChange)

  const resumed = await scheduler.resume()
  for (const run of resumed) progress.say(`${run} was not finished; it resumes`)
  const finishResumed = async () => {
    for (const run of resumed) await scheduler.waitFor(run, { signal })
  }
  for (const note of (await scheduler.planRedo(pipeline, asked, windows)).notes) progress.say(`note: ${note}`)
  const requested = await scheduler.requestRedo(pipeline, asked, windows).catch(async (error: unknown) => {
    // No other process works here: unfinished runs of an earlier process block the re-run until they are done.
    if (!(error instanceof RunUnderWayError)) throw error
    await finishResumed()
    return await scheduler.requestRedo(pipeline, asked, windows)
  })
  await finishResumed()
  const records = await recordsOf(scheduler, requested, signal)
  for (const { id, state } of records) {
    const isIdle = requested.some(({ runId, created }) => runId === id && !created)
    if (isIdle && asked.kind === 'changed' && state === 'succeeded') progress.say(`${id}: nothing to redo`)
  }
  if (!(await finishLoads(scheduler, pipeline, records))) return records
  return await recordsOf(scheduler, requested, signal)
}

async function recordsOf(
  scheduler: Scheduler,
  requested: readonly Requested[],
  signal: AbortSignal,
): Promise<RunRecord[]> {
  const records: RunRecord[] = []
  for (const { runId } of requested) records.push(await scheduler.waitFor(runId, { signal }))
  return records
}

/**
 * A table that started over was loaded with its last window. Earlier windows whose load had failed have nothing more to
 * load; on request, they find the table loaded.
 * @returns whether there were any
 */
async function finishLoads(
  scheduler: Scheduler,
  pipeline: CheckedPipeline,
  records: readonly RunRecord[],
): Promise<boolean> {
  const loaded = new Set(
    (records.at(-1)?.tasks ?? []).filter(({ state }) => state === 'succeeded').map(({ name }) => name),
  )
  let isAny = false
  for (const { window, tasks } of records.slice(0, -1)) {
    const open = tasks.filter(({ state }) => state !== 'succeeded')
    const isDone = (name: string) => tasks.some((task) => task.name === name && task.state === 'succeeded')
    const ready = open.filter(({ kind, name, needs }) => kind === 'load' && loaded.has(name) && needs.every(isDone))
    if (ready.length === 0) continue
    isAny = true
    await scheduler.requestRedo(pipeline, { kind: 'select', names: ready.map(({ name }) => name) }, [window])
  }
  return isAny
}

/**
 * Cancels a run that an earlier process left unfinished under another text of the pipeline: its remaining tasks are
 * done under the current text.
 */
async function endOtherTexts(scheduler: Scheduler, pipeline: CheckedPipeline): Promise<void> {
  const { digest } = freezePipeline(pipeline)
  for (const run of await scheduler.runs({ pipeline: pipeline.name, limit: MAX_UNFINISHED })) {
    if (run.finishedAt === null && run.digest !== digest) await scheduler.cancel(run.id)
  }
}

/** Runs that are read, newest window first: one process never left more unfinished. */
const MAX_UNFINISHED = 1000
