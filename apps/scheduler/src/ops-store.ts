import type { KnownVersion } from '@cinelake/contracts'
import type { Database } from '@cinelake/database'
import type { Kysely, Transaction } from 'kysely'
import type { Decision, TryRecord } from './decision.ts'
import { noteTables, readKnown, tablesIn } from './known-tables.ts'
import { isUniqueViolation } from './ops-errors.ts'
import { historyRows, runFromRows, taskToRow } from './ops-rows.ts'
import { OPS, type OpsSchema, type RunRow } from './ops-schema.ts'
import type { Run, RunState, Task } from './run-state.ts'

/** A run as it stood at one revision. */
export type Stored = { readonly run: Run; readonly revision: number }

/** The run history as the scheduler reads and writes it. Every write of a run is one transaction. */
export type OpsStore = ReturnType<typeof createOpsStore>

export function createOpsStore(database: Database<OpsSchema>) {
  const db = database.db.withSchema(OPS)
  return {
    load: (id: string) => load(db, id),

    /** Whether a run is still at a revision, hence whether what was decided on it holds. */
    async isAt(id: string, revision: number): Promise<boolean> {
      const row = await db.selectFrom('runs').select('revision').where('id', '=', id).executeTakeFirst()
      return row?.revision === revision
    },

    stateOf: (id: string): Promise<RunState | undefined> => stateOf(db, id),

    /** Notes a new run with its tasks. False when there is one of this id already. */
    async create(run: Run): Promise<boolean> {
      const isThere = async () => (await stateOf(db, run.id)) !== undefined
      if (await isThere()) return false
      try {
        await db.transaction().execute((transaction) => create(transaction, run))
        return true
      } catch (error) {
        // Another replica may have been faster.
        if (isUniqueViolation(error) && (await isThere())) return false
        throw error
      }
    },

    /** Notes which text a run is made under, the first time that it is used. */
    async rememberPipeline(name: string, digest: string, location: string, at: Date): Promise<void> {
      const known = await db
        .selectFrom('pipelines')
        .select('name')
        .where('name', '=', name)
        .where('digest', '=', digest)
        .execute()
      if (known.length > 0) return
      const row = { name, digest, location, first_used_at: at }
      try {
        await db.insertInto('pipelines').values(row).execute()
      } catch (error) {
        // Another replica has noted the same.
        if (!isUniqueViolation(error)) throw error
      }
    },

    /**
     * Makes a decision true, all of it or nothing of it.
     * @returns the run's new revision; undefined when the run is not as it was any more: decide again
     */
    commit: (before: Stored, decision: Decision) =>
      db.transaction().execute((transaction) => commit(transaction, before, decision)),

    /** Takes commands out of the outbox. */
    async markSent(run: string, tasks: readonly Task[], at: Date): Promise<void> {
      for (const some of chunks(tasks, MAX_PARAMETERS / 4)) {
        await db
          .updateTable('tasks')
          .set({ sent_at: at })
          .where('run', '=', run)
          .where('state', '=', 'queued')
          // Of this try only: another replica may have queued the next one, whose command is not sent yet.
          .where((is) =>
            is.or(
              some.map((task) =>
                is.and({ task: task.planned.name, generation: task.generation, attempt: task.attempt }),
              ),
            ),
          )
          .execute()
      }
    },

    /** Where the last succeeded window before `start` ended, by task. */
    async since(pipeline: string, start: string, tasks: readonly string[]): Promise<ReadonlyMap<string, string>> {
      const ends = new Map<string, string>()
      for (const some of chunks(tasks, MAX_PARAMETERS / 2)) {
        const rows = await db
          .selectFrom('tasks')
          .innerJoin('runs', 'runs.id', 'tasks.run')
          .select((is) => ['tasks.task', is.fn.max('runs.window_end').as('end')])
          .where('runs.pipeline', '=', pipeline)
          .where('runs.window_start', '<', new Date(start))
          .where('tasks.state', '=', 'succeeded')
          .where('tasks.task', 'in', some)
          .groupBy('tasks.task')
          .execute()
        for (const { task, end } of rows) ends.set(task, end.toISOString().replace('.000Z', 'Z'))
      }
      return ends
    },

    /** All runs of a pipeline with their tasks, oldest window first. */
    async history(pipeline: string): Promise<Run[]> {
      const rows = await db
        .selectFrom('runs')
        .selectAll()
        .where('pipeline', '=', pipeline)
        .orderBy('window_start')
        .execute()
      const tasks = await db
        .selectFrom('tasks')
        .innerJoin('runs', 'runs.id', 'tasks.run')
        .selectAll('tasks')
        .where('runs.pipeline', '=', pipeline)
        .execute()
      const byRun = Map.groupBy(tasks, ({ run }) => run)
      return rows.map((row) => runFromRows(row, byRun.get(row.id) ?? []))
    },

    /** Pipelines of which a run has one of these tasks, each with the text of its newest such run. */
    async makersOf(tasks: readonly string[]): Promise<{ readonly name: string; readonly digest: string }[]> {
      const rows = await db
        .selectFrom('tasks')
        .innerJoin('runs', 'runs.id', 'tasks.run')
        .select(['runs.pipeline', 'runs.digest', 'runs.window_start'])
        .where('tasks.task', 'in', [...tasks])
        .orderBy('runs.window_start')
        .execute()
      return [...new Map(rows.map(({ pipeline, digest }) => [pipeline, { name: pipeline, digest }])).values()]
    },

    /** Which tasks of a pipeline's runs have succeeded at any time, each as `<run> <task>`. */
    async everDone(pipeline: string): Promise<ReadonlySet<string>> {
      const rows = await db
        .selectFrom('attempts')
        .innerJoin('runs', 'runs.id', 'attempts.run')
        .select(['attempts.run', 'attempts.task'])
        .distinct()
        .where('runs.pipeline', '=', pipeline)
        .where('attempts.outcome', '=', 'succeeded')
        .execute()
      return new Set(rows.map(({ run, task }) => `${run} ${task}`))
    },

    /** The newest version that is known of tables of a pipeline, by name. */
    async known(pipeline: string, names: readonly string[]): Promise<ReadonlyMap<string, KnownVersion>> {
      const found = chunks(names, MAX_PARAMETERS / 2).map(async (some) => await readKnown(db, pipeline, some))
      return new Map((await Promise.all(found)).flatMap((some) => [...some]))
    },

    /** Runs that are not finished, oldest window first. */
    async unfinished(pipeline?: string): Promise<Pick<RunRow, 'id' | 'state' | 'after_run' | 'window_start'>[]> {
      const all = db
        .selectFrom('runs')
        .select(['id', 'state', 'after_run', 'window_start'])
        .where('state', 'in', ['waiting', 'running'])
        .orderBy('window_start')
      return await (pipeline === undefined ? all : all.where('pipeline', '=', pipeline)).execute()
    },
  }
}

