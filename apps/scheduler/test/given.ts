import { runTaskWorker, type MessageBus, type TaskHandlers, type TaskOutcome } from '@cinelake/bus'
import { createMemoryBus, type MemoryBusOptions } from '@cinelake/bus/memory'
import { manifestPath, type Command, type CommandKind, type Queue } from '@cinelake/contracts'
import { silentLog, systemClock, taskFileName, type Window } from '@cinelake/core'
import type { CheckedModel, CheckedPipeline } from '@cinelake/pipeline'
import type { Database } from '@cinelake/database'
import { openPgliteDatabase, type PgliteDatabase } from '@cinelake/database/pglite'
import type { OpsSchema } from '@cinelake/run-store'
import { sql } from 'kysely'
import { createScheduler, type Scheduler, type SchedulerDeps } from '../src/scheduler.ts'
import { createMemoryTimers } from '../src/timers/memory/timers.ts'

export const DAY: Window = { start: '2026-03-01T00:00:00Z', end: '2026-03-02T00:00:00Z', label: '2026-03-01' }
export const NEXT_DAY: Window = { start: '2026-03-02T00:00:00Z', end: '2026-03-03T00:00:00Z', label: '2026-03-02' }
export const THIRD_DAY: Window = { start: '2026-03-03T00:00:00Z', end: '2026-03-04T00:00:00Z', label: '2026-03-03' }

/** One embedded database for all tests of a file, emptied for each. */
export async function openDatabase(): Promise<PgliteDatabase<OpsSchema>> {
  return await openPgliteDatabase<OpsSchema>()
}

export async function emptied(database: Database<OpsSchema>): Promise<void> {
  await sql`DROP SCHEMA IF EXISTS ops CASCADE`.execute(database.db)
}

/** A shop: orders and customers as files, a database of which one table is declared, two models, one served. */
export function aPipeline(changes: Partial<CheckedPipeline> = {}): CheckedPipeline {
  return {
    format: 1,
    name: 'shop',
    schedule: { every: 'day', timeZone: 'UTC', start: '2026-03-01', delayMs: 0 },
    retry: { maxAttempts: 3, backoffMs: 1, maxBackoffMs: 4 },
    sources: [
      {
        type: 'files',
        name: 'drops',
        path: '/drops',
        datasets: [
          { name: 'orders', files: 'orders_*.csv', whenMissing: 'fail' },
          { name: 'customers', files: 'customers_*.csv', whenMissing: 'fail' },
        ],
      },
      {
        type: 'database',
        name: 'billing',
        url: 'postgres://billing',
        include: ['public.*'],
        exclude: [],
        datasets: [
          { name: 'payments', table: { schema: 'public', name: 'payments' }, incremental: { column: 'paid_at' } },
        ],
      },
    ],
    datasets: [aDataset('orders', 'drops'), aDataset('customers', 'drops'), aDataset('payments', 'billing')],
    models: [aModel('order_totals', ['orders']), aModel('customer_totals', ['customers', 'order_totals'])],
    serve: [{ table: 'customer_totals', as: 'customer_totals', columns: [], primaryKey: ['id'] }],
    ...changes,
  }
}

function aDataset(name: string, source: string): CheckedPipeline['datasets'][number] {
  const column = { name: 'id', type: 'BIGINT', required: true, reading: { from: ['id'] } }
  return {
    name,
    source,
    sourceDataset: name,
    contract: { id: name, version: '1', columns: [column], primaryKey: ['id'], rowRules: [], tableRules: [] },
    reading: { header: true, nulls: [] },
    mode: 'merge',
    newestBy: [],
    duplicates: 'newest',
    partitionBy: [],
  }
}

function aModel(name: string, inputs: string[]): CheckedModel {
  return {
    name,
    sql: `SELECT id FROM ${inputs[0]}`,
    inputs,
    usesWindow: false,
    materialization: 'table',
    key: [],
    partitionBy: [],
    columns: [{ name: 'id', type: 'BIGINT' }],
    rowRules: [],
    tableRules: [],
  }
}

/** The outcome of a command: undefined means that it succeeds. Throws to fail. */
export type Behaviour = (command: Command) => Promise<Partial<TaskOutcome> | void> | Partial<TaskOutcome> | void

export type GivenOptions = Pick<SchedulerDeps, 'timeouts' | 'sweepMs' | 'log' | 'clock' | 'random'> & {
  readonly behave?: Behaviour
  readonly bus?: MemoryBusOptions
  /** Tables that `discover` finds. */
  readonly tables?: () => readonly string[]
  readonly workers?: boolean
}

