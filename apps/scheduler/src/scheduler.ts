import type { MessageBus } from '@cinelake/bus'
import { silentLog, systemClock, type Clock, type Log, type Window } from '@cinelake/core'
import type { Lake } from '@cinelake/lake'
import { loadPipeline, storePipeline, type CheckedPipeline } from '@cinelake/pipeline'
import type { Database } from '@cinelake/database'
import { randomUUID } from 'node:crypto'
import { createCarryOut, type RunChange } from './carry-out.ts'
import type { Patience } from './decision.ts'
import type { OpsSchema } from './ops-schema.ts'
import { knownTables, type KnownTable } from './known-tables.ts'
import { createOpsStore } from './ops-store.ts'
import { createAgents, type AgentRecord } from './agents.ts'
import { noteOwner, refuseDeployed, type Owner } from './ops-owner.ts'
import { createPipelineOrigins, type PipelineOrigins } from './pipeline-origins.ts'
import { RUN_LIMIT } from './run-history.ts'
import { createBackground } from './background.ts'
import { startIntake } from './intake.ts'
import {
  requestRun,
  requestRuns,
  rulesOf,
  type BackfillOptions,
  type Requested,
  type RequestOptions,
} from './request-run.ts'
import type { RedoAsked, RedoPlan } from './redo-plan.ts'
import { describeRedo, pipelinesWith, requestRedo, type RedoOptions } from './request-redo.ts'
import { createRunBeginning } from './run-beginning.ts'
import { createRunDesk } from './run-desk.ts'
import { createRunRecords, type RunRecord, type RunsOptions, type RunSummary } from './run-records.ts'
import { isRunFinished } from './run-state.ts'
import { createRunWaiting } from './run-waiting.ts'
import { RunMissingError } from './scheduler-errors.ts'
import { prepareSchema, type Migrate } from './schema-version.ts'
import type { Timers } from './timers.ts'

export type SchedulerDeps = {
  readonly bus: Pick<MessageBus, 'send' | 'subscribe' | 'deadLetters' | 'discard'>
  readonly lake: Pick<Lake, 'putIfAbsent' | 'put' | 'readText'>
  readonly database: Database<OpsSchema>
  readonly timers: Timers
  readonly clock?: Clock
  /** In [0, 1). Spreads retries. */
  readonly random?: () => number
  readonly log?: Log
  /** Takes secrets out of errors of its own before they are kept. */
  readonly redact?: (text: string) => string
  readonly patience?: Patience
  /** Milliseconds between looks for what another replica left behind. */
  readonly sweepMs?: number
  /** What to do when the `ops` schema is not up to date; `auto` when not said. */
  readonly migrate?: Migrate
  /** Whose run history it is; left out, nothing is checked or noted. */
  readonly owner?: Owner
  /** `embedded`: takes a run history whose owner was never noted. */
  readonly adopt?: boolean
}

/** Plans runs, has their tasks done, and keeps their history. Any number of them may work on one database. */
export interface Scheduler extends AsyncDisposable, PipelineOrigins {
  /**
   * Asks for a window of a pipeline. Asking twice gives the same run; a run that failed goes on with what is not done.
   * @throws {RunUnderWayError} terminal: it is under way, and asked for again or with another text
   */
  requestRun(pipeline: CheckedPipeline, window: Window, options?: Pick<RequestOptions, 'again'>): Promise<Requested>
  /**
   * Asks for several windows. They run oldest first, `concurrency` at a time (1 without it), after what is under way of
   * the windows before them; one that fails does not hold up the next.
   */
  requestRuns(pipeline: CheckedPipeline, windows: readonly Window[], options?: BackfillOptions): Promise<Requested[]>
  /** Puts a pipeline's text where workers find it, should it be gone: for runs under it that go on. */
  keepText(pipeline: CheckedPipeline): Promise<void>
  /**
   * What doing tasks of windows again would mean: which, and why. Changes nothing.
   * @param windows undefined for all that were run; for a rebuild only
   */
  planRedo(pipeline: CheckedPipeline, asked: RedoAsked, windows?: readonly Window[]): Promise<RedoPlan>
  /** The newest version that is known of tables of a pipeline, and of the tables of their rejected rows. */
  knownTables(pipeline: string, tables: readonly string[]): Promise<KnownTable[]>
  /** The pipelines that make a table, each under the text of its newest run. */
  pipelinesWith(table: string): Promise<CheckedPipeline[]>
  /**
   * Has tasks of windows that were run done again from what has landed, oldest window first; asked again before that is
   * complete, it goes on.
   * @throws {RedoRefusedError} terminal @throws {RunUnderWayError} terminal
   */
  requestRedo(
    pipeline: CheckedPipeline,
    asked: RedoAsked,
    windows?: readonly Window[],
    options?: RedoOptions,
  ): Promise<Requested[]>
  /**
   * Goes on with what a process that is gone left unfinished: every command under way is sent again. For the start of a
   * process whose bus forgot what it was given; where the bus remembers, the sweep does what is needed.
   * @returns ids of the runs that go on, oldest window first
   */
  resume(): Promise<string[]>
  /** Resolves when the run is finished, however it ended. @throws {RunMissingError} terminal */
  waitFor(runId: string, options?: { readonly signal?: AbortSignal }): Promise<RunRecord>
  run(runId: string): Promise<RunRecord | undefined>
  /** The newest windows first. */
  runs(options?: RunsOptions): Promise<RunSummary[]>
  /** The on-prem agents that were heard of, by site and node. */
  agents(): Promise<AgentRecord[]>
  /** Labels of the windows that were asked for, however they ended. */
  windows(pipeline: string): Promise<ReadonlySet<string>>
  /**
   * Ends a run: what is not finished is skipped. A worker that is at a task finishes it, which is no longer noted.
   * @returns false when it was finished already
   * @throws {RunMissingError} terminal
   */
  cancel(runId: string): Promise<boolean>
  /** Tells of each change after it is durable. What another replica changed is not told. */
  watch(listener: (change: RunChange) => void): Disposable
}

