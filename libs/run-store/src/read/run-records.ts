import { TaskFacts, WindowSchema } from '@cinelake/contracts'
import type { Kysely } from 'kysely'
import { z } from 'zod'
import { runFromRows } from '../rows.ts'
import { RUN_STATES, TASK_STATES, type Run, type RunState, type Task, type TaskState } from '../run.ts'
import { OPS, type OpsSchema, type RunDatabase } from '../schema/tables.ts'

const { durationMs, balance, output, error, rejects, quality } = TaskFacts.shape
const instant = z.iso.datetime().nullable()
const count = z.int().min(0)

/** Facts as readers are told them: what was there from the beginning always, as null or empty where it is not known. */
const ShownFacts = TaskFacts.extend({
  durationMs: durationMs.unwrap().nullable(),
  balance: balance.unwrap().nullable(),
  output: output.unwrap().nullable(),
  error: error.unwrap().nullable(),
  rejects: rejects.unwrap(),
  quality: quality.unwrap(),
})
export type ShownFacts = z.infer<typeof ShownFacts>

export function shownFacts(facts: TaskFacts): ShownFacts {
  const none = { durationMs: null, balance: null, output: null, error: null, rejects: {}, quality: [] }
  return { ...none, ...facts } as ShownFacts
}

/** A task of a run, for people, with the facts of its last try. Instants are ISO 8601 UTC, durations milliseconds. */
export const TaskRecord = ShownFacts.extend({
  name: z.string(),
  kind: z.enum(['discover', 'ingest', 'refine', 'build', 'load', 'deliver']),
  queue: z.string(),
  needs: z.array(z.string()).readonly(),
  state: z.enum(TASK_STATES),
  generation: count,
  attempt: count,
  since: instant,
  worker: z.string().nullable(),
  startedAt: instant,
  finishedAt: instant,
  retryAt: instant.describe('When the next try is due; only while it waits for one.'),
  reason: z.string().nullable(),
  digest: z.string().nullable(),
})
export type TaskRecord = z.infer<typeof TaskRecord>

export const RunSummary = z.object({
  id: z.string().describe('PIPELINE@WINDOW'),
  pipeline: z.string(),
  digest: z.string(),
  window: WindowSchema.readonly(),
  state: z.enum(RUN_STATES),
  after: z.string().nullable().describe('The run that has to be finished before this one begins.'),
  requestedAt: z.iso.datetime(),
  startedAt: instant,
  finishedAt: instant,
  durationMs: z.number().nullable(),
  taskCounts: z.record(z.enum(TASK_STATES), count).readonly().describe('By state; states without tasks are 0.'),
  // Absent in what a scheduler of an earlier version says.
  warningCount: count.optional().describe('Quality rules of severity `warn` that are broken.'),
})
export type RunSummary = z.infer<typeof RunSummary>

/** A run with its tasks, in the order of the plan. */
export const RunRecord = RunSummary.extend({ tasks: z.array(TaskRecord).readonly() })
export type RunRecord = z.infer<typeof RunRecord>

export type RunsOptions = {
  readonly limit?: number
  readonly pipeline?: string
  readonly state?: RunState
}

/** The run history as people read it. */
export function createRunRecords(database: RunDatabase) {
  const db = database.db.withSchema(OPS)
  return {
    run: (id: string) => readRun(db, id),
    /** The newest windows first. */
    runs: (options: RunsOptions & { readonly limit: number }) => readRuns(db, options),
    async pipelines(): Promise<string[]> {
      const rows = await db.selectFrom('runs').select('pipeline').distinct().orderBy('pipeline').execute()
      return rows.map(({ pipeline }) => pipeline)
    },
    async windows(pipeline: string): Promise<ReadonlySet<string>> {
      const rows = await db.selectFrom('runs').select('window_label').where('pipeline', '=', pipeline).execute()
      return new Set(rows.map((row) => row.window_label))
    },
  }
}

async function readRun(db: Kysely<OpsSchema>, id: string): Promise<RunRecord | undefined> {
  const row = await db.selectFrom('runs').selectAll().where('id', '=', id).executeTakeFirst()
  if (row === undefined) return undefined
  const tasks = await db.selectFrom('tasks').selectAll().where('run', '=', id).execute()
  const run = runFromRows(row, tasks)
  const before = [...run.tasks.values()].some(isOfBefore) ? await readTries(db, id) : undefined
  const records = [...run.tasks.values()].map((task): TaskRecord => {
    const facts = isOfBefore(task) ? before?.get(tryKey(keyOf(task))) : undefined
    return { ...recordOf(task), ...facts }
  })
  const states = records.map(({ state }) => ({ state, count: 1 }))
  const found = records.flatMap(({ quality }) => quality)
  const warningCount = found.filter(({ severity, failed }) => severity === 'warn' && failed > 0).length
  return { ...summaryOf(run, states), warningCount, tasks: records }
}

