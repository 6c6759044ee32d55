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

/** The folder that a pipeline's text is in, and whether it was another one before. */
export type Origin = { readonly folder: string; readonly moved?: boolean }

export type RunWindowsOptions = {
  /** Runs windows that are done once more, whole. */
  readonly again?: boolean
  /** Says of windows that are not run again what would, and whether the pipeline's text has changed since. */
  readonly tellsChanges?: boolean
  /** Where the pipeline's text is: the folder that has its name in the run history. */
  readonly origin: Origin
  readonly progress: Progress
  readonly signal: AbortSignal
}

/**
 * Runs windows of a pipeline, oldest first, after whatever an earlier process left unfinished, and waits until all of it
 * is finished. Where all of it was done before, the lake is looked at: what was made has to be there.
 * @throws {TABLES_LOST} terminal, and the errors of one table
 * @throws {PipelineOriginError} terminal: another folder has the pipeline's name; nothing was changed
 * @returns the runs asked for, in order of their windows
 * @throws {CancelledError} transient: told to stop; the next call goes on
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
  for (const run of resumed) progress.say(`${run} was not finished; it goes on`)
  const before = tellsChanges && !again ? await scheduler.planRedo(pipeline, { kind: 'changed' }, windows) : undefined
  const requested = await scheduler.requestRuns(pipeline, windows, { again, signal })
  for (const { runId, created } of requested) {
    const window = before?.windows.find((one) => one.runId === runId)
    if (!created && !resumed.includes(runId))
      progress.say(`${runId} is done already${window === undefined ? '' : `; ${describeChanges(window)}`}`)
    else if (window !== undefined && window.changed.length > 0)
      progress.say(`${runId} goes on with what is not done; ${describeChanges(window)}`)
  }
  for (const run of resumed) await scheduler.waitFor(run, { signal })
  const records: RunRecord[] = []
  for (const { runId } of requested) records.push(await scheduler.waitFor(runId, { signal }))
  // Runs that do something look at each table that they write.
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
 * A run that an earlier process left unfinished under another text of the pipeline cannot go on as it is. Nobody else
 * works on it, so it is ended here; asked for again, it goes on under the text as it is now with what is not done.
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

/** The queues that this pipeline's tasks go to, and those of tasks that are still to be done from before. */
export async function queuesOf(scheduler: Scheduler, pipeline: CheckedPipeline): Promise<Set<Queue>> {
  const queues = new Set<Queue>(planRun(pipeline).map(({ queue }) => queue))
  for (const { id, finishedAt } of await scheduler.runs()) {
    if (finishedAt !== null) continue
    for (const { queue } of (await scheduler.run(id))?.tasks ?? []) queues.add(queue as Queue)
  }
  return queues
}

/** Tables that an error names. */
const NAMED = 5

const tableErrors = defineErrors({
  /**
   * Several tables of a pipeline are not what is known to have been made of them.
   * @param lost names in the order of the plan, at least two @param first what is wrong with the first of them
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
 * Checks that the lake has what runs that are done have made. Their tasks are not done again, and nothing else would
 * look: a table that is gone would be answered with "done already".
 * @throws {TABLES_LOST} terminal; of one table alone its own error, `TABLE_LOST` and the like
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