/** A cold queue of the night and a hung worker: long enough for both to be noticed and mended without a failed run. */
const PATIENCE: Patience = { queuedMs: 12 * 3_600_000, silentMs: 3_600_000 }
const SWEEP_MS = 30_000

/**
 * Starts a scheduler: brings the `ops` schema up to date, or checks that it is, and takes events from then on.
 * @throws {OpsMigrationError} transient
 * @throws {OpsSchemaOldError} terminal @throws {OpsSchemaNewError} terminal
 * @throws {OpsDeployedError} terminal @throws {OpsOwnerUnknownError} terminal: owner `embedded` only
 */
export async function createScheduler(deps: SchedulerDeps): Promise<Scheduler> {
  const { database, owner, adopt = false, clock = systemClock } = deps
  if (owner === 'embedded') await refuseDeployed(database, { adopt })
  await prepareSchema(database.db, deps.migrate ?? 'auto')
  if (owner !== undefined) await noteOwner(database, owner, clock())
  const parts = assemble(deps)
  const { store, records, desk, carryOut, beginning, waiting, listeners } = parts
  const { bus, timers, sweepMs = SWEEP_MS } = deps
  const intake = await startIntake({ ...parts, bus, timers, sweepMs, begin: beginning.begin })

  return {
    requestRun: (pipeline, window, options) => requestRun(parts.request, pipeline, window, options),
    requestRuns: (pipeline, windows, options) => requestRuns(parts.request, pipeline, windows, options),
    planRedo: (pipeline, asked, windows) => describeRedo(parts.request, pipeline, asked, windows),
    knownTables: (pipeline, tables) => knownTables(store, pipeline, tables),
    pipelinesWith: (table) => pipelinesWith(parts.request, table),
    requestRedo: (pipeline, asked, windows, options) => requestRedo(parts.request, pipeline, asked, windows, options),
    keepText: async (pipeline) => void (await storePipeline(deps.lake, pipeline)),
    async resume() {
      const ids: string[] = []
      for (const { id, state } of await store.unfinished()) {
        ids.push(id)
        if (state === 'waiting') await beginning.begin(id)
        const run = state === 'running' ? await desk.submit(id, [{ kind: 'resume' }]) : undefined
        if (run !== undefined) await carryOut.arm(run, [...run.tasks.values()])
      }
      return ids
    },
    async waitFor(runId, options) {
      await waiting.untilFinished(runId, options?.signal)
      const record = await records.run(runId)
      if (record === undefined) throw new RunMissingError(runId)
      return record
    },
    run: (runId) => records.run(runId),
    runs: (options) => records.runs({ limit: RUN_LIMIT, ...options }),
    agents: () => parts.agents.list(),
    windows: (pipeline) => records.windows(pipeline),
    claim: createPipelineOrigins(database, clock).claim,
    async cancel(runId) {
      const state = await store.stateOf(runId)
      if (state === undefined) throw new RunMissingError(runId)
      if (isRunFinished({ state })) return false
      return (await desk.submit(runId, [{ kind: 'cancel' }]))?.state === 'cancelled'
    },
    watch(listener) {
      listeners.add(listener)
      return { [Symbol.dispose]: () => void listeners.delete(listener) }
    },
    async [Symbol.asyncDispose]() {
      await intake.disposeAsync()
      await parts.settled()
    },
  }
}

function assemble(deps: SchedulerDeps) {
  const { bus, lake, database, timers } = deps
  const { clock = systemClock, random = Math.random, log = silentLog, patience = PATIENCE } = deps
  const store = createOpsStore(database)
  const waiting = createRunWaiting(store)
  const listeners = new Set<(change: RunChange) => void>()
  const background = createBackground(log)

  const carryOut = createCarryOut({
    bus,
    store,
    timers,
    clock,
    log,
    newId: randomUUID,
    redact: deps.redact,
    follow: (runId, inputs) => background.run('what follows from a command', () => desk.submit(runId, inputs)),
    told(change) {
      for (const listener of listeners) listener(change)
      if (!isRunFinished(change.run)) return
      waiting.finished(change.run.id)
      background.run('the runs that waited for this one', () => beginning.followersOf(change.run))
    },
  })
  const desk = createRunDesk({
    store,
    rulesOf: async (name, digest) => rulesOf(await loadPipeline(lake, { name, digest })),
    carryOut: carryOut.decision,
    clock,
    random,
    patience,
  })
  const beginning = createRunBeginning({ store, desk, log })
  return {
    store,
    waiting,
    listeners,
    carryOut,
    desk,
    beginning,
    clock,
    log,
    patience,
    records: createRunRecords(database),
    agents: createAgents(database),
    request: { lake, store, desk, begin: beginning.begin, clock },
    async settled() {
      await desk.idle()
      await background.idle()
    },
  }
}