async function readRuns(
  db: Kysely<OpsSchema>,
  { limit, pipeline, state }: RunsOptions & { readonly limit: number },
): Promise<RunSummary[]> {
  // `LIMIT` is not known to SQL Server, this is to both.
  const all = db.selectFrom('runs').selectAll().orderBy('window_start', 'desc').orderBy('id').offset(0).fetch(limit)
  const ofPipeline = pipeline === undefined ? all : all.where('pipeline', '=', pipeline)
  const rows = await (state === undefined ? ofPipeline : ofPipeline.where('state', '=', state)).execute()
  if (rows.length === 0) return []
  const counts = await db
    .selectFrom('tasks')
    .select((is) => ['run', 'state', is.fn.countAll().as('count')])
    .where(
      'run',
      'in',
      rows.map((row) => row.id),
    )
    .groupBy(['run', 'state'])
    .execute()
  const byRun = Map.groupBy(counts, ({ run }) => run)
  const warnings = await countWarnings(
    db,
    rows.map((row) => row.id),
  )
  return rows.map((row) => ({
    ...summaryOf(runFromRows(row, []), byRun.get(row.id) ?? []),
    warningCount: warnings.get(row.id) ?? 0,
  }))
}

/** Broken rules of severity `warn` by run, of each task's last try. */
async function countWarnings(db: Kysely<OpsSchema>, runs: readonly string[]): Promise<ReadonlyMap<string, number>> {
  const counts = await db
    .selectFrom('quality_results as found')
    .innerJoin('tasks as task', (join) =>
      join
        .onRef('task.run', '=', 'found.run')
        .onRef('task.task', '=', 'found.task')
        .onRef('task.generation', '=', 'found.generation')
        .onRef('task.attempt', '=', 'found.attempt'),
    )
    .select((is) => ['found.run', is.fn.countAll().as('count')])
    .where('found.run', 'in', runs)
    .where('found.severity', '=', 'warn')
    .where('found.failed', '>', 0)
    .groupBy('found.run')
    .execute()
  return new Map(counts.map(({ run, count }) => [run, Number(count)]))
}

type StateCount = { readonly state: TaskState; readonly count: number | string | bigint }

function summaryOf({ tasks: _tasks, redo: _redo, ...run }: Run, counts: readonly StateCount[]): RunSummary {
  const taskCounts = Object.fromEntries(TASK_STATES.map((state) => [state, 0])) as Record<TaskState, number>
  for (const { state, count } of counts) taskCounts[state] += Number(count)
  const { startedAt, finishedAt } = run
  const durationMs = startedAt === null || finishedAt === null ? null : Date.parse(finishedAt) - Date.parse(startedAt)
  return { ...run, durationMs, taskCounts }
}

function recordOf(task: Task): TaskRecord {
  const { planned, state, generation, attempt, since, worker, startedAt, finishedAt, reason, digest } = task
  return {
    name: planned.name,
    kind: planned.work.kind,
    queue: planned.queue,
    needs: planned.needs,
    state,
    generation,
    attempt,
    since,
    worker,
    startedAt,
    finishedAt,
    retryAt: state === 'retrying' ? task.dueAt : null,
    reason,
    digest,
    ...shownFacts(task.facts),
  }
}

/** Whether a try came to its end under a version that kept rejects and quality results in tables of their own only. */
function isOfBefore({ attempt, finishedAt, facts }: Task): boolean {
  return attempt > 0 && finishedAt !== null && facts.quality === undefined
}

/** Rejects and quality results of the tries of a run, from those tables. */
async function readTries(
  db: Kysely<OpsSchema>,
  run: string,
): Promise<ReadonlyMap<string, Pick<ShownFacts, 'rejects' | 'quality'>>> {
  const rejects = await db.selectFrom('reject_counts').selectAll().where('run', '=', run).orderBy('ordinal').execute()
  const quality = await db.selectFrom('quality_results').selectAll().where('run', '=', run).orderBy('ordinal').execute()
  const rejectsBy = Map.groupBy(rejects, tryKey)
  const qualityBy = Map.groupBy(quality, tryKey)
  return new Map(
    [...new Set([...rejectsBy.keys(), ...qualityBy.keys()])].map((key) => [
      key,
      {
        rejects: Object.fromEntries((rejectsBy.get(key) ?? []).map((row) => [row.rule, Number(row.row_count)])),
        quality: (qualityBy.get(key) ?? []).map(({ rule, severity, checked, failed, detail }) => ({
          rule,
          severity,
          checked: Number(checked),
          failed: Number(failed),
          ...(detail === null ? {} : { detail }),
        })),
      },
    ]),
  )
}

function keyOf({ planned, generation, attempt }: Task) {
  return { task: planned.name, generation, attempt }
}

function tryKey(of: { readonly task: string; readonly generation: number; readonly attempt: number }): string {
  return `${of.generation}/${of.attempt}/${of.task}`
}
