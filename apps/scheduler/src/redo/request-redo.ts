import { sha256, type Window } from '@cinelake/core'
import type { Lake } from '@cinelake/lake'
import {
  freezePipeline,
  loadPipeline,
  PipelineCorruptError,
  PipelineMissingError,
  planRun,
  requireOwnNames,
  type CheckedPipeline,
} from '@cinelake/pipeline'
import {
  createRunReader,
  isRedone,
  isRunFinished,
  requireReadable,
  type Redo,
  type Run,
  type RunDatabase,
  type RunReader,
} from '@cinelake/run-store'
import { RunUnderWayError, schedulerErrors } from '../errors.ts'
import { beginPlanned } from '../process/run-trace.ts'
import { requestRun, type RequestDeps, type Requested } from '../request-run.ts'
import { planRedo, type RedoAsked, type RedoPlan, type RedoWindow } from './redo-plan.ts'

export type RedoDeps = RequestDeps & {
  readonly lake: Pick<Lake, 'putIfAbsent' | 'readText' | 'list'>
  readonly store: RequestDeps['store'] & Pick<RunReader, 'history' | 'everDone'>
}

/** Plans re-runs of tasks. */
export type RedoPlanner = {
  /**
   * Reports which tasks of windows would be done again, and why. Changes nothing.
   * @param windows undefined for all that have run; for a rebuild only
   */
  planRedo(pipeline: CheckedPipeline, asked: RedoAsked, windows?: readonly Window[]): Promise<RedoPlan>
}

/** Plans re-runs of tasks for read-only use. @throws {OPS_SCHEMA_OLD} terminal @throws {OPS_SCHEMA_NEW} terminal */
export async function openRedoPlanner(deps: {
  readonly lake: Pick<Lake, 'readText'>
  readonly database: RunDatabase
}): Promise<RedoPlanner> {
  await requireReadable(deps.database)
  const parts = { lake: deps.lake, store: createRunReader(deps.database) }
  return {
    planRedo: (pipeline, asked, windows) => describeRedo(parts, pipeline, asked, windows),
  }
}

/** The pipelines that make a table, each under the text of its newest run. */
export async function pipelinesWith(
  { lake, store }: { readonly lake: Pick<Lake, 'readText'>; readonly store: Pick<RunReader, 'makersOf'> },
  table: string,
): Promise<CheckedPipeline[]> {
  const made = await store.makersOf([`refine ${table}`, `build ${table}`])
  return await Promise.all(made.map((ref) => loadPipeline(lake, ref)))
}

export type RedoOptions = {
  /** Windows that run at a time, where they do not depend on each other; default 1. */
  readonly concurrency?: number
}

type Looking = {
  readonly lake: Pick<Lake, 'readText'>
  readonly store: Pick<RunReader, 'history' | 'everDone'>
}

/** Reports the effect of a re-run. Changes nothing. @param windows undefined for all; for a rebuild only */
export async function describeRedo(
  deps: Looking,
  pipeline: CheckedPipeline,
  asked: RedoAsked,
  windows: readonly Window[] | undefined,
): Promise<RedoPlan> {
  return (await preparedRedo(deps, pipeline, asked, windows)).plan
}

/**
 * Re-runs tasks of windows that have run, oldest window first. The same request while it is incomplete resumes with the
 * remaining tasks.
 * @returns the runs of the windows, oldest window first; for a rebuild, those in which there is something to do
 * @throws {REDO_REFUSED} terminal: it is not possible, with every reason
 * @throws {RunUnderWayError} terminal: a run that it would change, or that uses the same tables, is not finished
 */
export async function requestRedo(
  deps: RedoDeps,
  pipeline: CheckedPipeline,
  asked: RedoAsked,
  windows: readonly Window[] | undefined,
  { concurrency = 1 }: RedoOptions = {},
): Promise<Requested[]> {
  const { plan, runs } = await preparedRedo(deps, pipeline, asked, windows)
  if (plan.problems.length > 0) throw schedulerErrors.REDO_REFUSED(pipeline.name, plan.problems)
  const affected = plan.windows.filter(({ tasks }) => tasks.some(({ action }) => action !== 'keep'))
  const { text, digest, path } = freezePipeline(pipeline)
  const of = sha256(JSON.stringify([asked, plan.windows.map(({ window }) => window.label), digest]))
  const begun = begunBefore(runs, affected, of)
  const first = affected[0]?.window
  if (first === undefined) return plan.windows.map(({ runId }) => ({ runId, created: false }))
  const id = `${of.slice(0, 16)}@${deps.clock().toISOString()}`
  const redo = begun ?? { id, of, first: first.label, isOrdered: plan.isOrdered }
  refuseUnderWay(runs, affected, redo)

  await requireOwnNames(deps.lake, pipeline)
  await deps.lake.putIfAbsent(path, text)
  await deps.store.rememberPipeline(pipeline.name, digest, path, deps.clock())
  const open = await deps.store.unfinished(pipeline.name)
  const before = open.filter((run) => run.window_start < new Date(first.start)).at(-1)?.id
  const width = redo.isOrdered ? 1 : concurrency
  const going: string[] = []
  const requested: Requested[] = []
  for (const window of plan.windows) {
    const { runId } = window
    if (!affected.includes(window)) {
      // A rebuild asks for tables: a window without any of them is not part of it.
      if (asked.kind !== 'rebuild') requested.push({ runId, created: false })
      continue
    }
    const after = going.length < width ? before : going.at(-width)
    requested.push(await requestWindow(deps, { pipeline, digest, window, after, redo }))
    going.push(runId)
  }
  return requested
}