type Ops = Kysely<OpsSchema>

async function load(db: Ops, id: string): Promise<Stored | undefined> {
  const row = await db.selectFrom('runs').selectAll().where('id', '=', id).executeTakeFirst()
  if (row === undefined) return undefined
  // Tasks read after their run may be newer than its revision; then the revision has moved on, and a commit is refused.
  const tasks = await db.selectFrom('tasks').selectAll().where('run', '=', id).execute()
  return { run: runFromRows(row, tasks), revision: row.revision }
}

async function stateOf(db: Ops, id: string): Promise<RunState | undefined> {
  return (await db.selectFrom('runs').select('state').where('id', '=', id).executeTakeFirst())?.state
}

async function create(db: Transaction<OpsSchema>, run: Run): Promise<void> {
  const row = {
    ...runColumns(run),
    id: run.id,
    pipeline: run.pipeline,
    window_label: run.window.label,
    window_start: new Date(run.window.start),
    window_end: new Date(run.window.end),
    revision: 0,
  }
  await db.insertInto('runs').values(row).execute()
  await insertTasks(db, run.id, [...run.tasks.values()])
}

async function insertTasks(db: Transaction<OpsSchema>, run: string, tasks: readonly Task[]): Promise<void> {
  const rows = tasks.map((task) => taskToRow(run, task))
  for (const some of rowChunks(rows)) await db.insertInto('tasks').values(some).execute()
}

