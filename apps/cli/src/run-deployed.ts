import { PipelineError, type Window, defineErrors, terminal } from '@cinelake/core'
import { type CheckedPipeline, freezePipeline } from '@cinelake/pipeline'
import { type RunRecord, type TaskRecord, historyErrors } from '@cinelake/run-store'
import { type RedoAsked, type Requested, schedulerErrors } from '@cinelake/scheduler'
import { setTimeout as pause } from 'node:timers/promises'
import { WaitingStoppedError } from './command.ts'
import type { Progress } from './output/progress.ts'
import type { RunRequest, SchedulerClient } from './scheduler-client.ts'

const deployedErrors = defineErrors({
  /** The scheduler's text of the pipeline differs from the folder's. */
  PIPELINE_TEXT_DIFFERS: terminal((url: string, pipeline: string, here: string, there: string) => [
    `the scheduler has another text of the pipeline than this folder [pipeline=${pipeline} url=${url}]: expected ${shortened(here)}, got ${shortened(there)}; deploy this folder, or name one with the text that is deployed`,
    { pipeline, url, here, there },
  ]),
})

const shortened = (digest: string) => digest.slice(0, 12)

type RunDeployedRequest = {
  /** In order; undefined for all that have landed, for a rebuild only. */
  readonly windows: readonly Window[] | undefined
  readonly again: boolean
  readonly force: boolean
  /** Which tasks of windows that have run to re-run; undefined for windows as they are. */
  readonly redo: RedoAsked | undefined
}

type RunDeployedOptions = {
  readonly progress: Progress
  readonly signal: AbortSignal
  /** Milliseconds between two polls of a run. */
  readonly pollMs?: number
}

/** Milliseconds between two polls of a run. A run takes minutes, and the API has few callers. */
const POLL_MS = 1000
/** Milliseconds without an answer after which waiting times out: longer than the rollout of a new version. */
const AWAY_MS = 5 * 60_000

/**
 * Requests windows of a pipeline from a deployed scheduler, and waits until they are finished.
 * @returns the runs, in order of their windows
 * @throws {WaitingStoppedError} cancelled: the runs continue
 */
export async function runDeployed(
  client: SchedulerClient,
  pipeline: CheckedPipeline,
  request: RunDeployedRequest,
  { progress, signal, pollMs = POLL_MS }: RunDeployedOptions,
): Promise<RunRecord[]> {
  const asked: string[] = []
  try {
    await requireSameText(client, pipeline)
    const requested = await ask(client, pipeline.name, request)
    asked.push(...requested.map(({ runId }) => runId))
    progress.say(`${asked.length === 1 ? `${asked[0]} runs` : `${asked.length} runs continue`} at ${client.url}`)
    const records: RunRecord[] = []
    for (const { runId, created } of requested) {
      const follow = createFollow(runId, progress, created)
      records.push(await untilFinished(client, runId, { follow, progress, signal, pollMs }))
      if (!follow.isTold()) progress.say(doneAlready(runId, request))
    }
    return records
  } catch (error) {
    if (signal.aborted) throw new WaitingStoppedError(client.url, asked)
    throw error
  }
}

async function ask(
  client: SchedulerClient,
  pipeline: string,
  { windows, again, force, redo }: RunDeployedRequest,
): Promise<readonly Requested[]> {
  const [first, last] = [windows?.[0], windows?.at(-1)]
  if (redo?.kind === 'rebuild') {
    const range = first === undefined || last === undefined ? {} : { from: first.label, to: last.label }
    return await client.requestRebuild({ pipeline, tables: redo.tables, ...range })
  }
  if (first === undefined || last === undefined) return []
  const range = first === last ? { window: first.label } : { from: first.label, to: last.label }
  const options = { ...(again ? { again } : {}), ...(force ? { force } : {}) }
  return await client.requestRuns({ pipeline, ...range, ...options, ...redoFields(redo) })
}

function redoFields(redo: RedoAsked | undefined): Pick<RunRequest, 'changed' | 'select' | 'fromRaw'> {
  if (redo?.kind === 'changed') return { changed: true }
  if (redo?.kind === 'from-raw') return { fromRaw: true }
  return redo?.kind === 'select' ? { select: redo.names } : {}
}

function doneAlready(runId: string, { redo }: RunDeployedRequest): string {
  return redo === undefined ? `${runId} is done already; --again runs it once more` : `${runId}: nothing to redo`
}

async function requireSameText(client: SchedulerClient, pipeline: CheckedPipeline): Promise<void> {
  const { digest } = freezePipeline(pipeline)
  const known = await client.texts()
  const there = known.find(({ name }) => name === pipeline.name)
  if (there === undefined) {
    throw schedulerErrors.PIPELINE_UNKNOWN(
      pipeline.name,
      known.map(({ name }) => name),
      client.url,
    )
  }
  if (there.digest !== digest)
    throw deployedErrors.PIPELINE_TEXT_DIFFERS(client.url, pipeline.name, digest, there.digest)
}

type Waiting = Pick<RunDeployedOptions, 'progress' | 'signal'> & {
  readonly follow: Follow
  readonly pollMs: number
}

async function untilFinished(
  client: SchedulerClient,
  runId: string,
  { follow, progress, signal, pollMs }: Waiting,
): Promise<RunRecord> {
  let silentSince: number | undefined
  for (;;) {
    try {
      const record = await client.run(runId)
      silentSince = undefined
      if (record === undefined) throw historyErrors.RUN_MISSING(runId, client.url)
      follow.look(record)
      if (isFinished(record)) return record
    } catch (error) {
      if (signal.aborted || !(error instanceof PipelineError) || !error.retryable) throw error
      if (silentSince === undefined) progress.say(`${error.message.split(':')[0] ?? ''}; it is asked again`)
      silentSince ??= performance.now()
      if (performance.now() - silentSince > AWAY_MS) throw error
    }
    await pause(pollMs, undefined, { signal })
  }
}

const isFinished = ({ state }: RunRecord) => state !== 'waiting' && state !== 'running'

type Follow = {
  readonly look: (record: RunRecord) => void
  /** Whether the request created work. */
  readonly isTold: () => boolean
}

/** Reports the changes between two polls of a run; nothing for a run that was done before the request. */
function createFollow(runId: string, progress: Progress, isNew: boolean): Follow {
  const seen = new Map<string, string>()
  let isTold = isNew
  const look = (record: RunRecord) => {
    isTold ||= !isFinished(record)
    if (!isTold) return
    const changed = record.tasks.filter((task) => seen.get(task.name) !== attemptKey(task))
    for (const task of changed) seen.set(task.name, attemptKey(task))
    const named = (task: TaskRecord) => ({ ...task, planned: { name: task.name } })
    const tasks = new Map(record.tasks.map((task) => [task.name, named(task)]))
    progress.onChange({ run: { id: runId, window: record.window, tasks }, tasks: changed.map(named) })
  }
  return { look, isTold: () => isTold }
}

const attemptKey = ({ state, generation, attempt }: TaskRecord) => `${generation}/${attempt}/${state}`