type Prepared = { readonly plan: RedoPlan; readonly runs: ReadonlyMap<string, Run> }

async function preparedRedo(
  { lake, store }: Looking,
  pipeline: CheckedPipeline,
  given: RedoAsked,
  windows: readonly Window[] | undefined,
): Promise<Prepared> {
  const history = await store.history(pipeline.name)
  const done = await store.everDone(pipeline.name)
  const texts = new Map<string, CheckedPipeline>()
  const digests = new Set(
    history.flatMap((run) => [run.digest, ...[...run.tasks.values()].flatMap((task) => task.digest ?? [])]),
  )
  for (const digest of digests) {
    const text = await knownText(lake, pipeline, digest)
    if (text !== undefined) texts.set(digest, text)
  }
  const runs = new Map(history.map((run) => [run.window.label, run]))
  const plan = planRedo({
    pipeline,
    asked: given.kind === 'rebuild' ? { ...given, tables: tablesOf(pipeline, given.tables, done) } : given,
    windows,
    runs,
    everDone: (run, task) => done.has(`${run} ${task}`),
    textOf: (digest) => texts.get(digest),
  })
  return { plan, runs }
}

/** The tables that a rebuild names. Users know a table by its name in the mart. */
function tablesOf(
  { serve, datasets, models }: CheckedPipeline,
  names: readonly string[],
  done: ReadonlySet<string>,
): string[] {
  const made = new Set([...done].flatMap((key) => / (?:refine|build) (.+)$/.exec(key)?.[1] ?? []))
  const known = new Set([...made, ...[...datasets, ...models].map(({ name }) => name)])
  return names.map((name) => (known.has(name) ? name : (serve.find(({ as }) => as === name)?.table ?? name)))
}

/**
 * An earlier text of the pipeline; undefined where the lake no longer has it, or another version of the program wrote
 * it.
 */
async function knownText(
  lake: Pick<Lake, 'readText'>,
  pipeline: CheckedPipeline,
  digest: string,
): Promise<CheckedPipeline | undefined> {
  if (freezePipeline(pipeline).digest === digest) return pipeline
  try {
    return await loadPipeline(lake, { name: pipeline.name, digest })
  } catch (error) {
    if (error instanceof PipelineMissingError || error instanceof PipelineCorruptError) return undefined
    throw error
  }
}

/**
 * The same request, started earlier and incomplete: it is resumed. The task with which a table starts over must have
 * been part of it, otherwise all of it starts over.
 */
function begunBefore(runs: ReadonlyMap<string, Run>, affected: readonly RedoWindow[], of: string): Redo | undefined {
  for (const { window } of affected) {
    const run = runs.get(window.label)
    const redo = run?.redo
    if (run === undefined || redo?.of !== of || (isRunFinished(run) && isRedone(run))) continue
    if (!redo.isOrdered || runs.get(redo.first)?.redo?.id === redo.id) return redo
  }
  return undefined
}

/** @throws {RunUnderWayError} */
function refuseUnderWay(
  runs: ReadonlyMap<string, Run>,
  affected: readonly RedoWindow[],
  { id, isOrdered }: Pick<Redo, 'id' | 'isOrdered'>,
): void {
  const own = new Set(affected.map(({ window }) => window.label))
  for (const run of runs.values()) {
    if (isRunFinished(run) || run.redo?.id === id) continue
    if (own.has(run.window.label)) throw new RunUnderWayError(run.id, run.state, 'do tasks of it again')
    if (isOrdered) throw new RunUnderWayError(run.id, run.state, 'begin a table again that it may write')
  }
}

type WindowRequest = {
  readonly pipeline: CheckedPipeline
  readonly digest: string
  readonly window: RedoWindow
  readonly after: string | undefined
  readonly redo: Omit<Redo, 'tasks'>
}

async function requestWindow(
  deps: RedoDeps,
  { pipeline, digest, window, after, redo }: WindowRequest,
): Promise<Requested> {
  const { runId } = window
  if (window.isNew) return await requestRun(deps, pipeline, window.window, after === undefined ? {} : { after })
  const known = (await deps.store.load(runId))?.run
  const isOwn = known?.redo?.id === redo.id
  if (known !== undefined && isOwn && (!isRunFinished(known) || isRedone(known))) {
    await deps.begin(runId)
    return { runId, created: false }
  }
  const again = window.tasks.filter(({ action }) => action === 'do')
  const left = isOwn ? (known?.redo?.tasks ?? []).filter((name) => known?.tasks.get(name)?.state !== 'succeeded') : []
  const tasks = isOwn ? left : again.map(({ name }) => name)
  const restart = isOwn
    ? left.filter((name) => known?.tasks.get(name)?.restart === true)
    : again.filter((task) => task.restart).map(({ name }) => name)
  const ifLost = window.tasks.flatMap(({ name, restartIfLost }) => (restartIfLost ? [name] : []))
  const plan = {
    kind: 'plan',
    mode: 'redo',
    digest,
    planned: planRun(pipeline),
    after: after ?? null,
    redo: { ...redo, tasks, ...(ifLost.length > 0 && { restartIfLost: ifLost }) },
    restart: new Set(restart),
  } as const
  await beginPlanned(await deps.processor.submit(runId, [plan]), deps.begin)
  return { runId, created: true }
}
