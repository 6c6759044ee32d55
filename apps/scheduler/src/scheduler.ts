import type { MessageBus } from '@cinelake/bus'
import { reportError, silentLog, systemClock, CancelledError, type Clock, type Log, type Window } from '@cinelake/core'
import type { Lake } from '@cinelake/lake'
import { loadPipeline, storePipeline, type CheckedPipeline } from '@cinelake/pipeline'
import {
  createRunRecords,
  historyErrors,
  isRunFinished,
  knownTables,
  listAgents,
  RUN_LIMIT,
  isRedone,
  type AgentRecord,
  type KnownTable,
  type RunDatabase,
  type RunRecord,
  type RunsOptions,
  type RunSummary,
  type Run,
} from '@cinelake/run-store'
import {
  createAgents,
  createPipelineOrigins,
  createRunStore,
  noteOwner,
  prepareSchema,
  refuseDeployed,
  type Migrate,
  type Owner,
  type PipelineOrigins,
  type RunStore,
} from '@cinelake/run-store/write'
import { randomUUID } from 'node:crypto'
import type { TaskTimeouts } from './decide/decision.ts'
import { createEffectDispatcher, type RunChange } from './process/dispatch-effects.ts'
import { startEventConsumer } from './process/event-consumer.ts'
import { createRunProcessor, type RunProcessor } from './process/run-processor.ts'
import type { RedoAsked } from './redo/redo-plan.ts'
import { describeRedo, pipelinesWith, requestRedo, type RedoOptions, type RedoPlanner } from './redo/request-redo.ts'
import {
  requestRun,
  requestRuns,
  rulesOf,
  type BackfillOptions,
  type Requested,
  type RequestOptions,
} from './request-run.ts'
import type { Timers } from './timers/timers.ts'

export type SchedulerDeps = {
  readonly bus: Pick<MessageBus, 'send' | 'subscribe' | 'deadLetters' | 'discard'>
  readonly lake: Pick<Lake, 'putIfAbsent' | 'put' | 'readText' | 'list'>
  readonly database: RunDatabase
  readonly timers: Timers
  readonly clock?: Clock
  /** In [0, 1). Spreads retries. */
  readonly random?: () => number
  readonly log?: Log
  /** Redacts secrets from errors before they are stored. */
  readonly redact?: (text: string) => string
  readonly timeouts?: TaskTimeouts
  /** Milliseconds between sweeps for work that another replica left behind. */
  readonly sweepMs?: number
  /** What to do when the `ops` schema is not up to date; default `auto`. */
  readonly migrate?: Migrate
  /** The owner of the run history; if omitted, the owner is neither checked nor noted. */
  readonly owner?: Owner
  /** `embedded`: takes over a run history without a noted owner. */
  readonly adopt?: boolean
}

/** Plans runs, dispatches their tasks, and keeps their history. Any number of schedulers may share one database. */
export interface Scheduler extends AsyncDisposable, PipelineOrigins, RedoPlanner {
  /**
   * Requests a window of a pipeline. Asking twice gives the same run; a failed run resumes with the tasks that are not
   * done.
   * @throws {RunUnderWayError} terminal: it is in progress, and requested again or with another text
   */
  requestRun(pipeline: CheckedPipeline, window: Window, options?: Pick<RequestOptions, 'again'>): Promise<Requested>
  /**
   * Requests several windows. They run oldest first, `concurrency` at a time (default 1), after unfinished runs of
   * earlier windows; one that fails does not block the next.
   */
  requestRuns(pipeline: CheckedPipeline, windows: readonly Window[], options?: BackfillOptions): Promise<Requested[]>
  /** Writes a pipeline's text to where workers read it, in case it is missing: for runs under it that are resumed. */
  keepText(pipeline: CheckedPipeline): Promise<void>
  /** The newest known version of a pipeline's tables, and of the tables of their rejected rows. */
  knownTables(pipeline: string, tables: readonly string[]): Promise<KnownTable[]>
  /** The pipelines that make a table, each under the text of its newest run. */
  pipelinesWith(table: string): Promise<CheckedPipeline[]>
  /**
   * Re-runs tasks of windows that have run from landed data, oldest window first; the same request while it is
   * incomplete resumes it.
   * @throws {REDO_REFUSED} terminal @throws {RunUnderWayError} terminal
   */
  requestRedo(
    pipeline: CheckedPipeline,
    asked: RedoAsked,
    windows?: readonly Window[],
    options?: RedoOptions,
  ): Promise<Requested[]>
  /**
   * Resumes the work of a process that is gone: every command in progress is sent again. For the start of a process
   * whose bus lost its messages; where the bus is durable, the sweep is enough.
   * @returns ids of the resumed runs, oldest window first
   */
  resume(): Promise<string[]>
  /** Resolves when the run is finished, however it ended. @throws {RUN_MISSING} terminal */
  waitFor(runId: string, options?: { readonly signal?: AbortSignal }): Promise<RunRecord>
  run(runId: string): Promise<RunRecord | undefined>
  /** The newest windows first. */
  runs(options?: RunsOptions): Promise<RunSummary[]>
  /** The on-prem agents that have sent a heartbeat, by site and node. */
  agents(): Promise<AgentRecord[]>
  /** Labels of the windows that were requested, however they ended. */
  windows(pipeline: string): Promise<ReadonlySet<string>>
  /**
   * Cancels a run: unfinished tasks are skipped. A worker finishes the task that it is working on, but the result is
   * not recorded.
   * @returns false when it was finished already
   * @throws {RUN_MISSING} terminal
   */
  cancel(runId: string): Promise<boolean>
  /** Notifies the listener of each change after it is durable. Changes by other replicas are not reported. */
  watch(listener: (change: RunChange) => void): Disposable
}

