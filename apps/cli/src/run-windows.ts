import { type Window, defineErrors, runIdOf, terminal } from '@cinelake/core'
import type { Lake } from '@cinelake/lake'
import { type CheckedPipeline, freezePipeline } from '@cinelake/pipeline'
import type { RunRecord } from '@cinelake/run-store'
import { type RedoAsked, type Requested, RunUnderWayError, type Scheduler } from '@cinelake/scheduler'
import { lossOf } from './lake-tables.ts'
import type { Progress } from './output/progress.ts'
import { describeChanges } from './output/run-tables.ts'
import type { Platform } from './platform.ts'
import { originOf } from './read-folder.ts'

/** The folder of a pipeline's text, and whether it has changed. */
export type Origin = { readonly folder: string; readonly moved?: boolean }

type RunWindowsOptions = {
  /** Runs the whole windows again. */
  readonly again?: boolean
  /** For windows that are not run again: the option that would, and whether the pipeline's text has changed since. */
  readonly tellsChanges?: boolean
  /** The folder of the pipeline's text, which owns the pipeline's name in the run history. */
  readonly origin: Origin
  readonly progress: Progress
  readonly signal: AbortSignal
}

/**
 * Runs windows of a pipeline, oldest first, after the runs that an earlier process left unfinished, and waits until all
 * are finished. Where all were done before, the lake is checked: their tables have to exist.
 * @throws {TABLES_LOST} terminal, and the errors of one table
 * @throws {PipelineOriginError} terminal: another folder has the pipeline's name; nothing was changed
 * @returns the requested runs, in order of their windows
 * @throws {CancelledError} transient: cancelled; the next call resumes
 */
export async function runWindows(
  platform: Platform,
  pipeline: CheckedPipeline,
  windows: readonly Window[],
  { again = false, tellsChanges = false, origin, progress, signal }: RunWindowsOptions,
): Promise<RunRecord[]> {
  const { scheduler } = platform
  await claimName(scheduler, pipeline, origin)
  await giveUpOtherTexts(scheduler, pipeline, windows, again)
  await scheduler.keepText(pipeline)
  await using work = await startWork(platform, { progress, signal })
  const { resumed } = work
  const before = tellsChanges && !again ? await scheduler.planRedo(pipeline, { kind: 'changed' }, windows) : undefined
  const requested = await scheduler.requestRuns(pipeline, windows, { again, signal })
  for (const { runId, created } of requested) {
    const window = before?.windows.find((one) => one.runId === runId)
    if (!created && !resumed.includes(runId))
      progress.say(`${runId} is done already${window === undefined ? '' : `; ${describeChanges(window)}`}`)
    else if (window !== undefined && window.changed.length > 0)
      progress.say(`${runId} resumes with what is not done; ${describeChanges(window)}`)
  }
  await work.finishResumed()
  const records = await recordsOf(scheduler, requested, signal)
  // Runs with work to do check each table that they write.
  const isDone = requested.every(({ created }) => !created) && resumed.length === 0
  if (isDone) await requireTables(pipeline.name, records, { lake: platform.lake, scheduler, signal })
  return records
}

/** @throws {PipelineOriginError} terminal: another folder has the pipeline's name */
async function claimName(
  scheduler: Scheduler,
  { name }: CheckedPipeline,
  { folder, moved = false }: Origin,
): Promise<void> {
  await scheduler.claim(name, await originOf(folder), { moved })
}

/**
 * A run that an earlier process left unfinished under another text of the pipeline cannot be resumed as it is. No other
 * process works on it, so it is cancelled here; when it is requested again, its remaining tasks run under the current
 * text.
 */
async function giveUpOtherTexts(
  scheduler: Scheduler,
  pipeline: CheckedPipeline,
  windows: readonly Window[],
  again: boolean,
): Promise<void> {
  const { digest } = freezePipeline(pipeline)
  for (const window of windows) {
    const run = await scheduler.run(runIdOf(pipeline.name, window))
    if (run === undefined || run.finishedAt !== null) continue
    if (run.digest !== digest || again) await scheduler.cancel(run.id)
  }
}

/** Most tables that an error names. */
const NAMED = 5