async function commit(db: Transaction<OpsSchema>, before: Stored, decision: Decision): Promise<number | undefined> {
  const { run, changes, removed, records } = decision
  const revision = before.revision + 1
  const taken = await db
    .updateTable('runs')
    .set({ ...runColumns(run), revision })
    .where('id', '=', run.id)
    .where('revision', '=', before.revision)
    .executeTakeFirst()
  if (taken.numUpdatedRows === 0n) return undefined

  const gone = [...removed, ...changes.map((task) => task.planned.name).filter((name) => before.run.tasks.has(name))]
  for (const names of chunks(gone, MAX_PARAMETERS / 2)) {
    await db.deleteFrom('tasks').where('run', '=', run.id).where('task', 'in', names).execute()
  }
  await insertTasks(db, run.id, changes)
  for (const record of records) await keep(db, run.id, record)
  await noteTables(db, run.pipeline, made(before.run, changes), (items, each) =>
    chunks(items, MAX_PARAMETERS / 2 / each),
  )
  return revision
}

/** The tables that tasks report to have made which had not before. */
function made(before: Run, changes: readonly Task[]) {
  return changes.flatMap(({ planned, state, output, finishedAt }) => {
    if (state !== 'succeeded' || output?.kind !== 'table' || finishedAt === null) return []
    if (before.tasks.get(planned.name)?.output === output) return []
    return tablesIn(output).map((noted) => ({ output: noted, at: new Date(finishedAt) }))
  })
}

async function keep(db: Transaction<OpsSchema>, run: string, record: TryRecord): Promise<void> {
  const { key, attempt, quality, rejects } = historyRows(run, record)
  // A try given up for lost may report in after all; what it says then is what is known of it.
  const match = { run, task: key.task, generation: key.generation, attempt: key.attempt }
  if (record.late) {
    for (const table of ['attempts', 'quality_results', 'reject_counts'] as const) {
      await db
        .deleteFrom(table)
        .where((is) => is.and(match))
        .execute()
    }
  }
  await db.insertInto('attempts').values(attempt).execute()
  for (const some of rowChunks(quality)) await db.insertInto('quality_results').values(some).execute()
  for (const some of rowChunks(rejects)) await db.insertInto('reject_counts').values(some).execute()
}

function runColumns(run: Run) {
  return {
    digest: run.digest,
    redo: run.redo === null ? null : JSON.stringify(run.redo),
    state: run.state,
    after_run: run.after,
    requested_at: new Date(run.requestedAt),
    started_at: run.startedAt === null ? null : new Date(run.startedAt),
    finished_at: run.finishedAt === null ? null : new Date(run.finishedAt),
  }
}

/**
 * In one statement. SQL Server takes 2,100, two of which the driver uses; PostgreSQL 65,535.
 * Source: learn.microsoft.com/sql/sql-server/maximum-capacity-specifications-for-sql-server
 */
const MAX_PARAMETERS = 2000

/** Rows in pieces that one INSERT can hold. All have the same columns. */
function rowChunks<Row extends object>(rows: readonly Row[]): Row[][] {
  return chunks(rows, MAX_PARAMETERS / Object.keys(rows[0] ?? { none: 0 }).length)
}

function chunks<Item>(items: readonly Item[], size: number): Item[][] {
  const length = Math.floor(size)
  const count = Math.ceil(items.length / length)
  return Array.from({ length: count }, (_, index) => items.slice(index * length, (index + 1) * length))
}