/** A cold queue at night, or a hung worker: long enough for either to be noticed and fixed without a failed run. */
const TIMEOUTS: TaskTimeouts = { scheduleToStartMs: 12 * 3_600_000, heartbeatMs: 3_600_000 }
const SWEEP_MS = 30_000

/**
 * Starts a scheduler: migrates the `ops` schema or checks that it is up to date, then consumes events.
 * @throws {OPS_MIGRATION_FAILED} transient
 * @throws {OPS_SCHEMA_OLD} terminal @throws {OPS_SCHEMA_NEW} terminal
 * @throws {OPS_DEPLOYED} terminal @throws {OPS_OWNER_UNKNOWN} terminal: owner `embedded` only
 */
export async function createScheduler(deps: SchedulerDeps): Promise<Scheduler> {
  const { database, owner, adopt = false, clock = systemClock } = deps
  if (owner === 'embedded') await refuseDeployed(database, { adopt })
  await prepareSchema(database.db, deps.migrate ?? 'auto')
  if (owner !== undefined) await noteOwner(database, owner, clock())
  const parts = assemble(deps)
  const { store, records, processor, effects, starter, waiter, listeners } = parts
  const { bus, timers, sweepMs = SWEEP_MS } = deps
  const consumer = await startEventConsumer({ ...parts, bus, timers, sweepMs, begin: starter.begin })

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
        if (state === 'waiting') await starter.begin(id)
        const run = state === 'running' ? await processor.submit(id, [{ kind: 'resume' }]) : undefined
        if (run !== undefined) await effects.setTimers(run, [...run.tasks.values()])
      }
      return ids
    },
    async waitFor(runId, options) {
      await waiter.untilFinished(runId, options?.signal)
      const record = await records.run(runId)
      if (record === undefined) throw historyErrors.RUN_MISSING(runId)
      return record
    },
    run: (runId) => records.run(runId),
    runs: (options) => records.runs({ limit: RUN_LIMIT, ...options }),
    agents: () => listAgents(database),
    windows: (pipeline) => records.windows(pipeline),
    claim: createPipelineOrigins(database, clock).claim,
    async cancel(runId) {
      const state = await store.stateOf(runId)
      if (state === undefined) throw historyErrors.RUN_MISSING(runId)
      if (isRunFinished({ state })) return false
      return (await processor.submit(runId, [{ kind: 'cancel' }]))?.state === 'cancelled'
    },
    watch(listener) {
      listeners.add(listener)
      return { [Symbol.dispose]: () => void listeners.delete(listener) }
    },
    async [Symbol.asyncDispose]() {
      await consumer.disposeAsync()
      await parts.settled()
    },
  }
}

function assemble(deps: SchedulerDeps) {
  const { bus, lake, database, timers } = deps
  const { clock = systemClock, random = Math.random, log = silentLog, timeouts = TIMEOUTS } = deps
  const store = createRunStore(database)
  const waiter = createRunWaiter(store)
  const listeners = new Set<(change: RunChange) => void>()
  const background = createBackgroundTasks(log)

  const effects = createEffectDispatcher({
    bus,
    store,
    timers,
    clock,
    log,
    newId: randomUUID,
    redact: deps.redact,
    enqueueFollowUp: (runId, inputs) =>
      background.run('what follows from a command', () => processor.submit(runId, inputs)),
    onChange(change) {
      for (const listener of listeners) listener(change)
      if (!isRunFinished(change.run)) return
      waiter.finished(change.run.id)
      background.run('the runs that waited for this one', () => starter.followersOf(change.run))
    },
  })
  const processor = createRunProcessor({
    store,
    rulesOf: async (name, digest) => rulesOf(await loadPipeline(lake, { name, digest })),
    dispatch: effects.dispatch,
    clock,
    random,
    timeouts,
  })
  const starter = createRunStarter({ store, processor, log })
  return {
    store,
    waiter,
    listeners,
    effects,
    processor,
    starter,
    clock,
    log,
    timeouts,
    records: createRunRecords(database),
    agents: createAgents(database),
    request: { lake, store, processor, begin: starter.begin, clock },
    async settled() {
      await processor.idle()
      await background.idle()
    },
  }
}