const tableErrors = defineErrors({
  /**
   * Several tables of a pipeline differ from the run history.
   * @param lost names in the order of the plan, at least two @param first the problem of the first of them
   */
  TABLES_LOST: terminal((pipeline: string, lost: readonly string[], checkedCount: number, first: string) => {
    const names = lost.slice(0, NAMED).join(', ') + (lost.length > NAMED ? ` and ${lost.length - NAMED} more` : '')
    const rebuilt = lost.length > NAMED ? '--all' : lost.join(' ')
    return [
      `tables have lost what they held [pipeline=${pipeline} tables=${names}]: expected what the run history knows of ${checkedCount} tables, got ${lost.length} that are gone, damaged or older; nothing was done: restore their folders from a copy, or rebuild them from raw: \`cinelake rebuild DIR ${rebuilt}\` (DIR is the folder of the pipeline). The first of them: ${first}`,
      { pipeline, tables: names },
    ]
  }),
})

type Deps = {
  readonly lake: Lake
  readonly scheduler: Pick<Scheduler, 'knownTables'>
  readonly signal: AbortSignal
}

/**
 * Checks that the tables of finished runs exist in the lake. Their tasks are not done again, so no other check would
 * run: a lost table would be answered with "done already".
 * @throws {TABLES_LOST} terminal; for one table its own error, `TABLE_LOST` and the like
 */
async function requireTables(pipeline: string, runs: readonly RunRecord[], deps: Deps): Promise<void> {
  const outputs = runs.flatMap(({ tasks }) => tasks.map(({ output }) => output))
  const tables = new Set(outputs.flatMap((output) => (output?.kind === 'table' ? [output.table] : [])))
  const known = await deps.scheduler.knownTables(pipeline, [...tables])
  const lost = new Map<string, Error>()
  for (const one of known) {
    const loss = await lossOf(deps.lake, { ...one, pipeline }, { signal: deps.signal })
    if (loss !== undefined && !lost.has(one.table)) lost.set(one.table, loss)
  }
  const [first] = lost.values()
  if (first === undefined) return
  throw lost.size === 1 ? first : tableErrors.TABLES_LOST(pipeline, [...lost.keys()], tables.size, first.message)
}

type RunAgainOptions = Pick<RunWindowsOptions, 'progress' | 'signal'> & {
  /** The folder of the pipeline's text; undefined for the text of the newest run. */
  readonly origin: Origin | undefined
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
  { origin, progress, signal }: RunAgainOptions,
): Promise<RunRecord[]> {
  const { scheduler } = platform
  if (origin !== undefined) await claimName(scheduler, pipeline, origin)
  await endOtherTexts(scheduler, pipeline)
  await using work = await startWork(platform, { progress, signal })
  for (const note of (await scheduler.planRedo(pipeline, asked, windows)).notes) progress.say(`note: ${note}`)
  const requested = await scheduler.requestRedo(pipeline, asked, windows).catch(async (error: unknown) => {
    // No other process works here: unfinished runs of an earlier process block the re-run until they are done.
    if (!(error instanceof RunUnderWayError)) throw error
    await work.finishResumed()
    return await scheduler.requestRedo(pipeline, asked, windows)
  })
  await work.finishResumed()
  const records = await recordsOf(scheduler, requested, signal)
  for (const { id, state } of records) {
    const isIdle = requested.some(({ runId, created }) => runId === id && !created)
    if (isIdle && asked.kind === 'changed' && state === 'succeeded') progress.say(`${id}: nothing to redo`)
  }
  if (!(await finishLoads(scheduler, pipeline, records))) return records
  return await recordsOf(scheduler, requested, signal)
}

/** Starts to take commands, reports progress, and resumes these runs. */
async function startWork(
  { scheduler, bus, work }: Platform,
  { progress, signal }: Pick<RunWindowsOptions, 'progress' | 'signal'>,
) {
  await using opening = new AsyncDisposableStack()
  await work()
  opening.use(await bus.subscribe('progress', async (event) => progress.onEvent(event)))
  opening.use(scheduler.watch(progress.onChange))
  const resumed = await scheduler.resume()
  for (const run of resumed) progress.say(`${run} was not finished; it resumes`)
  const finishResumed = async () => {
    for (const run of resumed) await scheduler.waitFor(run, { signal })
  }
  const owned = opening.move()
  return { resumed, finishResumed, [Symbol.asyncDispose]: async () => await owned.disposeAsync() }
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
    const shared = new Set(pipeline.deliver?.filter(({ perWindow }) => !perWindow).map(({ name }) => `deliver ${name}`))
    const ready = open.filter(
      ({ kind, name, needs }) => (kind === 'load' || shared.has(name)) && loaded.has(name) && needs.every(isDone),
    )
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
