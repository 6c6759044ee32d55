import type { Queue } from '@cinelake/contracts'
import { defineErrors, runIdOf, terminal, type Window } from '@cinelake/core'
import type { Lake } from '@cinelake/lake'
import { freezePipeline, planRun, type CheckedPipeline } from '@cinelake/pipeline'
import type { RunRecord } from '@cinelake/run-store'
import type { Scheduler } from '@cinelake/scheduler'
import { lossOf } from './lake-tables.ts'
import type { Progress } from './output/progress.ts'
import { describeChanges } from './output/redo-tables.ts'
import type { Platform } from './platform.ts'
import { originOf } from './shipped-pipeline.ts'

/** The folder of a pipeline's text, and whether it has changed. */
export type Origin = { readonly folder: string; readonly moved?: boolean }

export type RunWindowsOptions = {
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
  const { scheduler, bus } = platform
  await claimName(scheduler, pipeline, origin)
  await giveUpOtherTexts(scheduler, pipeline, windows, again)
  await scheduler.keepText(pipeline)
  await platform.work(await queuesOf(scheduler, pipeline))
  await using _listening = await bus.subscribe('progress', async (event) => progress.onEvent(event))
  using _watching = scheduler.watch(progress.onChange)

  const resumed = await scheduler.resume()
  for (const run of resumed) progress.say(`${run} was not finished; it resumes`)
  const before = tellsChanges && !again ? await scheduler.planRedo(pipeline, { kind: 'changed' }, windows) : undefined
  const requested = await scheduler.requestRuns(pipeline, windows, { again, signal })
  for (const { runId, created } of requested) {
    const window = before?.windows.find((one) => one.runId === runId)
    if (!created && !resumed.includes(runId))
      progress.say(`${runId} is done already${window === undefined ? '' : `; ${describeChanges(window)}`}`)
    else if (window !== undefined && window.changed.length > 0)
      progress.say(`${runId} resumes with what is not done; ${describeChanges(window)}`)
  }
  for (const run of resumed) await scheduler.waitFor(run, { signal })
  const records: RunRecord[] = []
  for (const { runId } of requested) records.push(await scheduler.waitFor(runId, { signal }))
  // Runs with work to do check each table that they write.
  const isDone = requested.every(({ created }) => !created) && resumed.length === 0
  if (isDone) await requireTables(pipeline.name, records, { lake: platform.lake, scheduler, signal })
  return records
}

/** @throws {PipelineOriginError} terminal: another folder has the pipeline's name */
export async function claimName(
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

/** The queues of this pipeline's tasks, and those of earlier tasks that are not done yet. */
export async function queuesOf(scheduler: Scheduler, pipeline: CheckedPipeline): Promise<Set<Queue>> {
  const queues = new Set<Queue>(planRun(pipeline).map(({ queue }) => queue))
  for (const { id, finishedAt } of await scheduler.runs()) {
    if (finishedAt !== null) continue
    for (const { queue } of (await scheduler.run(id))?.tasks ?? []) queues.add(queue as Queue)
  }
  return queues
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