/** A scheduler with real workers on a real bus, whose handlers only report success. */
export async function given(database: Database<OpsSchema>, options: GivenOptions = {}) {
  const stack = new AsyncDisposableStack()
  const bus = stack.use(createMemoryBus(options.bus))
  const lake = aLake()
  const done: Command[] = []
  const startWorkers = () => startFakeWorkers(bus, done, options)
  if (options.workers !== false) stack.use(await startWorkers())
  const start = async (more: Partial<SchedulerDeps> = {}) => {
    const { clock } = options
    const timers = stack.use(createMemoryTimers(clock === undefined ? {} : { clock }))
    const { timeouts, sweepMs, log, random } = options
    const settings = { timeouts, sweepMs, log, clock, random }
    const set = Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined))
    const scheduler = await createScheduler({ bus, lake, database, timers, ...set, ...more })
    return Object.assign(scheduler, { timers })
  }
  const scheduler = stack.use(await start())
  return { bus, lake, done, scheduler, start, startWorkers, [Symbol.asyncDispose]: () => stack.disposeAsync() }
}

/** Runs a window and reports the outcome of each task. */
export async function runDay(scheduler: Scheduler, pipeline = aPipeline(), window = DAY) {
  const { runId } = await scheduler.requestRun(pipeline, window)
  return await scheduler.waitFor(runId)
}

export function statesOf(record: { readonly tasks: readonly { readonly name: string; readonly state: string }[] }) {
  return Object.fromEntries(record.tasks.map(({ name, state }) => [name, state]))
}

export function aLake() {
  const objects = new Map<string, string>()
  return {
    objects,
    async putIfAbsent(path: string, content: string | Uint8Array) {
      if (objects.has(path)) return 'exists' as const
      objects.set(path, content.toString())
      return 'created' as const
    },
    put: async (path: string, content: string | Uint8Array) => void objects.set(path, content.toString()),
    readText: async (path: string) => objects.get(path),
    async *list(folder: string) {
      for (const [path, content] of [...objects].toSorted(([one], [other]) => (one < other ? -1 : 1)))
        if (path.startsWith(`${folder}/`)) yield { path, sizeBytes: content.length, modifiedAt: new Date(0) }
    },
  }
}

const QUEUES: readonly Queue[] = ['ingest-files', 'ingest-api', 'transformer', 'loader']

export async function startFakeWorkers(
  bus: MessageBus,
  done: Command[],
  options: GivenOptions,
): Promise<AsyncDisposable> {
  const stack = new AsyncDisposableStack()
  for (const queue of QUEUES) {
    const handler = async (command: Command): Promise<TaskOutcome> => {
      const changes = await options.behave?.(command)
      done.push(command)
      return { ...outcomeOf(command, options.tables?.() ?? ['payments', 'plans']), ...changes }
    }
    const kinds: CommandKind[] = ['discover', 'ingest', 'refine', 'build', 'load', 'deliver']
    const handlers = Object.fromEntries(kinds.map((kind) => [kind, handler])) as TaskHandlers
    stack.use(
      await runTaskWorker({
        bus,
        queue,
        handlers,
        worker: `${queue}-1`,
        clock: systemClock,
        log: silentLog,
        options: { concurrency: 4 },
      }),
    )
  }
  return stack
}

function outcomeOf(command: Command, tables: readonly string[]): TaskOutcome {
  const balance = { unit: 'rows', in: 10, out: 10, rejected: 0, duplicates: 0 } as const
  switch (command.kind) {
    case 'discover':
      return { balance, output: { kind: 'tables', tables: tables.map((name) => ({ schema: 'public', name })) } }
    case 'ingest': {
      const { pipeline, window, task, generation } = command
      const manifest = manifestPath(pipeline.name, window.label, taskFileName(task), generation)
      return { balance, output: { kind: 'landed', manifest, fileCount: 1, sizeBytes: 100 } }
    }
    case 'refine':
      return { balance, output: { kind: 'table', table: command.dataset, version: 3, outcome: 'committed' } }
    case 'build':
      return { balance, output: { kind: 'table', table: command.model, version: 5, outcome: 'committed' } }
    case 'deliver': {
      const facts = { manifest: 'file:/out/manifest.json', fileCount: 1, sizeBytes: 100 }
      return { balance, output: { kind: 'delivered', delivery: command.delivery, ...facts, outcome: 'delivered' } }
    }
    default: {
      const { table, version } = command
      return { balance, output: { kind: 'loaded', table, version, outcome: 'replaced', sentRowCount: 10 } }
    }
  }
}
