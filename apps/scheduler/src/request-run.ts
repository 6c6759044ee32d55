import { CancelledError, runIdOf, type Clock, type Window } from '@cinelake/core'
import type { Lake } from '@cinelake/lake'
import { expandDiscovered, planRun, requireOwnNames, storePipeline, type CheckedPipeline } from '@cinelake/pipeline'
import { isRunFinished, type Run } from '@cinelake/run-store'
import type { RunStore } from '@cinelake/run-store/write'
import type { PipelineRules, PlanInput } from './decide/decision.ts'
import { replan } from './decide/run-plan.ts'
import { RunUnderWayError } from './errors.ts'
import type { RunProcessor } from './process/run-processor.ts'
import { beginPlanned } from './process/run-trace.ts'

export type RequestOptions = {
  /** Runs the whole window again. By default, a failed run resumes with the tasks that are not done. */
  readonly again?: boolean
  /** The run that has to finish first. */
  readonly after?: string
}

export type BackfillOptions = Pick<RequestOptions, 'again'> & {
  /** Runs at a time; default 1. */
  readonly concurrency?: number
  /** Windows that have not been requested when it is aborted are skipped, with an error. */
  readonly signal?: AbortSignal
}

export type Requested = {
  readonly runId: string
  /** Whether the request created work. False for a run that is in progress or done already. */
  readonly created: boolean
}

export type RequestDeps = {
  readonly lake: Pick<Lake, 'putIfAbsent' | 'put' | 'readText' | 'list'>
  readonly store: Pick<RunStore, 'load' | 'create' | 'rememberPipeline' | 'unfinished'>
  readonly processor: RunProcessor
  /** Starts a run unless something blocks it. */
  readonly begin: (runId: string) => Promise<void>
  readonly clock: Clock
}

/**
 * Requests a window of a pipeline. Idempotent: asking twice gives the same run.
 * @throws {INCLUDED_NAME_TAKEN} terminal: a dataset or model has the name of a table that was included
 * @throws {RunUnderWayError} terminal: the run is not finished, and it is requested again or with another text
 */
export async function requestRun(
  { lake, store, processor, begin, clock }: RequestDeps,
  pipeline: CheckedPipeline,
  window: Window,
  { again = false, after }: RequestOptions = {},
): Promise<Requested> {
  await requireOwnNames(lake, pipeline)
  const { digest, path } = await storePipeline(lake, pipeline)
  await store.rememberPipeline(pipeline.name, digest, path, clock())

  const plan = { kind: 'plan', digest, planned: planRun(pipeline), after: after ?? null } as const
  const fresh = newRun(pipeline.name, digest, window, clock())
  const runId = fresh.id
  const known = await store.load(runId)
  const mode = known === undefined ? 'rest' : modeOf(known.run, digest, again)
  if (mode === undefined) {
    await begin(runId)
    return { runId, created: false }
  }
  // The run and its tasks are committed together: no replica can start a run that is not planned yet.
  const planned = replan(fresh, { ...plan, mode }, rulesOf(pipeline), clock())
  const isNew = known === undefined && (await store.create(planned))
  await beginPlanned(isNew ? planned : await processor.submit(runId, [{ ...plan, mode }]), begin)
  return { runId, created: true }
}

/**
 * Requests several windows: oldest first, `concurrency` at a time, after unfinished runs of earlier windows. Each run
 * waits for one with an older window, so there is no cycle.
 */
export async function requestRuns(
  deps: RequestDeps,
  pipeline: CheckedPipeline,
  windows: readonly Window[],
  { again = false, concurrency = 1, signal }: BackfillOptions = {},
): Promise<Requested[]> {
  const oldestFirst = [...windows].sort((one, other) => Date.parse(one.start) - Date.parse(other.start))
  const first = oldestFirst[0]
  if (first === undefined) return []
  const open = await deps.store.unfinished(pipeline.name)
  const before = open.filter((run) => run.window_start < new Date(first.start)).at(-1)?.id

  const requested: Requested[] = []
  for (const window of oldestFirst) {
    if (signal?.aborted === true) throw new CancelledError('asking for runs', { cause: signal.reason })
    const after = requested.at(-concurrency)?.runId
    const waitFor = requested.length < concurrency ? before : after
    requested.push(
      await requestRun(deps, pipeline, window, { again, ...(waitFor === undefined ? {} : { after: waitFor }) }),
    )
  }
  return requested
}

/** The effect of the request on an existing run; undefined when there is nothing to do. */
function modeOf(run: Run, digest: string, again: boolean): PlanInput['mode'] | undefined {
  if (!isRunFinished(run)) {
    if (again) throw new RunUnderWayError(run.id, run.state, 'run it again')
    if (run.digest !== digest) throw new RunUnderWayError(run.id, run.state, 'run it with another text of the pipeline')
    return undefined
  }
  if (again) return 'again'
  return run.state === 'succeeded' ? undefined : 'rest'
}

function newRun(pipeline: string, digest: string, window: Window, now: Date): Run {
  return {
    id: runIdOf(pipeline, window),
    pipeline,
    digest,
    window,
    state: 'waiting',
    after: null,
    requestedAt: now.toISOString(),
    startedAt: null,
    finishedAt: null,
    redo: null,
    tasks: new Map(),
  }
}

/** The execution policy in a pipeline's text. */
export function rulesOf(pipeline: CheckedPipeline): PipelineRules {
  return { retry: pipeline.retry, expand: (source, tables) => expandDiscovered(pipeline, source, tables) }
}