/** Background work that no caller awaits, but that is finished before the process ends. */
function createBackgroundTasks(log: Log) {
  const underWay = new Set<Promise<void>>()
  return {
    /** @param what name for the log, in case it fails: a failure has no other effect */
    run(what: string, work: () => Promise<unknown>): void {
      const done = work()
        .then(() => undefined)
        .catch((error: unknown) => log.warn({ what, error: reportError(error) }, 'work in the background failed'))
        .finally(() => underWay.delete(done))
      underWay.add(done)
    },
    async idle(): Promise<void> {
      while (underWay.size > 0) await Promise.all(underWay)
    },
  }
}

/** Milliseconds between polls of an awaited run: another replica may be the one that finishes it. */
const LOOK_MS = 1000

function createRunWaiter(store: Pick<RunStore, 'stateOf'>) {
  const waiting = new Map<string, Set<() => void>>()

  const listen = (runId: string, signal: AbortSignal | undefined) => {
    const { promise, resolve } = Promise.withResolvers<void>()
    const wakers = waiting.get(runId) ?? new Set()
    waiting.set(runId, wakers.add(resolve))
    const timeout = setTimeout(resolve, LOOK_MS)
    const onAbort = () => resolve()
    signal?.addEventListener('abort', onAbort, { once: true })
    return {
      somethingHappens: promise,
      [Symbol.dispose]() {
        clearTimeout(timeout)
        signal?.removeEventListener('abort', onAbort)
        wakers.delete(resolve)
        if (wakers.size === 0 && waiting.get(runId) === wakers) waiting.delete(runId)
      },
    }
  }

  return {
    /** @throws {RUN_MISSING} terminal @throws {CancelledError} transient: the signal was aborted */
    async untilFinished(runId: string, signal?: AbortSignal): Promise<void> {
      for (;;) {
        if (signal?.aborted === true) throw new CancelledError(`waiting for ${runId}`, { cause: signal.reason })
        // Subscribes before the first poll, so that no change in between is missed.
        using listening = listen(runId, signal)
        const state = await store.stateOf(runId)
        if (state === undefined) throw historyErrors.RUN_MISSING(runId)
        if (isRunFinished({ state })) return
        await listening.somethingHappens
      }
    },
    /** Announces that a run is finished, so that waiters need not poll. */
    finished(runId: string): void {
      for (const wake of waiting.get(runId) ?? []) wake()
    },
  }
}

type RunStarterDeps = { readonly store: RunStore; readonly processor: RunProcessor; readonly log: Log }

function createRunStarter({ store, processor, log }: RunStarterDeps) {
  /** Starts a waiting run unless something blocks it. Safe to call at any time. */
  const begin = async (runId: string): Promise<void> => {
    const run = (await store.load(runId))?.run
    if (run?.state !== 'waiting') return
    if (run.after !== null) {
      const before = (await store.load(run.after))?.run
      if (before !== undefined && !isRunFinished(before)) return
      if (before !== undefined && isHeldBy(run, before)) {
        const reason = `needs ${before.id}, in which the same tasks were not done`
        return void (await processor.submit(runId, [{ kind: 'cancel', reason }]))
      }
    }
    const since = await store.since(run.pipeline, run.window.start, incrementalTasks(run))
    await processor.submit(runId, [{ kind: 'begin', since }])
  }

  return {
    begin,
    /** Starts the runs that waited for a run that is now finished. Those that fail are left for the sweep. */
    async followersOf({ id, pipeline }: Run): Promise<void> {
      try {
        for (const waiting of await store.unfinished(pipeline)) {
          if (waiting.after_run === id) await begin(waiting.id)
        }
      } catch (error) {
        log.warn(
          { run: id, error: reportError(error) },
          'runs that waited for this one did not begin; the sweep lets them',
        )
      }
    },
  }
}

/**
 * A table that starts over with one window cannot continue with the next one before the first is done: it would lack
 * that window's rows.
 */
function isHeldBy({ redo }: Run, before: Run): boolean {
  return redo?.isOrdered === true && before.redo?.id === redo.id && !isRedone(before)
}

function incrementalTasks(run: Run): string[] {
  return [...run.tasks.values()].flatMap(({ planned }) =>
    planned.work.kind === 'ingest' && planned.work.incremental ? [planned.name] : [],
  )
}
