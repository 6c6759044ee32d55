import type { Transaction } from 'kysely'
import { createRunReader, type RunReader, type Stored } from '../read/run-reader.ts'
import { historyRows, taskToRow, chunks, MAX_PARAMETERS } from '../rows.ts'
import type { Run, RunUpdate, Task, TryRecord } from '../run.ts'
import { isUniqueViolation } from '../errors.ts'
import { OPS, type OpsSchema, type RunDatabase } from '../schema/tables.ts'
import { noteTables, tablesIn } from '../read/known-tables.ts'

/** The run history as the scheduler reads and writes it. Every write of a run is one transaction. */
export type RunStore = RunReader & ReturnType<typeof createWriter>

export function createRunStore(database: RunDatabase): RunStore {
  const reader = createRunReader(database)
  return { ...reader, ...createWriter(database, reader) }
}

function createWriter(database: RunDatabase, { stateOf }: RunReader) {
  const db = database.db.withSchema(OPS)
  return {
    /** Notes a new run with its tasks. False when there is one of this id already. */
    async create(run: Run): Promise<boolean> {
      const isThere = async () => (await stateOf(run.id)) !== undefined
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
    commit: (before: Stored, update: RunUpdate) =>
      db.transaction().execute((transaction) => commit(transaction, before, update)),

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
  }
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

async function commit(db: Transaction<OpsSchema>, before: Stored, update: RunUpdate): Promise<number | undefined> {
  const { run, changes, removed, records } = update
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
  await noteTables(db, run.pipeline, made(before.run, changes))
  return revision
}

/** The tables that tasks report to have made which had not before. */
function made(before: Run, changes: readonly Task[]) {
  return changes.flatMap(({ planned, state, facts: { output }, finishedAt }) => {
    if (state !== 'succeeded' || output?.kind !== 'table' || finishedAt === null) return []
    if (before.tasks.get(planned.name)?.facts.output === output) return []
    return tablesIn(output).map((noted) => ({ output: noted, at: new Date(finishedAt) }))
  })
}

async function keep(db: Transaction<OpsSchema>, run: string, record: TryRecord): Promise<void> {
  const { key, attempt, quality, rejects } = historyRows(run, record)
  // A try that timed out may report after all; what it says then is what is known of it.
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

/** Rows in pieces that one INSERT can hold. All have the same columns. */
function rowChunks<Row extends object>(rows: readonly Row[]): Row[][] {
  return chunks(rows, MAX_PARAMETERS / Object.keys(rows[0] ?? { none: 0 }).length)
}
